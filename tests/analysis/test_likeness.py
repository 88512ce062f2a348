"""Faint spots and streaks that are as bright: which look like the bright spots."""

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.analysis import FindSettings, find_spots
from napari_labdct.analysis.likeness import MODELS, likeness

SIDE, BRIGHT, FAINT = 720, 100, 300


def put(image, places, peak, along, across):
    """Gaussians of one shape, all of one peak height."""
    layer = np.zeros_like(image)
    layer[tuple(places.T)] = peak * 2 * np.pi * along * across
    return image + ndimage.gaussian_filter(layer, (along, across))


@pytest.fixture(scope="module")
def scene():
    """Bright spots, then faint spots, then streaks; noise 1; places (row, column)."""
    rng = np.random.default_rng(3)
    grid = np.stack(np.meshgrid(*[np.arange(16, SIDE - 16, 26)] * 2), -1).reshape(-1, 2)
    places = rng.permutation(grid)[: BRIGHT + 2 * FAINT]
    image = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    image = put(image, places[:BRIGHT], 20, 1.3, 1.3)
    image = put(image, places[BRIGHT:-FAINT], 3, 1.3, 1.3)
    return put(image, places[-FAINT:], 2, 3.5, 1.2), places


def kinds(ratio):
    return ratio[BRIGHT:-FAINT], ratio[-FAINT:]


@pytest.fixture(scope="module")
def use():
    return np.ones((SIDE, SIDE), bool)


def test_spots_look_like_spots_and_streaks_do_not(scene, use):
    image, places = scene
    peaks = np.ravel_multi_index(tuple(places.T), image.shape)
    spots, streaks = kinds(likeness(image, use, peaks, np.arange(BRIGHT)))
    assert np.median(spots) > np.median(streaks) + 2
    assert np.mean(spots > -1) > 0.85
    assert np.mean(streaks < -1) > 0.75


def test_where_all_are_spots_nothing_speaks_against_them(scene, use):
    image, places = scene
    peaks = np.ravel_multi_index(tuple(places[:-FAINT].T), image.shape)
    told = likeness(image, use, peaks, np.arange(BRIGHT))[BRIGHT:]
    assert abs(np.median(told)) < 0.3
    assert np.mean(told < -1) < 0.1


def test_few_bright_spots_tell_nothing(scene, use):
    image, places = scene
    peaks = np.ravel_multi_index(tuple(places.T), image.shape)
    assert not likeness(image, use, peaks, np.arange(MODELS - 1)).any()
    assert likeness(image, use, peaks[:0], np.arange(0)).shape == (0,)


def test_a_network_in_doubt_is_helped(scene):
    """At even odds everywhere, streaks rank below spots as significant."""
    image, places = scene
    probability = np.full(image.shape, 0.5, np.float32)
    near = np.zeros(image.shape, bool)
    near[tuple(places[:BRIGHT].T)] = True
    probability[ndimage.binary_dilation(near, iterations=2)] = 0.99
    settings = FindSettings(least_probability=0.01)
    known = {"probability": probability, "settings": settings}
    alone = find_spots(image, np.ones_like(image), **known, by_network=True).frame
    at = alone[["row_px", "column_px"]].to_numpy()
    gap = np.abs(at[:, None] - places).max(axis=2)
    kind = np.where(gap.min(axis=1) < 3, gap.argmin(axis=1), -1)
    spots = alone["score"][(kind >= BRIGHT) & (kind < BRIGHT + FAINT)]
    streaks = alone["score"][kind >= BRIGHT + FAINT]
    assert len(spots) > 0.9 * FAINT
    assert len(streaks) > 0.3 * FAINT
    assert spots.quantile(0.2) > streaks.quantile(0.8)
