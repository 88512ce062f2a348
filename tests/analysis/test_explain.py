"""Spots explained by reflections, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from napari_labdct.analysis import explain
from napari_labdct.analysis.advice import advice, turned
from napari_labdct.core import InputError, SpotTable
from napari_labdct.core.turn import TURNS, Turn


def spots(projection, row, column, **more):
    return SpotTable(
        pd.DataFrame(
            {
                "projection": projection,
                "omega_deg": 0.0,
                "row_px": row,
                "column_px": column,
                "area_px": 9.0,
                "peak": 10.0,
                "intensity": 100.0,
                "snr": 10.0,
            }
            | more
        )
    )


@pytest.fixture
def predicted():
    return spots(
        [0, 0, 0, 0, 1],
        [10.0, 50, 51.5, 200, 10],
        10.0,
        grain=[0, 0, 1, 1, 1],
        h=[1, 2, 1, 0, 3],
        k=1,
        l=0,
        energy_keV=[30.0, 40, 50, 60, 70],
    )


def test_every_spot_has_its_reflection(predicted):
    answer = explain(spots(0, [10.5, 50.2, 120.0], 10.0), predicted, 2.0)
    table = answer.spots.frame
    assert table.grain.tolist() == [0, 0, -1]
    assert table.h.tolist() == [1, 2, 0]
    assert table.distance_px[:2].tolist() == pytest.approx([0.5, 0.2])
    assert np.isnan(table.energy_keV[2])
    assert len(answer.unexplained) == 1
    assert answer.unexplained.frame.row_px.item() == 120


def test_reflections_that_share_a_spot_are_all_found(predicted):
    answer = explain(spots(0, [50.2], 10.0), predicted, 2.0)
    assert answer.reflections.frame.found.tolist() == [False, True, True, False, False]
    assert answer.reflections.frame.spot.tolist() == [-1, 0, 0, -1, -1]
    assert answer.reflections.frame.distance_px[2] == pytest.approx(1.3)
    assert len(answer.missed) == 3


def test_completeness_of_each_grain(predicted):
    answer = explain(
        spots([0, 0, 1], [10.5, 50.2, 10.0], 10.0), predicted, 1.0, area=1000.0
    )
    grains = answer.grains.set_index("grain")
    assert grains.predicted.tolist() == [2, 3]
    assert grains.found.tolist() == [2, 1]
    assert grains.completeness.tolist() == pytest.approx([1, 1 / 3])
    crowd = 1 - np.exp(-np.pi * np.array([2, 1]) / 1000)
    assert grains.chance[0] == pytest.approx(crowd[0])
    assert grains.chance[1] == pytest.approx((2 * crowd[0] + crowd[1]) / 3)


def test_chance_is_what_random_spots_reach():
    rng = np.random.default_rng(0)
    row, column = rng.uniform(0, 500, (2, 4000))
    reflections = spots(0, row, column, grain=0, h=1, k=1, l=1, energy_keV=30.0)
    answer = explain(spots(0, *rng.uniform(0, 500, (2, 900))), reflections, 3.0)
    (grain,) = answer.grains.itertuples()
    assert grain.completeness == pytest.approx(grain.chance, rel=0.15)


def test_explaining_twice_is_explaining_once(predicted):
    once = explain(spots(0, [10.5, 50.2, 120.0], 10.0), predicted, 2.0)
    twice = explain(once.spots, once.reflections, 2.0)
    pd.testing.assert_frame_equal(once.spots.frame, twice.spots.frame)
    pd.testing.assert_frame_equal(once.reflections.frame, twice.reflections.frame)


def test_nothing_found(predicted):
    answer = explain(SpotTable(), predicted, 2.0)
    assert (answer.grains.completeness == 0).all()
    assert len(answer.missed) == 5


def test_reflections_without_grains_are_named():
    with pytest.raises(InputError, match="energy_keV"):
        explain(SpotTable(), spots(0, [1.0], 1.0))


SHAPE = (300, 400)


@pytest.fixture
def many():
    """Reflections of three grains on four projections, and spots on nearly all."""
    rng = np.random.default_rng(8)
    at = rng.uniform([5, 5], [295, 395], (120, 2))
    known = spots(
        np.arange(120) % 4,
        *at.T,
        grain=np.arange(120) % 3,
        h=1,
        k=1,
        l=0,
        energy_keV=30.0,
    )
    return known, SpotTable(known.frame.iloc[::2])


def explained(found, known):
    return explain(found, known, 2.0, area=SHAPE[0] * SHAPE[1])


def test_where_grains_explain_spots_nothing_is_advised(many):
    known, found = many
    made = explained(found, known)
    assert made.net_completeness == pytest.approx(0.5, abs=0.02)
    assert made.summary.startswith("60 of 60 spots belong to 3 of 3 grains; complete")
    assert "completeness 50%, by chance 0%." in made.summary
    assert advice(made, SHAPE, 2.0) == ("", Turn())


@pytest.mark.parametrize("flip", TURNS)
def test_frames_that_are_turned_are_found_out(many, flip):
    known, found = many
    made = explained(turned(found, Turn.named(flip), SHAPE), known)
    assert made.net_completeness < 0.05
    answer = advice(made, SHAPE, 2.0)
    assert answer.turn.name == flip
    assert "50% of their reflections" in answer.sentence


def test_spots_of_another_sample_are_not_explained_by_a_turn(many):
    known, found = many
    rng = np.random.default_rng(9)
    other = found.frame.assign(row_px=rng.uniform(5, 295, 60))
    answer = advice(explained(SpotTable(other), known), SHAPE, 2.0)
    assert "check the centre" in answer.sentence
    assert answer.turn == Turn()


def test_no_spots_need_no_advice(many):
    known, found = many
    assert advice(explained(SpotTable(found.frame[:0]), known), SHAPE) == ("", Turn())
