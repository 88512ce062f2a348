import gemmi
import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.physics import CRYSTALS, Crystal, Site

CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{group}
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
{atoms}
"""
GROUP = "_symmetry_space_group_name_H-M 'F m -3 m'"


def with_displacement(name, u_iso):
    crystal = Crystal.preset(name)
    sites = (Site(crystal.sites[0].element, crystal.sites[0].position, 1, u_iso),)
    return Crystal(name, crystal.cell, crystal.space_group, sites)


@pytest.mark.parametrize(
    ("name", "hkl", "expected"),
    [
        # |F|² with U = 0.01 Å², from the International Tables' form factors
        ("Al", (1, 1, 1), 1193.9),
        ("Al", (2, 0, 0), 1052.2),
        ("Al", (2, 2, 0), 706.6),
        ("Al", (3, 1, 1), 544.3),
        ("Al", (4, 2, 0), 264.5),
        ("Fe", (1, 1, 0), 1239.9),
        ("Fe", (2, 0, 0), 768.8),
        ("Si", (1, 1, 1), 3412),
        ("Si", (2, 2, 0), 4370),
    ],
)
def test_structure_factors(name, hkl, expected):
    crystal = with_displacement(name, 0.01)
    assert crystal.f_squared(np.array([hkl]))[0] == pytest.approx(expected, rel=0.01)


def test_debye_waller_factor_is_that_of_the_textbook():
    hkl = np.array([[4, 2, 0]])
    still = with_displacement("Al", 0.0).f_squared(hkl)[0]
    shaken = with_displacement("Al", 0.02).f_squared(hkl)[0]
    s = np.sqrt(20) / 4.04975 / 2  # sin θ/λ = 1/2d
    expected = np.exp(-16 * np.pi**2 * 0.02 * s**2)
    assert shaken / still == pytest.approx(expected, rel=1e-6)


def test_families_come_by_spacing_and_absent_ones_are_left_out():
    silicon = Crystal.preset("Si").reflections(families=3)
    found = {tuple(sorted(row)) for row in np.abs(silicon.hkl).tolist()}
    assert found == {(1, 1, 1), (0, 2, 2), (1, 1, 3)}
    assert np.all(np.diff(silicon.d) <= 0)


def test_eight_families_of_aluminium_reach_420():
    reflections = Crystal.preset("Al").reflections()
    assert len(reflections) == 112
    assert len(reflections.unit) == 98  # 222 and 400 share directions
    assert sorted(np.abs(reflections.hkl[-1])) == [0, 2, 4]


def test_harmonics_share_a_direction():
    reflections = Crystal.preset("Al").reflections()
    first = int(np.flatnonzero((reflections.hkl == (1, 1, 1)).all(1))[0])
    second = int(np.flatnonzero((reflections.hkl == (2, 2, 2)).all(1))[0])
    assert reflections.direction[first] == reflections.direction[second]
    assert reflections.order[second] == 2
    assert reflections.d[first] == pytest.approx(2 * reflections.d[second])


@pytest.mark.parametrize("name", list(CRYSTALS))
def test_reciprocal_vectors_agree_with_the_spacings(name):
    reflections = Crystal.preset(name).reflections()
    length = np.linalg.norm(reflections.g, axis=1)
    np.testing.assert_allclose(length, 2 * np.pi / reflections.d, rtol=1e-9)
    assert np.linalg.norm(reflections.unit.sum(axis=0)) < 1e-9  # both mates


def test_hexagonal_axes_are_x_along_a_and_z_along_c():
    reflections = Crystal.preset("Mg").reflections()
    basal = (reflections.hkl == (0, 0, 2)).all(1)
    np.testing.assert_allclose(reflections.g[basal][0][:2], 0, atol=1e-9)
    # a is perpendicular to (0 1 0), and along the x axis
    prism = (reflections.hkl == (0, 1, 0)).all(1)
    assert reflections.g[prism][0][0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("Al", 2.70),
        ("Fe", 7.87),
        ("Ni", 8.91),
        ("Si", 2.33),
        ("Cu", 8.94),
        ("Mg", 1.74),
    ],
)
def test_density_follows_from_the_cell(name, density):
    assert Crystal.preset(name).density == pytest.approx(density, rel=0.005)


def test_a_cif_gives_the_preset_back(tmp_path):
    path = tmp_path / "aluminium.cif"
    path.write_text(CIF.format(name="x", a=4.04975, group=GROUP, atoms="Al 0 0 0 0.01"))
    read = Crystal.named(path).reflections()
    known = Crystal.preset("Al").reflections()
    np.testing.assert_allclose(read.f_squared, known.f_squared, rtol=1e-6)


@pytest.mark.parametrize(
    ("group", "atoms", "words"),
    [
        (GROUP, "", "atoms"),
        ("", "Al 0 0 0 0.01", "space group"),
    ],
)
def test_a_cif_that_lacks_something_says_what(tmp_path, group, atoms, words):
    path = tmp_path / "poor.cif"
    text = CIF.format(name="x", a=4.05, group=group, atoms=atoms)
    if not atoms:
        text = text[: text.index("loop_")]
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        Crystal.from_cif(path)


def test_a_file_that_is_no_cif(tmp_path):
    path = tmp_path / "not.cif"
    path.write_text("once upon a time")
    with pytest.raises(InputError, match=r"not\.cif"):
        Crystal.from_cif(path)
    with pytest.raises(InputError, match=r"missing\.cif"):
        Crystal.from_cif(tmp_path / "missing.cif")


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(InputError, match="Al, Fe, Ni"):
        Crystal.preset("Unobtainium")


def test_no_reflection_above_the_smallest_spacing():
    with pytest.raises(InputError, match="lattice spacing"):
        Crystal.preset("Al").reflections(d_min=10)


def test_gemmi_agrees_on_spacings_of_a_triclinic_cell():
    crystal = Crystal("t", (4, 5, 6, 80, 95, 103), "P 1", (Site("Fe"),))
    reflections = crystal.reflections(families=10)
    cell = gemmi.UnitCell(*crystal.cell)
    expected = [cell.calculate_d(list(map(int, row))) for row in reflections.hkl]
    np.testing.assert_allclose(reflections.d, expected)
    np.testing.assert_allclose(
        np.linalg.norm(reflections.g, axis=1), 2 * np.pi / np.array(expected)
    )
