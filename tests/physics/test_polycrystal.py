import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_labdct.core import InputError
from napari_labdct.physics import Crystal, Polycrystal
from napari_labdct.physics.elements import gather_elements
from napari_labdct.physics.tessellation import fit_laguerre

ALUMINIUM = Crystal.preset("Al")


@pytest.fixture(scope="module")
def papers_sample():
    return Polycrystal.random_cylinder(ALUMINIUM, rng=0)


def test_the_papers_sample_has_144_grains(papers_sample):
    assert len(papers_sample) == 144
    assert len(papers_sample.centre) == pytest.approx(43600, rel=0.03)
    assert papers_sample.volume.sum() == pytest.approx(np.pi * 0.2**2 * 0.6)


def test_sizes_asked_for_are_sizes_obtained(papers_sample):
    size = papers_sample.grain_size_um
    # 144 grains of a mean volume of 100 µm spheres fill the cylinder: 1 % is theirs
    assert size.mean() == pytest.approx(100, rel=0.012)
    assert size.std() == pytest.approx(10, rel=0.05)
    assert f"144 grains of {size.mean():.1f} ± {size.std():.1f} µm" in (
        papers_sample.summary
    )


@pytest.mark.parametrize(("mean", "spread"), [(100, 1), (80, 25), (120, 40)])
def test_wide_distributions_are_obtained_too(mean, spread):
    sample = Polycrystal.random_cylinder(
        ALUMINIUM, grain_um=mean, grain_sd_um=spread, element_um=20, rng=7
    )
    assert sample.grain_size_um.mean() == pytest.approx(mean, rel=0.03)
    assert sample.grain_size_um.std() == pytest.approx(spread, rel=0.1, abs=1)


def test_a_grain_map_shows_the_grains():
    sample = Polycrystal.random_cylinder(
        ALUMINIUM, diameter_um=200, height_um=200, element_um=10, rng=3
    )
    grain, origin = sample.grain_map(10)
    volume = np.bincount(grain[grain >= 0], minlength=len(sample)) * 0.01**3
    np.testing.assert_allclose(volume, sample.grain_volume, rtol=0.2)
    place = np.argwhere(grain == 2) * 0.01 + origin
    np.testing.assert_allclose(place.mean(axis=0), sample.grain_centre[2], atol=3e-3)


def test_laguerre_cells_have_their_volumes():
    rng = np.random.default_rng(5)
    point = rng.uniform(-0.5, 0.5, (20000, 3))
    wanted = rng.uniform(0.2, 3, 40)
    wanted /= wanted.sum()
    cells = fit_laguerre(point, wanted, rng)
    found = np.bincount(cells.grain_of(point), minlength=40) / len(point)
    np.testing.assert_allclose(found, wanted, atol=0.03 * wanted.mean())


def test_a_laguerre_cell_is_the_nearest_power(papers_sample):
    rng = np.random.default_rng(1)
    point = rng.uniform(-1, 1, (500, 3))
    cells = fit_laguerre(point, np.full(10, 0.1), rng)
    probe = rng.uniform(-1, 1, (200, 3))
    power = ((probe[:, None] - cells.seed) ** 2).sum(-1) - cells.weight
    np.testing.assert_array_equal(cells.grain_of(probe), power.argmin(1))


def test_elements_stay_inside(papers_sample):
    radius = np.hypot(*papers_sample.centre[:, :2].T)
    assert radius.max() < 0.2
    assert np.abs(papers_sample.centre[:, 2]).max() < 0.3


def test_same_seed_same_sample_whatever_the_elements():
    size = {"diameter_um": 200, "height_um": 200}
    coarse = Polycrystal.random_cylinder(ALUMINIUM, element_um=12, rng=4, **size)
    fine = Polycrystal.random_cylinder(ALUMINIUM, element_um=6, rng=4, **size)
    again = Polycrystal.random_cylinder(ALUMINIUM, element_um=12, rng=4, **size)
    np.testing.assert_array_equal(coarse.centre, again.centre)
    np.testing.assert_allclose(
        coarse.orientation.as_matrix(), fine.orientation.as_matrix()
    )
    shift = np.linalg.norm(coarse.grain_centre - fine.grain_centre, axis=1)
    assert shift.max() < 1e-3  # 1 µm
    np.testing.assert_allclose(coarse.grain_volume, fine.grain_volume, rtol=0.05)


