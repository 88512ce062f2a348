"""Rolling medians against scipy's."""

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.analysis.rolling import iter_rolling_median, median
from napari_labdct.core import InputError, ProjectionStack


@pytest.mark.parametrize("count", [1, 3, 5, 9, 11, 15, 31])
def test_median_equals_numpys(count):
    frames = np.random.default_rng(count).normal(size=(count, 70, 9)).astype("f4")
    np.testing.assert_array_equal(median(list(frames)), np.median(frames, axis=0))


@pytest.fixture
def scan():
    images = np.random.default_rng(0).integers(90, 110, (13, 20, 30)).astype(np.uint16)
    # One level, so that bringing frames to it changes nothing.
    images[:, ::4, ::4] = 100
    return ProjectionStack(images)


def test_cyclic_equals_scipy(scan):
    ours = [middle for _, middle in iter_rolling_median(scan, 5)]
    theirs = ndimage.median_filter(scan.images, (5, 1, 1), mode="wrap")
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_ends_of_a_partial_turn_share_their_window(scan):
    pairs = list(iter_rolling_median(scan, 5, cyclic=False))
    first = np.median(scan.images[:5], axis=0)
    for index in (0, 1, 2):
        np.testing.assert_allclose(pairs[index][1], first, rtol=1e-6)
    np.testing.assert_allclose(pairs[-1][1], np.median(scan.images[-5:], axis=0), 1e-6)
    np.testing.assert_allclose(pairs[4][0], scan.images[4], rtol=1e-6)


def test_drifting_exposure_is_followed():
    rng = np.random.default_rng(1)
    still = rng.uniform(300, 900, (40, 40))
    drift = rng.uniform(0.8, 1.3, 11)
    stack = ProjectionStack((drift[:, None, None] * still).astype(np.float32))
    for frame, middle in iter_rolling_median(stack, 7):
        np.testing.assert_allclose(middle, frame, rtol=1e-4)


def test_background_of_zero_is_no_obstacle():
    images = np.zeros((7, 12, 12), np.float32)
    images[3, 5, 5] = 9
    pairs = list(iter_rolling_median(ProjectionStack(images), 5))
    assert pairs[3][0][5, 5] == 9
    assert not any(middle.any() for _, middle in pairs)


def test_mendable_mistakes_are_named(scan):
    with pytest.raises(InputError, match="odd"):
        next(iter_rolling_median(scan, 4))
    with pytest.raises(InputError, match="which has 13"):
        next(iter_rolling_median(scan, 15))
