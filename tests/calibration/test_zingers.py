import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.calibration import without_zingers
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
