"""Faint spots and streaks that are as bright: which look like the bright spots."""

import numpy as np
import pytest
from scipy import ndimage, special

from napari_labdct.analysis import FindSettings, find_spots
from napari_labdct.analysis.likeness import (
    DOUBT,
    MODELS,
    ROUNDS,
    SHIFT,
    SPREAD,
    likeness,
    prevalence,
    whereabouts,
)

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


def plain_whereabouts(log_odds, places):
    """The same by every pair, without squares to count in."""
    apart = np.square(places[:, None] - places).sum(axis=2)
    weight = np.exp(-apart / (2 * SPREAD**2))
    np.fill_diagonal(weight, 0)
    told = np.zeros(len(places))
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-(log_odds + told)))
        odds = (weight @ p + DOUBT * p.mean()) / (
            weight @ (1 - p) + DOUBT * np.mean(1 - p)
        )
        told = np.log(odds * np.mean(1 - p) / p.mean())
    return told


@pytest.fixture
def two_halves():
    """Candidates of a frame, above mostly spots, below mostly not; and their odds."""
    rng = np.random.default_rng(5)
    places = rng.integers(0, SIDE, (800, 2))
    spot = rng.random(800) < np.where(places[:, 0] < SIDE / 2, 0.8, 0.2)
    return places, rng.normal(np.where(spot, 0.7, -0.7), 1.0), spot


def test_regions_say_what_every_pair_says(two_halves):
    places, odds, _ = two_halves
    peaks = np.ravel_multi_index(tuple(places.T), (SIDE, SIDE))
    told = whereabouts(odds, peaks, (SIDE, SIDE))
    np.testing.assert_allclose(told, plain_whereabouts(odds, places), atol=0.25)


def test_candidates_among_spots_are_likelier(two_halves):
    places, odds, spot = two_halves
    peaks = np.ravel_multi_index(tuple(places.T), (SIDE, SIDE))
    told = whereabouts(odds, peaks, (SIDE, SIDE))
    above, below = (told[places[:, 0] // (SIDE // 2) == half] for half in (0, 1))
    assert np.median(above) > np.median(below) + 1
    assert np.mean((odds + told > 0) == spot) > np.mean((odds > 0) == spot) + 0.03


def test_where_spots_are_everywhere_no_place_is_better():
    rng = np.random.default_rng(6)
    peaks = rng.integers(0, SIDE * SIDE, 1000)
    odds = rng.normal(0, 2, 1000)
    assert np.std(whereabouts(odds, peaks, (SIDE, SIDE))) < 0.25


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_lonely_candidate_is_told_nothing(count):
    told = whereabouts(np.full(count, 3.0), np.arange(count), (SIDE, SIDE))
    np.testing.assert_allclose(told, 0, atol=1e-6)


def told(rng, spots, others):
    """Odds as a judge gives them who takes half of the candidates for spots."""
    return np.concatenate([rng.normal(2, 2, spots), rng.normal(-2, 2, others)])


@pytest.mark.parametrize("share", [0.35, 0.5, 0.65])
def test_the_share_of_spots_is_found(share):
    spots = round(2000 * share)
    odds = told(np.random.default_rng(6), spots, 2000 - spots)
    shift = prevalence(odds)
    assert special.expit(odds + shift).mean() == pytest.approx(share, abs=0.03)
    # Counted one by one there are no more mistakes than before.
    true = np.arange(2000) < spots
    assert ((odds + shift > 0) != true).sum() <= ((odds > 0) != true).sum()


def test_where_little_stands_out_little_is_a_spot():
    odds = np.random.default_rng(7).normal(-1, 1, 300)
    before, after = (odds > 0).sum(), (odds + prevalence(odds) > 0).sum()
    assert before > 30
    assert after < before / 3


def test_what_a_frame_says_of_all_is_limited():
    assert prevalence(np.full(50, 9.0)) == SHIFT
    assert prevalence(np.full(50, -9.0)) == -SHIFT
    assert prevalence(np.zeros(0)) == 0
