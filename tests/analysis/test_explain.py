"""Spots explained by reflections, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from napari_labdct.analysis import explain
from napari_labdct.core import InputError, SpotTable


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
