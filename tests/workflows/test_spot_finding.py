from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.analysis.frames import ellipses
from tests.analysis.scans import SHAPE, candidates

from napari_labdct.analysis import FindSettings, match_spots
from napari_labdct.analysis.detection import threshold_for
from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.workflows.cleanup import clean
from napari_labdct.workflows.spot_finding import chosen, iter_spots
from napari_labdct.workflows.suited import settings_for


def found(stack, denoiser, **settings):
    tables = list(iter_spots(stack, denoiser, FindSettings(**settings)))
    assert len(tables) == len(stack)
    return SpotTable.concatenate(tables).frame


def test_network_and_significance_find_the_same_strong_spots(small_stack, threshold):
    one, other = found(small_stack, threshold), found(small_stack, None)
    # What the stand-in leaves of the background is larger than any spot.
    strong = one[(one["snr"] > 30) & (one["area_px"] < 300)]
    assert len(strong) > 20
    nearest = []
    for spot in strong.itertuples():
        near = other[other["projection"] == spot.projection]
        away = np.hypot(near.row_px - spot.row_px, near.column_px - spot.column_px)
        nearest.append(away.min())
    # Spots that overlap may be split by one and not by the other.
    assert np.median(nearest) < 0.3
    assert np.mean(np.array(nearest) < 4) > 0.9


def test_settings_reach_the_finder(small_stack):
    few = found(small_stack, None, false_alarms=1e-9)
    many = found(small_stack, None, false_alarms=100)
    assert len(few) < len(many)


def test_angles_are_in_the_table(small_stack, threshold):
    table = found(small_stack, threshold)
    omega = small_stack.omega[table["projection"]]
    np.testing.assert_array_equal(table["omega_deg"], omega)


def test_cleaned_stack_is_refused(small_stack, threshold):
    with pytest.raises(InputError, match="cleaned already"):
        next(iter_spots(clean(small_stack, threshold), None))


FACTS = {
    "projections": 8,
    "level": 500,
    "sigma": 20,
    "drift": 0.01,
    "correlation": 0,
    "zinger_rate": 0,
    "spots": 50,
    "width": (2.5, 8.0, 15.0),
    "elongation": 3,
}


def test_a_calibrated_model_knows_the_binning_that_nobody_sets(small_stack):
    model = SimpleNamespace(scan=FACTS)
    usual = settings_for(small_stack, model, FindSettings(false_alarms=7))
    assert usual.binning == 4
    assert usual.false_alarms == 7
    own = FindSettings(binning=2, elongation=1)
    assert settings_for(small_stack, model, own) == own
    assert settings_for(small_stack, model, FindSettings(binning=2)).binning == 2


@pytest.mark.parametrize(
    ("share", "filters", "direction"),
    [
        ({"across": 0.9}, 1.7, "across"),
        ({"across": 0.4}, 1.0, "across"),
        ({"radial": 0.8, "across": 0.1}, 2.3, "radial"),
    ],
)
def test_filters_are_long_where_spots_are(small_stack, share, filters, direction):
    settings = settings_for(small_stack, SimpleNamespace(scan=FACTS | share))
    assert settings.elongation == filters
    assert settings.direction == direction


@pytest.mark.parametrize(
    ("turn", "direction"), [(90, "across"), (0, "radial"), (45, None)]
)
def test_the_direction_of_spots_is_seen(turn, direction):
    rng = np.random.default_rng(4)
    row, column = np.mgrid[:400, :400]
    frames = 300 + 10 * rng.standard_normal((9, 400, 400))
    for frame in frames:
        for _ in range(40):
            at, angle = rng.uniform(60, 190), rng.uniform(0, 2 * np.pi)
            down, right = row - 199.5 + at * np.sin(angle), column - 199.5
            right = right - at * np.cos(angle)
            along = angle + np.radians(turn)
            major = right * np.cos(along) - down * np.sin(along)
            minor = right * np.sin(along) + down * np.cos(along)
            frame += 100 * np.exp(-((major / 6) ** 2 + (minor / 1.3) ** 2) / 2)
    settings = settings_for(ProjectionStack(frames.astype(np.float32)), None)
    assert settings.binning == 1
    if direction is None:
        assert settings.elongation == 1
    else:
        assert settings.elongation > 1.7
        assert settings.direction == direction


