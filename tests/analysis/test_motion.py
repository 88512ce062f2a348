"""How spots move, against predicted reflections of known grains."""

import numpy as np
import pytest

from napari_labdct.analysis.motion import (
    Motion,
    Places,
    fit_motion,
    next_projections,
)
from napari_labdct.core import SpotTable
from tests.analysis.scans import GEOMETRY, SHAPE, candidates, reflections

OMEGA = np.arange(20) * 3.0
TRUE = Motion(440.0, 511.0, 100 / 0.075, OMEGA)


def test_reflections_of_a_grain_on_the_axis_go_where_they_are_said_to():
    true = reflections(OMEGA)
    key = ["grain", "h", "k", "l"]
    here = true[true["projection"] < 19]
    there = true.assign(projection=true["projection"] - 1)
    both = here.merge(there, on=[*key, "projection"], suffixes=("", "_there"))
    assert len(both) > 500
    start = both["projection"].to_numpy(np.intp)
    places = (both[name].to_numpy() for name in ("row_px", "column_px"))
    row, column, reflects = TRUE.moved(*places, start, start + 1)
    assert reflects.all()
    moved = np.hypot(row - both["row_px"], column - both["column_px"])
    assert np.median(moved) > 40
    np.testing.assert_allclose(row, both["row_px_there"], atol=1e-6)
    np.testing.assert_allclose(column, both["column_px_there"], atol=1e-6)


def test_planes_that_turn_out_of_the_beam_are_said_to():
    # 1° off the beam axis the planes' normal is nearly upright in the beam; two
    # degrees further their back would have to reflect.
    row, column = np.array([440.0]), np.array([511.0 - np.tan(np.deg2rad(2)) * 1333])
    only = np.zeros(1, np.intp)
    answers = []
    for turn in (2.0, -2.0):
        motion = Motion(440.0, 511.0, 1333.0, np.array([0.0, turn]))
        answers.append(bool(motion.moved(row, column, only, only + 1)[2][0]))
    assert sorted(answers) == [False, True]


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("geometry", [GEOMETRY, None])
def test_the_motion_is_found_from_the_spots_alone(sense, geometry):
    motion = fit(candidates(3.0, 20), sense * OMEGA, geometry)
    assert motion.distance == pytest.approx(TRUE.distance, rel=0.01)
    assert motion.centre_column == pytest.approx(511, abs=3)
    np.testing.assert_allclose(motion.omega, OMEGA)


def test_without_angles_spots_are_still_followed():
    motion = fit(candidates(3.0, 20), np.full(20, np.nan))
    true = reflections(OMEGA)
    here = true[true["projection"] == 4]
    start = here["projection"].to_numpy(np.intp)
    places = (here["row_px"].to_numpy(), here["column_px"].to_numpy())
    wanted = TRUE.moved(*places, start, start + 1)
    found = motion.moved(*places, start, start + 1)
    away = np.hypot(found[0] - wanted[0], found[1] - wanted[1])
    assert np.median(away) < 2


def test_spots_that_do_not_belong_together_show_no_motion():
    table = candidates(3.0, 20).frame
    rng = np.random.default_rng(1)
    places = Places(
        rng.integers(0, 20, len(table)),
        rng.uniform(0, SHAPE[0] - 1, len(table)),
        rng.uniform(0, SHAPE[1] - 1, len(table)),
        SHAPE,
    )
    assert fit_motion(places, table["score"].to_numpy(), OMEGA) is None


def test_few_spots_show_no_motion():
    few = candidates(3.0, 20, count=1)
    faint = few.frame["score"] < 20
    assert fit(SpotTable(few.frame[faint][:50]), OMEGA) is None


def test_neighbours_are_counted_by_angle():
    omega = np.array([30.0, 10.0, 20.0, 0.0])
    assert next_projections(omega, 1).tolist() == [-1, 2, 0, 1]
    assert next_projections(omega, -2).tolist() == [1, -1, 3, -1]
    assert next_projections(omega, 4).tolist() == [-1] * 4


def fit(table, omega, geometry=None):
    frame = table.frame
    places = Places(
        frame["projection"].to_numpy(np.intp),
        frame["row_px"].to_numpy(),
        frame["column_px"].to_numpy(),
        SHAPE,
    )
    return fit_motion(places, frame["score"].to_numpy(), omega, geometry)
