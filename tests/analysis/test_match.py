"""Matching against a plain oracle, and scores one can count by hand."""

import numpy as np
import pandas as pd
import pytest

from napari_labdct.analysis import match_spots, pair_up
from napari_labdct.core import InputError, SpotTable


def table(projection, row, column, snr=10.0, intensity=100.0, **more):
    return SpotTable(
        pd.DataFrame(
            {
                "projection": projection,
                "omega_deg": 0.0,
                "row_px": row,
                "column_px": column,
                "area_px": 9.0,
                "peak": 10.0,
                "intensity": intensity,
                "snr": snr,
            }
            | more
        )
    )


def oracle(found, truth, tolerance):
    """All pairs, sorted by distance, taken greedily."""
    pairs = []
    for i, f in found.iterrows():
        for j, t in truth.iterrows():
            d = np.hypot(f.row_px - t.row_px, f.column_px - t.column_px)
            if f.projection == t.projection and d <= tolerance:
                pairs.append((d, i, j))
    left, right, out = set(), set(), set()
    for _, i, j in sorted(pairs):
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
            out.add((i, j))
    return out


@pytest.mark.parametrize("tolerance", [1.0, 4.0])
def test_pairs_equal_the_oracle(tolerance):
    rng = np.random.default_rng(0)
    found, truth = (
        table(rng.integers(0, 3, n), *rng.uniform(0, 60, (2, n))).frame
        for n in (150, 170)
    )
    a, b, distance = pair_up(found, truth, tolerance)
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == oracle(
        found, truth, tolerance
    )
    assert (distance <= tolerance).all()


def test_counts_by_hand():
    truth = table(0, [10.0, 20, 30, 40], 5.0, snr=[4.0, 6, 12, 30], intensity=100.0)
    found = table(
        [0, 0, 0, 1],
        [10.5, 20.0, 90.0, 30.0],
        5.0,
        snr=[4.0, 6.0, 7.0, 12.0],
        intensity=[110.0, 90.0, 5.0, 5.0],
    )
    score = match_spots(found, truth, 2)
    assert (score.found, score.truth, len(score.pairs)) == (4, 4, 2)
    assert score.precision == 0.5
    assert score.recall == 0.5
    assert score.f1 == 0.5
    by_snr = score.by_snr.set_index("snr_from")
    assert by_snr.loc[3.0, "recall"] == 1
    assert by_snr.loc[3.0, "intensity_ratio"] == pytest.approx(1.1)
    assert by_snr.loc[3.0, "distance_px"] == pytest.approx(0.5)
    assert by_snr.loc[5.0, "false"] == 1
    assert by_snr.loc[10.0, "recall"] == 0
    assert score.pairs.row_error_px.tolist() == [0.0, 0.5]


def test_average_precision_rewards_the_order():
    truth = table(0, [10.0, 20.0], 5.0)
    rows = [10.0, 20.0, 50.0]
    good = table(0, rows, 5.0, score=[3.0, 2.0, 1.0])
    bad = table(0, rows, 5.0, score=[1.0, 2.0, 3.0])
    assert match_spots(good, truth).average_precision == 1
    assert match_spots(bad, truth).average_precision == pytest.approx(
        (1 / 2 + 2 / 3) / 2
    )


def test_one_true_spot_is_found_once():
    score = match_spots(table(0, [10.0, 10.4], 5.0), table(0, [10.0], 5.0), 2)
    assert len(score.pairs) == 1
    assert score.precision == 0.5


def test_spots_too_faint_to_count_are_neither_missed_nor_invented():
    truth = table(0, [10.0, 20.0, 30.0], 5.0, snr=[1.0, 1.0, 9.0])
    score = match_spots(table(0, [10.0, 30.0], 5.0), truth, 2, least_snr=2)
    assert (score.found, score.truth) == (1, 1)
    assert score.f1 == 1


def test_nothing_found_and_nothing_to_find():
    truth = table(0, [10.0], 5.0)
    missed = match_spots(SpotTable(), truth)
    assert missed.recall == 0
    assert np.isnan(missed.precision)
    assert match_spots(truth, SpotTable()).precision == 0
    assert np.isnan(match_spots(SpotTable(), SpotTable()).f1)


def test_tolerance_must_be_positive():
    with pytest.raises(InputError, match="tolerance of 0"):
        match_spots(SpotTable(), SpotTable(), 0)
