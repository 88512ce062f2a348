"""What filters add to a network's picture, and what they take from it."""

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.analysis.agreement import agreed, spot_share
from napari_labdct.analysis.detection import kernels, threshold_for

SHAPE, SIGMA = (256, 256), 10.0
BRIGHT, WEAK, HIT, BLOB = (60, 60), (60, 180), (180, 60), (180, 180)


def spot(at, height, width=1.2):
    layer = np.zeros(SHAPE, np.float32)
    layer[at] = height * 2 * np.pi * width**2
    return ndimage.gaussian_filter(layer, width)


def light(picture, at, reach=6):
    row, column = at
    part = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return float(picture[part].sum())


@pytest.fixture(scope="module")
def scene():
    """What was measured, in grey values, and a network's picture of it.

    The network has let a direct hit pass, has lost a weak spot, and shows a faint wide
    blob that is not there.
    """
    rng = np.random.default_rng(4)
    bright, weak = spot(BRIGHT, 400), spot(WEAK, 28)
    noise = rng.normal(0, SIGMA, SHAPE)
    noise[WEAK[0] - 3 : WEAK[0] + 4, WEAK[1] - 3 : WEAK[1] + 4] /= 5
    hit = np.zeros(SHAPE)
    hit[HIT] = 150
    picture = bright + spot(BLOB, 3, 6) + hit
    probability = np.where(picture > 100, 0.95, 0.0001) + 0.1 * (spot(BLOB, 3, 6) > 1)
    residual = bright + weak + hit + noise
    return [np.asarray(x, np.float32) for x in (picture, probability, residual)]


@pytest.fixture(scope="module", params=[False, True], ids=["scan", "alone"])
def both(scene, request):
    """Picture, what becomes of it, and whether the scan was unknown."""
    sigma = np.full(SHAPE, SIGMA, np.float32)
    return scene[0], agreed(*scene, sigma, alone=request.param), request.param


def test_bright_spots_keep_their_grey_values(both):
    picture, after, _ = both
    row, column = BRIGHT
    near = np.s_[row - 4 : row + 5, column - 4 : column + 5]
    np.testing.assert_array_equal(after[near], picture[near])


def test_what_is_sharper_than_the_point_spread_goes(both):
    picture, after, _ = both
    assert light(picture, HIT) > 140
    assert light(after, HIT) == 0


def test_what_no_filter_sees_fades_as_the_network_doubts_it(both):
    picture, after, _ = both
    assert 0 < light(after, BLOB) < 0.2 * light(picture, BLOB)


def test_a_lost_spot_comes_back_where_the_scan_is_known(both):
    picture, after, alone = both
    assert light(picture, WEAK) < 1
    true = float(spot(WEAK, 28).sum())
    if alone:
        assert light(after, WEAK) < 1
    else:
        assert 0.6 * true < light(after, WEAK) < 1.3 * true


def test_nothing_else_appears(both):
    _, after, _ = both
    elsewhere = np.ones(SHAPE, bool)
    for row, column in (BRIGHT, WEAK, HIT, BLOB):
        elsewhere[row - 20 : row + 21, column - 20 : column + 21] = False
    assert after[elsewhere].max() < 0.1 * SIGMA
    assert after.min() == 0


def test_a_detector_sharper_than_usual_keeps_its_spots():
    places = np.stack(np.mgrid[12:244:24, 12:244:24]).reshape(2, -1)
    picture = np.zeros(SHAPE, np.float32)
    picture[tuple(places)] = 800
    noise = np.random.default_rng(5).normal(0, SIGMA, SHAPE).astype(np.float32)
    probability = np.where(picture > 0, 0.99, 0.001).astype(np.float32)
    sigma = np.full(SHAPE, SIGMA, np.float32)
    after = agreed(picture, probability, picture + noise, sigma, alone=False)
    np.testing.assert_array_equal(after[tuple(places)], 800)


def test_the_input_is_left_as_it_was(scene):
    before = [part.copy() for part in scene]
    agreed(*scene, np.full(SHAPE, SIGMA, np.float32), alone=False)
    for one, other in zip(before, scene, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_empty_picture_stays_empty():
    nothing = np.zeros(SHAPE, np.float32)
    after = agreed(nothing, nothing, nothing, nothing + 1, alone=False)
    np.testing.assert_array_equal(after, nothing)


def test_among_noise_maxima_nothing_is_a_spot():
    rng, shapes, least = np.random.default_rng(1), kernels((1.0, 1.5)), 3.2
    # As many candidates as noise has, distributed as noise is.
    rates = np.exp(rng.uniform(np.log(1), np.log(400), 400))
    noise = np.array([threshold_for(float(r), 1e6, shapes) for r in np.sort(rates)])
    levels = np.interp(rng.uniform(0, 400, 400), np.sort(rates), noise)
    assert np.median(spot_share(levels, 1e6, shapes, least)) < 0.2


def test_far_above_noise_everything_is_one():
    shapes, rng = kernels((1.0, 1.5)), np.random.default_rng(2)
    levels = np.sort(rng.uniform(3.2, 20, 1000))
    share = spot_share(levels, 1e6, shapes, 3.2)
    assert (np.diff(share) >= 0).all()
    assert share[0] < 0.5 < share[levels > 6].min()
    assert share[-1] == 1
