import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.calibration import without_zingers, zingers_replaced
from napari_labdct.calibration.zingers import LEAST, SHARPNESS


def plain(units):
    """What the docstring says, of every pixel."""
    middle = ndimage.median_filter(units, 3, mode="nearest")
    around = ndimage.maximum_filter(middle, 3, mode="nearest")
    height = units - middle
    sharp = (height > LEAST) & (height > SHARPNESS * around)
    return np.where(sharp, middle, units)


@pytest.mark.parametrize("rate", [0, 1e-3, 0.2])
@pytest.mark.parametrize("shape", [(200, 130), (3, 90), (1, 1)])
def test_few_medians_are_as_good_as_all(rate, shape):
    rng = np.random.default_rng(3)
    units = rng.standard_normal(shape).astype(np.float32)
    hit = rng.random(shape) < rate
    units[hit] += rng.uniform(3, 60, int(hit.sum())).astype(np.float32)
    units += 30 * ndimage.gaussian_filter(hit.astype(np.float32), 1.0)
    before = units.copy()
    calm = without_zingers(units)
    np.testing.assert_array_equal(calm, plain(units))
    np.testing.assert_array_equal(units, before)


def test_zingers_go_and_spots_stay():
    rng = np.random.default_rng(1)
    units = rng.standard_normal((100, 100)).astype(np.float32)
    units[20, 20] += 40
    row, column = np.mgrid[:100, :100]
    spot = 40 * np.exp(-((row - 60) ** 2 + (column - 60) ** 2) / (2 * 1.1**2))
    calm = without_zingers(units + spot.astype(np.float32))
    assert calm[20, 20] < 3
    assert calm[60, 60] > 30


@pytest.fixture
def shaded():
    """Background with its photon noise and spots of σ = 1.5 px; their places."""
    rng = np.random.default_rng(2)
    level = np.linspace(200, 1200, 300)[:, None] * np.ones((300, 270))
    spots = np.zeros(level.shape)
    places = tuple(rng.integers(10, 260, (2, 20)))
    spots[places] = 400 * 2 * np.pi * 1.5**2
    image = rng.poisson(level + ndimage.gaussian_filter(spots, 1.5))
    return image.astype(np.float32), places


def test_hits_of_a_frame_as_measured_go_and_all_else_stays(shaded):
    image, places = shaded
    hit = image.copy()
    hit[40:290:50, 200] += 600
    before = hit.copy()
    calm = zingers_replaced(hit)
    np.testing.assert_array_equal(hit, before)
    assert calm.dtype == np.float32
    assert np.abs(calm - image)[40:290:50, 200].max() < 250
    assert np.mean(calm != hit) < 2e-4
    np.testing.assert_array_equal(calm[places], hit[places])


def test_frames_without_noise_stay(shaded):
    flat = np.full((50, 70), 7.0, np.float32)
    np.testing.assert_array_equal(zingers_replaced(flat), flat)
    image, _ = shaded
    image[100:200] = 65535
    calm = zingers_replaced(image)
    np.testing.assert_array_equal(calm[100:200], 65535)
