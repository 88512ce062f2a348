"""Neighbouring projections tell spots from noise, and false alarms stay as asked."""

import numpy as np
import pytest

from napari_labdct.analysis.companions import ask_neighbours
from napari_labdct.analysis.detection import threshold_for
from napari_labdct.analysis.motion import Motion, Places
from napari_labdct.analysis.neighbours import (
    CLASS,
    PARTS,
    Crowd,
    Neighbour,
    brightness,
)
from napari_labdct.analysis.offsets import Scatter, return_of
from napari_labdct.core import SpotTable
from tests.analysis.scans import AREA, FILTERS, GEOMETRY, SHAPE, candidates

OMEGA = np.arange(30) * 2.0


def judged(table, omega=OMEGA, geometry=GEOMETRY):
    frame = table.frame
    names = ("projection", "row_px", "column_px", "score", "significance")
    projection, row, column, *scores = (frame[name].to_numpy() for name in names)
    places = Places(projection, row, column, SHAPE)
    more = {"area": AREA, "geometry": geometry}
    answer = ask_neighbours(places, *scores, omega, FILTERS, **more)
    return frame.assign(**answer._asdict())


@pytest.fixture(scope="module")
def table():
    return candidates(2.0, 30)


@pytest.fixture(scope="module")
def answer(table):
    return judged(table)


@pytest.mark.parametrize("rate", [1, 10, 100])
def test_false_alarms_are_as_many_as_asked_and_spots_are_more(table, answer, rate):
    least = threshold_for(rate, AREA, FILTERS)
    before, after = (frame[frame["score"] >= least] for frame in (table.frame, answer))
    alarms = np.sum(~after["real"]) / len(OMEGA)
    assert rate / 2 < alarms < 2 * rate
    gained = np.sum(after["real"]) - np.sum(before["real"])
    assert gained > 0.02 * np.sum(before["real"])


def test_spots_have_companions_and_noise_has_none(answer):
    real, noise = (answer[answer["real"] == kind] for kind in (True, False))
    assert (real["companions"] > 0).mean() > 0.7
    assert (noise["companions"] > 0).mean() < 0.15


def test_neither_angles_nor_geometry_are_needed(table, answer):
    least = threshold_for(1, AREA, FILTERS)
    alone = judged(table, np.full(30, np.nan), None)
    spots = [
        np.sum(frame["real"] & (frame["score"] > least)) for frame in (alone, answer)
    ]
    assert spots[0] == pytest.approx(spots[1], rel=0.01)


def test_what_does_not_come_back_keeps_its_score(table):
    rng = np.random.default_rng(3)
    moved = table.frame.assign(
        row_px=rng.uniform(0, SHAPE[0] - 1, len(table)),
        column_px=rng.uniform(0, SHAPE[1] - 1, len(table)),
    )
    answer = judged(SpotTable(moved))
    np.testing.assert_array_equal(answer["score"], moved["score"])
    assert (answer["companions"] == 0).all()


def test_a_scan_without_spots_is_no_trouble():
    empty = candidates(2.0, 30).frame[:0]
    assert len(judged(SpotTable(empty))) == 0


@pytest.mark.parametrize("grains", [2, 15])
def test_few_bright_spots_are_enough(grains):
    frame = candidates(2.0, 12, count=grains).frame
    answer = judged(SpotTable(frame), OMEGA[:12])
    clear = answer[answer["real"] & (answer["significance"] > 6)]
    assert (np.sum(clear["score"] > 8) < 2 * CLASS) == (grains == 2)
    assert (clear["companions"] > 0).mean() > 0.7


def test_spots_that_go_to_a_higher_energy_come_back_less():
    frame = candidates(4.0, 30, count=40).frame
    columns = ("projection", "row_px", "column_px")
    places = Places(*(frame[name].to_numpy() for name in columns), SHAPE)
    motion = Motion(440.0, 511.0, 100 / 0.075, np.arange(30) * 4.0)
    score, scatter = frame["score"].to_numpy(), Scatter(1.5, 0.35)
    crowd = Crowd.of(places, score, AREA * 30)
    expected = return_of(places, motion, 1)
    neighbour = Neighbour.of(crowd, expected, scatter)
    bright, likelihoods = (score > 8) & expected.visible, crowd.likelihoods()
    none = []
    for kind in range(4):
        these = np.flatnonzero(bright & (neighbour.kind == kind))
        parts = brightness(
            crowd, expected, neighbour.found, these, scatter, likelihoods
        )
        assert parts.sum() == pytest.approx(1)
        none.append(parts[PARTS < 0.3].sum())
    assert none[3] > max(none[:3]) + 0.1


def test_significance_grows_with_what_speaks_for_a_spot(answer, table):
    change = answer["score"] - table.frame["score"]
    mean = change.groupby(answer["companions"]).mean()
    assert mean.is_monotonic_increasing
    assert mean[0] < 0 < mean[4]
