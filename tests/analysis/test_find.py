"""Finding and measuring spots on frames whose spots are known."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_labdct.analysis import (
    FOUND_COLUMNS,
    FindSettings,
    find_spots,
    match_spots,
    pair_up,
)
from napari_labdct.analysis.binning import unbinned
from napari_labdct.analysis.find import BEYOND_NOISE
from napari_labdct.analysis.likeness import SHIFT
from napari_labdct.analysis.odds import SOLID, odds_in_scan
from napari_labdct.analysis.shape import lit_above
from napari_labdct.calibration import noise_map
from napari_labdct.core import InputError, SpotTable
from napari_labdct.preparation import binned

from .frames import ellipses, noise

SHAPE = (512, 512)
SIGMA = np.full(SHAPE, 10, np.float32)


def drawn(rng, frames=4, settings=None, **kwargs):
    """Found and matching true spots of some frames, and the score."""
    found, truth = [], []
    for index in range(frames):
        signal, table = ellipses(SHAPE, 60, rng, **kwargs)
        table.frame["projection"] = index
        residual = signal + 10 * noise(SHAPE, rng)
        found.append(find_spots(residual, SIGMA, projection=index, settings=settings))
        truth.append(table)
    f, t = SpotTable.concatenate(found), SpotTable.concatenate(truth)
    score = match_spots(f, t, 3)
    return (
        f.frame.iloc[score.pairs.found].reset_index(drop=True),
        t.frame.iloc[score.pairs.truth].reset_index(drop=True),
        score,
    )


def test_points_are_found_and_measured():
    rng = np.random.default_rng(0)
    found, truth, score = drawn(rng, snr=(8, 300))
    assert score.recall > 0.97
    assert score.precision > 0.97
    assert score.pairs.distance_px.median() < 0.2
    assert score.pairs.intensity_ratio.median() == pytest.approx(1, abs=0.03)
    pull = (found.intensity - truth.intensity) / found.intensity_error
    assert abs(pull.mean()) < 0.3
    assert 0.8 < pull.std() < 1.3
    assert (found.snr / truth.snr).median() == pytest.approx(1, abs=0.08)
    bright = truth.snr > 50
    for axis in ("major_px", "minor_px"):
        ratio = (found[axis] / truth[axis])[bright]
        assert ratio.median() == pytest.approx(1, abs=0.08)


def test_the_error_of_the_snr_is_how_far_it_scatters():
    signal, truth = ellipses(SHAPE, 60, np.random.default_rng(11), snr=(20, 60))
    rng, snr, error = np.random.default_rng(12), [], []
    for _ in range(12):
        found = find_spots(signal + 10 * noise(SHAPE, rng), SIGMA)
        score = match_spots(found, truth, 3)
        row = np.full((2, len(truth)), np.nan)
        at = score.pairs.truth
        row[:, at] = found.frame[["snr", "snr_error"]].iloc[score.pairs.found].T
        snr.append(row[0])
        error.append(row[1])
    scatter = np.nanstd(snr, axis=0, ddof=1)
    assert np.nanmedian(scatter / np.nanmedian(error, axis=0)) == pytest.approx(1, 0.2)


def pair(apart, heights, width=1.5, seed=0):
    """Spots of a frame with two blobs side by side, a spot wide each."""
    row, column = np.mgrid[:64, :64]
    lit = sum(
        height * np.exp(-((row - 32) ** 2 + (column - c) ** 2) / (2 * width**2))
        for height, c in zip(heights, (32 - apart / 2, 32 + apart / 2), strict=True)
    )
    frame = 10 * (lit + noise(lit.shape, np.random.default_rng(seed)))
    found = find_spots(frame.astype(np.float32), SIGMA[:64, :64]).frame
    return found[found["significance"] > 8].sort_values("column_px")


def test_spots_without_a_valley_between_them_are_told_apart_by_their_crests():
    for seed in range(5):
        found = pair(5.6, (30, 10), seed=seed)
        assert len(found) == 2
        np.testing.assert_allclose(found["column_px"], [29.2, 34.8], atol=0.6)
    assert len(pair(2, (20, 15))) == 1


def test_structure_of_wide_and_of_bright_spots_does_not_part_them():
    rng = np.random.default_rng(3)
    row, column = np.mgrid[:64, :64]
    disc = ndimage.gaussian_filter(
        (np.hypot(row - 32, column - 32) < 9).astype(float), 1.5
    )
    rough = 1 + 0.1 * ndimage.gaussian_filter(rng.normal(size=disc.shape), 1.5) / 0.19
    lit = 30 * disc * rough
    photons = noise(lit.shape, rng) * np.sqrt(1 + lit / 20)
    frame = (10 * (lit + photons)).astype(np.float32)
    assert len(find_spots(frame, SIGMA[:64, :64])) == 1
    # A faint shoulder of a bright spot is its own.
    assert len(pair(4.5, (300, 12))) == 1


def test_arcs_are_measured_as_one_spot():
    rng = np.random.default_rng(1)
    found, truth, score = drawn(
        rng, snr=(25, 300), major=(5, 9), minor=(1.5, 2.5), gap=50
    )
    assert score.recall > 0.98
    assert score.precision > 0.95
    assert score.pairs.intensity_ratio.median() == pytest.approx(1, abs=0.04)
    assert (found.major_px / truth.major_px).median() == pytest.approx(1, abs=0.08)
    turn = (found.angle_deg - truth.angle_deg + 90) % 180 - 90
    assert np.abs(turn).median() < 3
    assert (found.snr / truth.snr).median() == pytest.approx(1, abs=0.08)


def test_a_dim_side_of_a_spot_counts_as_far_as_noise_permits():
    rng = np.random.default_rng(4)
    columns = np.arange(64)
    lit = np.zeros((64, 64))
    lit[28:35, 24:32], lit[28:35, 32:40] = 1, 0.3
    lit = ndimage.gaussian_filter(lit, 1)
    true = (lit * columns).sum() / lit.sum()
    for peak, bias, scatter in ((5000, 0.15, 0.05), (25, 1.4, 0.5)):
        errors = []
        for _ in range(20):
            frame = (peak * lit + 10 * noise(lit.shape, rng)).astype(np.float32)
            spots = find_spots(frame, SIGMA[:64, :64]).frame
            errors.append(spots["column_px"].iloc[0] - true)
        # Weights above a tenth of the peak alone would be 0.55 px off.
        assert abs(np.mean(errors)) < bias
        assert np.std(errors) < scatter


def test_dim_pixels_count_for_a_centroid_where_they_have_light():
    faint, usual, bright, wide = lit_above(
        np.array([5.0, 20.0, 100.0, 20.0]), np.array([5.0, 20.0, 100.0, 200.0])
    )
    assert faint == pytest.approx(2)  # not all of it is cut away
    assert usual == 3.5
    assert bright == 6
    assert wide < 1  # much wider than the filter that sees it


@pytest.mark.parametrize("correlation", [0.0, 0.4])
@pytest.mark.parametrize("rate", [2.0, 20.0])
@pytest.mark.parametrize("masked", [0, 300])
def test_noise_raises_as_many_false_alarms_as_asked_for(correlation, rate, masked):
    rng = np.random.default_rng(2)
    shape, frames = (700, 700), 12 if rate < 10 else 5
    mask = np.zeros(shape, bool)
    mask[:masked] = True
    background = np.tile(np.linspace(200, 900, shape[1], dtype=np.float32), (700, 1))
    settings = FindSettings(false_alarms=rate)
    count = 0
    for _ in range(frames):
        frame = background + noise(shape, rng, correlation) * np.sqrt(background)
        residual = frame - background
        sigma = noise_map(residual, background)
        count += len(find_spots(residual, sigma, mask=mask, settings=settings))
    assert rate / 2 < count / frames < rate * 2


def test_a_threshold_can_take_the_place_of_the_rate():
    frame = noise(SHAPE, np.random.default_rng(3))
    one = np.ones(SHAPE, np.float32)
    assert len(find_spots(frame, one, threshold=3.5)) > 20
    assert len(find_spots(frame, one, threshold=8.0)) == 0


def test_what_the_network_is_sure_of_keeps_its_significance():
    rng = np.random.default_rng(9)
    signal, _ = ellipses(SHAPE, 40, rng, snr=(30, 300))
    frame = (signal + 10 * noise(SHAPE, rng)).astype(np.float32)
    sure, unsure = (
        find_spots(frame, SIGMA, probability=np.full(SHAPE, p, np.float32)).frame
        for p in (0.97, 0.6)
    )
    clear = sure["sharpness_px2"] > 0.4
    np.testing.assert_array_equal(sure["score"][clear], sure["significance"][clear])
    assert sure["score"].max() > 100
    assert unsure["score"].max() < 10


def test_where_the_network_sees_none_there_is_no_spot():
    rng = np.random.default_rng(4)
    signal, _ = ellipses(SHAPE, 40, rng, snr=(30, 100))
    residual = signal + 10 * noise(SHAPE, rng)
    likely = (signal > 0).astype(np.float32)
    likely[256:] = 0.2
    upper = find_spots(residual, SIGMA, probability=likely)
    assert (upper.frame.row_px < 256).all()
    assert upper.frame.probability.min() > 0.5
    assert len(upper) > 15


@pytest.mark.parametrize("distance", [5.0, 7.0])
def test_touching_spots_are_split_and_flagged(distance):
    row, column = np.mgrid[:100, :100]

    def spot(c):
        return 400 * np.exp(-((row - 50) ** 2 + (column - c) ** 2) / (2 * 1.3**2))

    rng = np.random.default_rng(5)
    frame = (spot(45) + spot(45 + distance) + 10 * noise((100, 100), rng)).astype("f4")
    found = find_spots(frame, np.full((100, 100), 10, "f4")).frame
    assert len(found) == 2
    assert found.overlap.all()
    np.testing.assert_allclose(np.sort(found.column_px), [45, 45 + distance], atol=0.3)
    np.testing.assert_allclose(found.intensity, 400 * 2 * np.pi * 1.3**2, rtol=0.1)


def test_zingers_and_tracks_are_no_spots():
    rng = np.random.default_rng(6)
    signal, truth = ellipses(SHAPE, 50, rng, snr=(15, 100), major=(1, 1.5))
    frame = signal + 10 * noise(SHAPE, rng)
    zingers = rng.integers(10, 500, (60, 2))
    frame[zingers[:, 0], zingers[:, 1]] += rng.uniform(200, 5000, 60)
    for row, column in rng.integers(20, 480, (10, 2)):
        frame[row, column : column + 8] += 300
        frame[np.arange(6) + row, column - np.arange(6)] += 300
    kept = match_spots(find_spots(frame.astype("f4"), SIGMA), truth, 3)
    assert kept.recall > 0.9
    assert kept.found - len(kept.pairs) < 10
    loose = FindSettings(point_spread=0)
    everything = match_spots(find_spots(frame, SIGMA, settings=loose), truth, 3)
    assert everything.found - len(everything.pairs) > 60


def test_large_spots_are_found_in_bins():
    rng = np.random.default_rng(11)
    signal, truth = ellipses(
        SHAPE, 12, rng, snr=(30, 100), major=(14, 18), minor=(7, 10), gap=110
    )
    frame = signal + 10 * noise(SHAPE, rng)
    small = find_spots(binned(frame, 4), np.full((128, 128), 40, "f4"))
    found = unbinned(small, 4)
    score = match_spots(found, truth, 8)
    assert score.recall > 0.9
    assert score.found - len(score.pairs) <= 2
    assert score.pairs.distance_px.median() < 2
    assert score.pairs.intensity_ratio.median() == pytest.approx(1, abs=0.08)
    a, b = score.pairs.found, score.pairs.truth
    ratio = found.frame.major_px.to_numpy()[a] / truth.frame.major_px.to_numpy()[b]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


def test_mask_and_border_are_flagged():
    frame = noise((80, 80), np.random.default_rng(7))
    frame[0:3, 40:43] += 30
    frame[40:43, 30:33] += 30
    frame[60:63, 60:63] += 30
    mask = np.zeros((80, 80), bool)
    mask[40:43, 33:50] = True
    mask[10:20, 10:20] = True
    frame[15, 15] = np.nan
    strict = FindSettings(false_alarms=0.01)
    found = find_spots(frame, np.ones((80, 80), "f4"), mask=mask, settings=strict)
    found = found.frame.sort_values("row_px")
    assert found.edge.tolist() == [True, True, False]


def test_the_local_background_is_taken_off():
    rng = np.random.default_rng(8)
    signal, truth = ellipses(SHAPE, 60, rng, snr=(50, 80), sigma=10)
    left_over = 6 * np.sin(np.arange(512) / 40)[:, None]
    frame = (signal + left_over + 10 * noise(SHAPE, rng)).astype("f4")
    found = find_spots(frame, SIGMA)
    a, b, _ = pair_up(found.frame, truth.frame, 3)
    there = left_over[np.rint(truth.frame.row_px.to_numpy()[b]).astype(int), 0]
    background = found.frame.background.to_numpy()[a]
    assert np.corrcoef(there, background)[0, 1] > 0.8
    ratio = found.frame.intensity.to_numpy()[a] / truth.frame.intensity.to_numpy()[b]
    assert np.median(ratio[there > 3]) == pytest.approx(1, abs=0.05)
    assert np.median(ratio[there < -3]) == pytest.approx(1, abs=0.05)


def test_the_table_has_its_columns_and_is_ranked():
    rng = np.random.default_rng(9)
    signal, _ = ellipses(SHAPE, 30, rng)
    table = find_spots(
        signal + 10 * noise(SHAPE, rng), SIGMA, projection=7, omega_deg=3
    )
    frame = table.frame
    assert set(FOUND_COLUMNS) <= set(frame.columns)
    assert (frame.projection == 7).all()
    assert (frame.omega_deg == 3).all()
    assert frame.score.is_monotonic_decreasing
    assert (frame.row_start <= frame.row_px).all()
    assert (frame.row_px < frame.row_stop).all()
    assert (frame.column_start <= frame.column_px).all()
    assert (frame.column_px < frame.column_stop).all()
    assert frame.drop(columns="probability").notna().all(axis=None)


def test_an_empty_frame_gives_an_empty_table():
    empty = find_spots(np.zeros((40, 50), "f4"), np.ones((40, 50), "f4"))
    assert len(empty) == 0
    assert set(FOUND_COLUMNS) <= set(empty.frame.columns)
    assert isinstance(pd.concat([empty.frame, empty.frame]), pd.DataFrame)


def test_input_is_not_changed():
    rng = np.random.default_rng(10)
    frame = ndimage.gaussian_filter(noise((90, 90), rng), 1) * 5
    sigma, mask = np.ones((90, 90), "f4"), np.zeros((90, 90), bool)
    mask[:20] = True
    before = frame.copy()
    find_spots(frame, sigma, mask=mask)
    np.testing.assert_array_equal(frame, before)


def test_shapes_that_differ_are_named():
    with pytest.raises(InputError, match=r"\(4, 5\)"):
        find_spots(np.zeros((4, 6), "f4"), np.ones((4, 5), "f4"))


def test_a_network_that_says_nothing_cannot_score():
    with pytest.raises(InputError, match="probability"):
        find_spots(np.zeros((9, 9), "f4"), np.ones((9, 9), "f4"), by_network=True)


def test_where_few_solid_candidates_are_spots_they_are_doubted_more():
    likely = np.array([0.9] + 30 * [0.05] + 5 * [0.1])
    solid = np.arange(36) < 31
    odds = np.log(likely / (1 - likely))
    assert (odds_in_scan(likely, solid)[solid] < odds[solid] - 2).all()


def test_the_network_doubts_what_noise_does_not_explain_and_nothing_else():
    rng = np.random.default_rng(12)
    frame = noise((700, 700), rng)
    rows, columns = np.mgrid[:700, :700]
    for n in range(9):
        at = (rows - 60 - 70 * n) ** 2 + (columns - 350) ** 2
        frame += 5 * np.exp(-at / 2 / 1.3**2).astype("f4")
    one, none = np.ones_like(frame), np.full_like(frame, 1e-6)
    settings = FindSettings(false_alarms=30)
    alone = find_spots(frame, one, settings=settings).frame
    doubted = find_spots(frame, one, probability=none, settings=settings).frame
    beyond = alone.significance > BEYOND_NOISE
    assert beyond.sum() >= 9
    assert 15 < len(doubted) < 60
    np.testing.assert_array_equal(doubted.significance, alone.significance[~beyond])


def test_where_most_solid_candidates_are_spots_all_are_trusted_more():
    likely = np.array(30 * [0.95] + 6 * [0.05])
    odds = np.log(likely / (1 - likely))
    np.testing.assert_allclose(odds_in_scan(likely, np.arange(36) < 31), odds + SHIFT)


def test_shadows_in_a_frame_without_spots_are_none():
    """Bright rests that the network doubts, with and without real spots about."""
    rng = np.random.default_rng(11)
    rests, spots = (
        ellipses(SHAPE, 40, rng, snr=(8, 9), major=(2, 2), minor=(2, 2))[0]
        for _ in range(2)
    )
    background = 10 * noise(SHAPE, rng)

    def count(signal, probability):
        frame = (signal + background).astype("f4")
        table = find_spots(
            frame,
            SIGMA,
            probability=probability.astype("f4"),
            settings=FindSettings(least_probability=0.001),
        ).frame
        return int((table.significance > SOLID).sum())

    doubted = np.where(rests > 1, 0.08, 1e-4)
    assert count(rests, doubted) == 0
    among = np.where(spots > 1, 0.99, doubted)
    assert count(rests + spots, among) > 60
