"""Found spots against true ones: what was found, missed and invented, and how well."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from napari_labdct.core import InputError, SpotTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SNR_BINS = (0.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, np.inf)
"""Limits of the bins of expected signal-to-noise ratio."""

CANDIDATES = 8
"""Nearest true spots considered for each found one."""


@dataclass(frozen=True)
class Score:
    """How well found spots agree with the truth.

    Attributes
    ----------
    pairs
        One row a match: `found` and `truth` (rows of the two tables),
        `distance_px`, `row_error_px`, `column_error_px` (found minus true [px])
        and `intensity_ratio` (found over true).
    found, truth
        Number of found spots and of true spots that count.
    precision, recall, f1
        Matched over found, matched over true, and their harmonic mean.
    average_precision
        Mean precision over the recall, as the least significant found spots are
        left out one by one, from 0 to 1.
    by_snr
        One row a bin of the true spots' signal-to-noise ratio: `snr_from`,
        `snr_to`, `truth`, `matched`, `recall`, the medians `distance_px` and
        `intensity_ratio`, and `intensity_scatter` (half of the central 68 % of
        the ratio). `precision` and `f1` there take the found spots that match
        nothing by their own ratio.
    """

    pairs: pd.DataFrame
    found: int
    truth: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    by_snr: pd.DataFrame


def pair_up(
    found: pd.DataFrame, truth: pd.DataFrame, tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """One-to-one pairs within each projection, the nearest first.

    Parameters
    ----------
    found, truth
        Tables with `projection`, `row_px` and `column_px`.
    tolerance
        Largest distance of a pair [px].

    Returns
    -------
    found, truth, distance
        Rows of the two tables and the distance of every pair, shape (M,).
    """
    nothing = np.empty(0, np.intp)
    if not len(found) or not len(truth):
        return nothing, nothing, np.empty(0)
    # Projections far apart along a third axis never meet.
    places = [
        np.column_stack(
            [
                table["projection"].to_numpy(np.float64) * (10 * tolerance + 10),
                table["row_px"].to_numpy(np.float64),
                table["column_px"].to_numpy(np.float64),
            ]
        )
        for table in (found, truth)
    ]
    count = min(CANDIDATES, len(truth))
    nearest = cKDTree(places[1]).query(
        places[0],
        k=np.arange(1, count + 1),
        distance_upper_bound=tolerance * (1 + 1e-9),
    )
    apart, near = np.asarray(nearest[0]), np.asarray(nearest[1])
    one, rank = np.nonzero(np.isfinite(apart))
    other, length = near[one, rank], apart[one, rank]
    taken_one, taken_other = np.zeros(len(found), bool), np.zeros(len(truth), bool)
    pairs = []
    for pair in np.argsort(length, kind="stable"):
        a, b = one[pair], other[pair]
        if not taken_one[a] and not taken_other[b]:
            taken_one[a] = taken_other[b] = True
            pairs.append(pair)
    chosen = np.array(pairs, np.intp)
    return one[chosen], other[chosen], length[chosen]


def match_spots(
    found: SpotTable,
    truth: SpotTable,
    tolerance: float = 2.5,
    *,
    least_snr: float = 0.0,
    most_snr: float = np.inf,
    bins: Sequence[float] = SNR_BINS,
) -> Score:
    """Score found spots against the true ones.

    Parameters
    ----------
    found
        Found spots; ranked by their column `score` where there is one, by `snr`
        otherwise.
    truth
        True spots with the signal-to-noise ratio they are expected to have.
    tolerance
        Largest distance between a found spot and a true one [px].
    least_snr, most_snr
        True spots outside of these limits are no miss when not found, and no
        false alarm when found: neither they nor the found spots that match them
        count.
    bins
        Limits of the bins of `by_snr`, ascending.

    Raises
    ------
    InputError
        If the tolerance is not positive.
    """
    if not tolerance > 0:
        raise InputError(
            f"A tolerance of {tolerance} px matches nothing: choose some pixels."
        )
    a, b, distance = pair_up(found.frame, truth.frame, tolerance)
    expected = truth.frame["snr"].to_numpy()
    counts = (expected >= least_snr) & (expected < most_snr)
    valid = counts[b]
    ignored = np.zeros(len(found), bool)
    ignored[a[~valid]] = True
    a, b, distance = a[valid], b[valid], distance[valid]
    pairs = _pairs(found.frame.iloc[a], truth.frame.iloc[b], a, b, distance)
    matched = np.zeros(len(found), bool)
    matched[a] = True
    rank_by = "score" if "score" in found.frame else "snr"
    rank = found.frame[rank_by].to_numpy(np.float64)[~ignored]
    total = int(counts.sum())
    hits = matched[~ignored]
    precision, recall, f1 = _rates(len(a), hits.size, total)
    false_snr = found.frame["snr"].to_numpy()[~ignored & ~matched]
    return Score(
        pairs=pairs,
        found=int(hits.size),
        truth=total,
        precision=precision,
        recall=recall,
        f1=f1,
        average_precision=_average_precision(hits[np.argsort(-rank)], total),
        by_snr=_by_snr(pairs, expected[b], expected[counts], false_snr, bins),
    )


def sweep(
    found: SpotTable,
    truth: SpotTable,
    tolerance: float = 2.5,
    *,
    least_snr: float = 0.0,
    most_snr: float = np.inf,
    steps: int = 60,
) -> pd.DataFrame:
    """Scores as a threshold on the found spots' significance rises.

    Parameters
    ----------
    found
        Found spots with the column `score`, found with a low threshold.
    truth, tolerance, least_snr, most_snr
        As in `match_spots`.
    steps
        Number of thresholds, at evenly spaced ranks in logarithm.

    Returns
    -------
    scores
        One row a threshold, rising: `threshold`, `found`, `precision`, `recall`,
        `f1`.
    """
    ranked = found.frame.sort_values("score", ascending=False, kind="stable")
    if not len(ranked):
        return pd.DataFrame(columns=["threshold", "found", "precision", "recall", "f1"])
    first = max(1, len(ranked) // 100)
    counts = np.unique(np.geomspace(len(ranked), first, steps).astype(int))[::-1]
    rows = []
    for count in counts:
        part = SpotTable(ranked.iloc[:count])
        score = match_spots(
            part, truth, tolerance, least_snr=least_snr, most_snr=most_snr
        )
        rows.append(
            {
                "threshold": float(part.frame["score"].iloc[-1]),
                "found": score.found,
                "precision": score.precision,
                "recall": score.recall,
                "f1": score.f1,
            }
        )
    return pd.DataFrame(rows)


def _rates(matched: int, found: int, truth: int) -> tuple[float, float, float]:
    """Precision, recall and F1; NaN where there is nothing to divide by."""
    precision = matched / found if found else np.nan
    recall = matched / truth if truth else np.nan
    f1 = 2 * matched / (found + truth) if found + truth else np.nan
    return precision, recall, f1


def _average_precision(hits: NDArray[np.bool_], truth: int) -> float:
    """Area under precision over recall; `hits` are ranked, the best first."""
    if not truth:
        return np.nan
    precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
    return float(np.sum(precision[hits]) / truth)


def _pairs(
    found: pd.DataFrame,
    truth: pd.DataFrame,
    a: NDArray[np.intp],
    b: NDArray[np.intp],
    distance: NDArray[np.float64],
) -> pd.DataFrame:
    """The matches, with their errors."""
    place, true = (
        table[["row_px", "column_px"]].to_numpy(np.float64) for table in (found, truth)
    )
    intensity = truth["intensity"].to_numpy(np.float64)
    known = np.where(intensity > 0, intensity, np.nan)
    return pd.DataFrame(
        {
            "found": a,
            "truth": b,
            "distance_px": distance,
            "row_error_px": place[:, 0] - true[:, 0],
            "column_error_px": place[:, 1] - true[:, 1],
            "intensity_ratio": found["intensity"].to_numpy(np.float64) / known,
        }
    )


def _by_snr(
    pairs: pd.DataFrame,
    matched_snr: NDArray[np.float64],
    truth_snr: NDArray[np.float64],
    false_snr: NDArray[np.float64],
    bins: Sequence[float],
) -> pd.DataFrame:
    """The score in bins of the expected signal-to-noise ratio."""
    rows = []
    for low, high in pairwise(bins):
        here = pairs[(matched_snr >= low) & (matched_snr < high)]
        truth = int(np.count_nonzero((truth_snr >= low) & (truth_snr < high)))
        false = int(np.count_nonzero((false_snr >= low) & (false_snr < high)))
        precision, recall, f1 = _rates(len(here), len(here) + false, truth)
        ratio = here["intensity_ratio"].dropna().to_numpy()
        low_ratio, middle, high_ratio = (
            np.quantile(ratio, [0.16, 0.5, 0.84]) if ratio.size else [np.nan] * 3
        )
        rows.append(
            {
                "snr_from": low,
                "snr_to": high,
                "truth": truth,
                "matched": len(here),
                "false": false,
                "recall": recall,
                "precision": precision,
                "f1": f1,
                "distance_px": here["distance_px"].median() if len(here) else np.nan,
                "intensity_ratio": middle,
                "intensity_scatter": (high_ratio - low_ratio) / 2,
            }
        )
    return pd.DataFrame(rows)
