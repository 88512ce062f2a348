"""Scores against predicted reflections, counted by hand and on chance alone."""

import numpy as np
import pandas as pd
import pytest

from napari_labdct.analysis.indexed import Protocol, score_indexed
from napari_labdct.core import InputError, SpotTable


def table(projection, row, column, snr=10.0, **more):
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
                "snr": snr,
            }
            | more
        )
    )


def scattered(rng, frames, number, snr):
    """Random places on every frame."""
    projection = np.repeat(np.arange(frames), number)
    row, column = rng.uniform(10, 990, (2, projection.size))
    return table(projection, row, column, snr)


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    return scattered(rng, 100, 100, np.exp(rng.uniform(0, 5, 100 * 100)))


def test_a_perfect_finder(truth):
    here = truth.frame[truth.frame.projection < 5]
    found = SpotTable(here.assign(score=here.snr))
    (score,) = score_indexed(found, truth, [100], frames=range(5))
    assert score.recall > 0.99
    assert score.net > 0.99
    assert score.unexplained_per_frame == 0
    assert score.chance < 0.01
    assert score.by_snr.per_frame.sum() == pytest.approx(100, rel=0.05)


def test_a_blind_finder_scores_nothing(truth):
    rng = np.random.default_rng(1)
    found = scattered(rng, 5, 4000, 5.0)
    found = SpotTable(found.frame.assign(score=rng.uniform(size=len(found))))
    (score,) = score_indexed(found, truth, [4000])
    assert score.recall == pytest.approx(score.chance, abs=0.03)
    assert score.net == pytest.approx(0, abs=0.03)
    # What chance explains is corrected for.
    assert score.unexplained_per_frame == pytest.approx(4000, rel=0.02)


def test_counts_by_hand():
    truth = table(
        [0, 0, 0, 0, 50], [10.0, 20, 100, 200, 9], 10.0, snr=[4.0, 4, 12, 0.5, 9]
    )
    found = table(
        0,
        [11.0, 21.0, 105.0, 200.0, 300.0],
        10.0,
        score=[5.0, 4.0, 3.0, 2.0, 1.0],
    )
    two, five, *rest = score_indexed(found, truth, [2, 5, 9], frames=[0])
    assert not rest or rest[0].spots_per_frame == 5
    assert two.recall == pytest.approx(2 / 3)
    assert two.threshold == 4
    assert two.unexplained_per_frame == 0
    # Five pixels off, too faint to explain, and far from everything.
    assert five.unexplained_per_frame == 3
    assert five.by_snr.set_index("snr_from").loc[3, "recall"] == 1
    assert five.by_snr.set_index("snr_from").loc[10, "recall"] == 0


def test_reflections_that_run_together_count_once():
    truth = table(0, [10.0, 12.0, 14.5], 10.0, snr=[30.0, 10.0, 5.0])
    found = table(0, [10.5], 10.0, score=[1.0])
    (score,) = score_indexed(found, truth, [1], protocol=Protocol(shifts=(50,)))
    # The middle one joins the brightest, at their weighted place; the last is
    # too far from the brightest and counts on its own.
    assert score.recall == 0.5
    apart = Protocol(merge=0, shifts=(50,))
    (score,) = score_indexed(found, truth, [1], protocol=apart)
    assert score.recall == pytest.approx(1 / 3)


def test_side_spots_and_uncertain_grains_are_neutral():
    truth = table(0, [50.0, 200.0], 10.0, snr=[100.0, 10.0])
    uncertain = table(0, [400.0], 10.0)
    found = table(0, [50.0, 57.0, 400.0, 600.0], 10.0, score=[4.0, 3.0, 2.0, 1.0])
    (score,) = score_indexed(found, truth, [4], uncertain=uncertain)
    assert score.neutral == 0.5
    assert score.unexplained_per_frame == 1
    (score,) = score_indexed(found, truth, [4])
    assert score.neutral == 0.25
    assert score.unexplained_per_frame == 2


def test_pixels_left_out_do_not_count():
    truth = table(0, [50.0], 10.0)
    found = table(0, [50.0, 80.0], 10.0, score=[1.0, 2.0])
    use = np.ones((100, 100), bool)
    use[70:] = False
    (score,) = score_indexed(found, truth, [5], use=use)
    assert score.spots_per_frame == 1
    assert score.recall == 1


def test_mendable_mistakes_are_named(truth):
    with pytest.raises(InputError, match="no column 'score'"):
        score_indexed(table(0, [1.0], 1.0), truth)
    late = table(700, [1.0], 1.0, score=1.0)
    with pytest.raises(InputError, match="No reflection"):
        score_indexed(late, truth)