def test_the_binning_of_a_calibrated_model_reaches_the_finder(small_stack, threshold):
    few = ProjectionStack(small_stack.images[:1], small_stack.omega[:1])
    (plain,) = iter_spots(few, threshold)
    calibrated = type(threshold)()
    calibrated.scan = FACTS
    (wide,) = iter_spots(few, calibrated)
    assert set(plain.frame.area_px % 16) != {0}
    assert set(wide.frame.area_px % 16) == {0}


@pytest.mark.parametrize(("width", "binning"), [(1.2, 1), (7.0, 4)])
def test_wide_spots_are_found_in_bins(width, binning):
    rng = np.random.default_rng(6)
    shape, frames, truth = (512, 512), [], []
    for index in range(12):
        widths = {"major": (width, width), "minor": (width, width), "gap": 50}
        signal, table = ellipses(shape, 30, rng, snr=(15, 90), **widths)
        truth.append(table.frame.assign(projection=index))
        frames.append(500 + signal + 10 * rng.standard_normal(shape))
    stack = ProjectionStack(np.stack(frames).astype(np.float32))
    settings = settings_for(stack, None)
    assert settings.binning == binning
    spots = SpotTable.concatenate(list(iter_spots(stack, None)))
    score = match_spots(spots, SpotTable(pd.concat(truth)), max(3, width))
    assert score.recall > 0.9
    assert score.precision > 0.9
    assert score.pairs.distance_px.median() < 0.2 * width
    assert score.pairs.intensity_ratio.median() == pytest.approx(1, abs=0.05)


@pytest.fixture(scope="module")
def turning():
    """A scan of dark frames; candidates of a sample that turns, and other light."""
    frames = np.zeros((30, *SHAPE), np.uint8)
    stack = ProjectionStack(frames, 2.0 * np.arange(30))
    table = candidates(2.0, 30).frame.assign(companions=0, sharpness_px2=0.6)
    light = table.index[~table["real"]][:300]
    table.loc[light, ["score", "significance"]] = 9.0
    return stack, SpotTable(table)


def test_spots_that_must_be_confirmed_are_fewer_and_purer(turning):
    stack, table = turning
    loose, strict = (
        chosen(table, stack, FindSettings(binning=1, least_companions=least)).frame
        for least in (0, 1)
    )
    assert (strict["companions"] >= 1).all()
    confirmed = loose[loose["companions"] >= 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(strict, confirmed)
    assert np.sum(~strict["real"]) < np.sum(~loose["real"]) / 4
    assert np.sum(strict["real"]) > 0.7 * np.sum(loose["real"])


@pytest.mark.parametrize("companions", [True, False])
def test_direct_hits_are_no_spots(turning, companions):
    stack, table = turning
    hits = table.frame["significance"] == 9.0
    sharp = table.frame["sharpness_px2"].mask(hits, 0.25)
    # Most hits are so sharp that they score low as it is.
    more = table.frame[hits].assign(sharpness_px2=0.05, score=2.5)
    table = pd.concat([table.frame.assign(sharpness_px2=sharp), more])
    kept = [
        chosen(
            SpotTable(table),
            stack,
            FindSettings(binning=1, companions=companions, point_spread=point_spread),
        ).frame
        for point_spread in (0.7, 0)
    ]
    left, all_ = (np.sum(frame["significance"] == 9.0) for frame in kept)
    assert left < all_ / 10
    assert np.sum(kept[0]["real"]) > 0.999 * np.sum(kept[1]["real"])


def test_who_is_not_asked_cannot_confirm(small_stack):
    settings = FindSettings(companions=False, least_companions=1)
    with pytest.raises(InputError, match="not asked"):
        next(iter_spots(small_stack, None, settings))


def test_where_nobody_can_be_asked_all_spots_stay(turning):
    stack, table = turning
    few = SpotTable(table.frame[table.frame["real"]].iloc[:40])
    settings = FindSettings(binning=1, least_companions=1)
    above = few.frame["score"] > threshold_for(1, 900 * 1000, settings.kernels)
    assert len(chosen(few, stack, settings)) == above.sum() > 0
