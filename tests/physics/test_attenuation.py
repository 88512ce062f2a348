import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.physics import Crystal, Filter, Scintillator
from napari_labdct.physics.attenuation import (
    linear_attenuation,
    mass_attenuation,
    material_attenuation,
)


@pytest.mark.parametrize(
    ("energy", "expected"),
    [
        (10, 26.21),
        (20, 3.442),
        (30, 1.128),
        (40, 0.568),
        (60, 0.2778),
        (80, 0.2018),
        (100, 0.1704),
        (140, 0.1422),
    ],
)
def test_aluminium(energy, expected):
    assert mass_attenuation("Al", energy) == pytest.approx(expected, rel=0.01)


def test_caesium_iodide_and_its_edges():
    at_60 = material_attenuation("CsI", 60.0) / 4.51 * 10
    assert at_60 == pytest.approx(7.92, rel=0.01)
    for edge in (33.17, 35.98):
        below, above = material_attenuation("CsI", np.array([edge - 0.05, edge + 0.05]))
        assert above > 1.5 * below


@pytest.mark.parametrize(
    ("energy", "absorbed"),
    [(20, 0.84), (30, 0.46), (40, 0.79), (60, 0.42), (100, 0.13)],
)
def test_150_micrometres_of_caesium_iodide(energy, absorbed):
    found = Scintillator(material="CsI", thickness=150).efficiency(np.array([energy]))
    assert found[0] == pytest.approx(absorbed, abs=0.035)


def test_a_mixture_lies_between_its_parts():
    energy = np.array([30.0])
    iron = linear_attenuation({"Fe": 1}, 5.0, energy)
    oxygen = linear_attenuation({"O": 1}, 5.0, energy)
    both = linear_attenuation({"Fe": 1, "O": 1}, 5.0, energy)
    assert both == pytest.approx((iron + oxygen) / 2)


def test_crystals_know_their_own_attenuation():
    iron = Crystal.preset("Fe")
    found = linear_attenuation(iron.composition, iron.density, 60.0)
    assert found == pytest.approx(1.205 * 7.874 / 10, rel=0.01)  # mm⁻¹


def test_filters_follow_lambert_and_beer():
    energy = np.array([20.0, 60.0])
    one = Filter(material="Al", thickness=1).transmission(energy)
    two = Filter(material="Al", thickness=2).transmission(energy)
    np.testing.assert_allclose(two, one**2)


def test_unknown_materials():
    with pytest.raises(InputError, match="CsI"):
        Filter(material="cheese").transmission(np.array([20.0]))
    with pytest.raises(InputError, match="attenuation table"):
        mass_attenuation("Xx", 20.0)