def test_orientations_are_uniform():
    turn = Polycrystal.random_box(
        ALUMINIUM, size_um=(600, 600, 600), grain_um=100, element_um=50, rng=2
    ).orientation
    # uniform on SO(3): angles are distributed as (1 − cos ω)/π, axes evenly
    angle = turn.magnitude()
    assert angle.mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.1)
    assert np.abs(turn.apply([0, 0, 1]).mean(axis=0)).max() < 0.1
    # a Euler triple drawn evenly would crowd Φ around the poles
    cosine = turn.as_matrix()[:, 2, 2]
    assert cosine.var() == pytest.approx(1 / 3, rel=0.15)


def test_gathering_keeps_volume_and_centre_of_each_grain():
    axis = (np.arange(24) + 0.5) * 0.5
    point = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    grain = (np.linalg.norm(point - [5, 6, 7], axis=1) < 4).astype(int)
    centre, volume, of = gather_elements(point, grain, 2.0, 0.125)
    assert len(centre) < len(point) / 40
    for number in (0, 1):
        own = of == number
        assert volume[own].sum() == pytest.approx((grain == number).sum() * 0.125)
        np.testing.assert_allclose(
            np.average(centre[own], axis=0, weights=volume[own]),
            point[grain == number].mean(axis=0),
        )


def test_a_grain_smaller_than_an_element_is_not_lost():
    axis = (np.arange(8) + 0.5) * 0.5
    point = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    grain = np.zeros(len(point), int)
    grain[100] = 1
    _, volume, of = gather_elements(point, grain, 2.0, 0.125)
    assert volume[of == 1].sum() == pytest.approx(0.125)


def test_mosaic_spread_turns_elements_and_keeps_the_volume(aluminium):
    spread = aluminium.with_mosaic_spread(0.5, copies=4, rng=0)
    assert spread.volume.sum() == pytest.approx(aluminium.volume.sum())
    assert np.rad2deg(spread.misorientation.std()) == pytest.approx(0.5, rel=0.05)
    assert aluminium.with_mosaic_spread(0) is aluminium


def test_voxels_and_spheres():
    grain = np.full((10, 10, 10), -1)
    grain[2:5], grain[5:8] = 0, 1
    turn = Rotation.random(2, np.random.default_rng(0))
    sample = Polycrystal.from_voxels(
        ALUMINIUM, grain, turn, spacing=0.01, origin=(-0.045, -0.045, -0.045)
    )
    assert sample.grain_volume == pytest.approx(np.full(2, 300 * 1e-6))
    assert sample.grain_centre[0] == pytest.approx([-0.015, 0, 0], abs=1e-9)
    balls = Polycrystal.from_spheres(
        ALUMINIUM,
        np.array([[0, 0, 0], [0.1, 0, 0.2]]),
        turn,
        diameter_um=np.array([50.0, 30.0]),
        element_um=5,
    )
    np.testing.assert_allclose(balls.grain_size_um, [50, 30])
    np.testing.assert_allclose(balls.grain_centre[1], [0.1, 0, 0.2], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"element_um": 80}, "element size"),
        ({"grain_um": 900}, "larger sample"),
    ],
)
def test_impossible_samples(change, words):
    with pytest.raises(InputError, match=words):
        Polycrystal.random_cylinder(ALUMINIUM, **change)


def test_a_sample_without_grains_or_orientations():
    turn = Rotation.identity(1)
    with pytest.raises(InputError, match="no grain"):
        Polycrystal.from_voxels(
            ALUMINIUM, np.full((3, 3, 3), -1), turn, spacing=0.01, origin=(0, 0, 0)
        )
    with pytest.raises(InputError, match="orientation"):
        Polycrystal(ALUMINIUM, turn, np.zeros((1, 3)), np.ones(1), np.array([3]))
    with pytest.raises(InputError, match="at least one element"):
        Polycrystal(ALUMINIUM, turn, np.zeros((0, 3)), np.ones(0), np.zeros(0, int))
