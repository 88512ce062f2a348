"""Found spots against the reflections that an indexed scan should show.

On a measured scan nobody knows every spot: grains that were not indexed have
spots too, and of those predicted many are too faint to see. Hence recall is
counted by the signal-to-noise ratio a reflection is expected to have, at a fixed
number of found spots a frame, and both recall and explained spots are compared
with chance: the same count with the reflections of other frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.spatial import cKDTree

from napari_labdct.analysis.match import pair_up
from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.core import SpotTable

COLUMNS = ["projection", "row_px", "column_px", "snr"]


class Protocol(Parameters):
    """How found spots are compared with predicted reflections."""

    tolerance: float = Field(
        2.5, gt=0, description="Largest distance of spot and reflection [px]."
    )
    merge: float = Field(
        4.0,
        ge=0,
        description="Reflections closer than this count as one spot [px].",
    )
    snr_bins: tuple[float, ...] = Field(
        (1, 2, 3, 5, 10, 20, 50, np.inf),
        min_length=2,
        description="Limits of the bins of expected signal-to-noise ratio.",
    )
    least_snr: float = Field(
        3.0, ge=0, description="Reflections above count for the overall recall."
    )
    explains_from: float = Field(
        1.0, ge=0, description="Reflections above explain a spot."
    )
    slack: float = Field(
        0.5, ge=0, description="Added to the tolerance when explaining a spot [px]."
    )
    halo_snr: float = Field(
        60.0, gt=0, description="Reflections above may have side spots."
    )
    halo: float = Field(9.0, ge=0, description="Within which side spots lie [px].")
    shifts: tuple[int, ...] = Field(
        (7, 19, 34, 53, 71, 88),
        min_length=1,
        description="Projections by which the truth is shifted to measure chance.",
    )


@dataclass(frozen=True)
class IndexedScore:
    """Score at one number of found spots a frame.

    Attributes
    ----------
    spots_per_frame
        Found spots that count, per frame.
    threshold
        Score of the last of them.
    recall, chance, net
        Share of the reflections above `Protocol.least_snr` that were found, by
        chance alone, and with chance taken off: (recall − chance) / (1 − chance).
    unexplained_per_frame
        Found spots that no reflection explains, per frame, corrected for those
        explained by chance.
    neutral
        Share of the found spots that are neither right nor wrong: side spots of
        bright reflections, and spots of uncertain grains.
    by_snr
        One row a bin: `snr_from`, `snr_to`, `per_frame` (reflections), `recall`,
        `chance`, `net`.
    """

    spots_per_frame: float
    threshold: float
    recall: float
    chance: float
    net: float
    unexplained_per_frame: float
    neutral: float
    by_snr: pd.DataFrame


def score_indexed(
    found: SpotTable,
    truth: SpotTable,
    per_frame: Sequence[float] = (600,),
    *,
    uncertain: SpotTable | None = None,
    frames: Sequence[int] | None = None,
    use: NDArray[np.bool_] | None = None,
    rank_by: str = "score",
    protocol: Protocol | None = None,
) -> list[IndexedScore]:
    """Score found spots of a measured scan against its indexed grains.

    Parameters
    ----------
    found
        Found spots.
    truth
        Predicted reflections with the `snr` they are expected to have, of these
        projections and, to measure chance, of others of the same scan.
    per_frame
        Numbers of found spots per frame to score at, the most significant first
        over all frames.
    uncertain
        Reflections of grains that may not exist: they explain nothing and what
        lies near them is not held against the finder.
    frames
        Projections that were searched; those with found spots by default.
    use
        Pixels that count, shape (rows, columns); all by default.
    rank_by
        Column of `found` that says how significant a spot is.
    protocol
        Tolerances and bins.

    Raises
    ------
    InputError
        If there are no reflections on the frames, or no such column.
    """
    protocol = protocol or Protocol()
    if rank_by not in found.frame:
        raise InputError(
            f"The found spots have no column {rank_by!r} to rank them by: "
            f"choose one of {', '.join(found.frame.columns)}."
        )
    count = int(truth.frame["projection"].max()) + 1 if len(truth) else 0
    searched = np.zeros(max(count, 1), bool)
    wanted = found.frame["projection"].unique() if frames is None else frames
    searched[[index for index in wanted if index < count]] = True
    targets = _composite(truth.frame[COLUMNS], protocol.merge)
    if not searched[targets["projection"]].any():
        raise InputError(
            "No reflection of the truth lies on the searched projections: check "
            "that both count projections from 0."
        )
    spots = found.frame[searched[found.frame["projection"].clip(upper=count - 1)]]
    if use is not None:
        inside = spots[["row_px", "column_px"]].to_numpy().round().astype(np.intp)
        spots = spots[use[tuple(inside.T)]]
    spots = spots.sort_values(rank_by, ascending=False, kind="stable")
    at = _Comparison(spots, targets, truth.frame, uncertain, searched, protocol)
    number = int(searched.sum())
    scores = []
    for budget in per_frame:
        scores.append(at.score(int(budget * number), rank_by, number))
        if budget * number >= len(spots):
            break
    return scores


def _composite(truth: pd.DataFrame, merge: float) -> pd.DataFrame:
    """Reflections that cannot be told apart as one, at their weighted place.

    The brightest takes in all neighbours within `merge` that none brighter took.
    """
    places = _places(truth, merge)
    snr = truth["snr"].to_numpy()
    owner = np.full(len(truth), -1)
    near = cKDTree(places).query_ball_point(places, merge) if merge > 0 else None
    for index in np.argsort(-snr, kind="stable"):
        if owner[index] < 0:
            group = [index] if near is None else near[index]
            free = [one for one in group if owner[one] < 0]
            owner[free] = index
    kept, group = np.unique(owner, return_inverse=True)
    total = np.bincount(group, snr)
    return pd.DataFrame(
        {
            "projection": truth["projection"].to_numpy()[kept],
            "row_px": np.bincount(group, snr * truth["row_px"]) / total,
            "column_px": np.bincount(group, snr * truth["column_px"]) / total,
            "snr": total,
        }
    )


def _places(table: pd.DataFrame, reach: float) -> NDArray[np.float64]:
    """Projection, row and column as one place; projections never meet."""
    place = table[["projection", "row_px", "column_px"]].to_numpy(np.float64)
    place[:, 0] *= 10 * reach + 100
    return place


def _is_near(
    spots: pd.DataFrame, reflections: pd.DataFrame, reach: float
) -> NDArray[np.bool_]:
    """Whether any reflection lies within reach of each spot."""
    if not len(reflections) or not len(spots):
        return np.zeros(len(spots), bool)
    tree = cKDTree(_places(reflections, reach))
    apart = tree.query(_places(spots, reach), distance_upper_bound=reach)[0]
    return np.asarray(np.isfinite(apart), np.bool_)


@dataclass(frozen=True)
class _Comparison:
    """Ranked spots and what they are compared with."""

    spots: pd.DataFrame
    targets: pd.DataFrame
    truth: pd.DataFrame
    uncertain: SpotTable | None
    searched: NDArray[np.bool_]
    protocol: Protocol

    def score(self, budget: int, rank_by: str, number: int) -> IndexedScore:
        """Score the first `budget` spots."""
        spots, protocol = self.spots.iloc[:budget], self.protocol
        truth, limits = self.truth, np.array(protocol.snr_bins)
        per_bin, hits = self._hits(spots, 0)
        chances, by_chance = [], []
        explaining = truth[truth["snr"] >= protocol.explains_from]
        reach = protocol.tolerance + protocol.slack
        # A shift by all projections would compare the truth with itself.
        for shift in (s for s in protocol.shifts if s % self.searched.size):
            there, by_luck = self._hits(spots, shift)
            chances.append(by_luck / np.maximum(there, 1))
            near = _is_near(spots, self._shifted(explaining, shift), reach)
            by_chance.append(near.mean() if len(spots) else 0.0)
        chance = np.mean(chances or [np.zeros_like(hits)], axis=0)
        # Nothing can be told of luck where the truth has one projection only.
        luck_explains = min(float(np.mean(by_chance or [0.0])), 1 - 1e-6)
        recall = hits / np.maximum(per_bin, 1)
        counts = limits[:-1] >= protocol.least_snr
        weight = np.maximum(per_bin[counts], 1)
        overall = hits[counts].sum() / max(per_bin[counts].sum(), 1)
        luck = min(float(np.average(chance[counts], weights=weight)), 1 - 1e-6)
        chance = np.minimum(chance, 1 - 1e-6)
        explained = _is_near(spots, explaining, reach)
        bright = truth[truth["snr"] >= protocol.halo_snr]
        neutral = _is_near(spots, bright, protocol.halo)
        if self.uncertain is not None:
            neutral |= _is_near(spots, self.uncertain.frame, protocol.tolerance)
        neutral &= ~explained
        false = float((~explained & ~neutral).sum()) / (1 - luck_explains)
        return IndexedScore(
            spots_per_frame=len(spots) / number,
            threshold=float(spots[rank_by].iloc[-1]) if len(spots) else np.nan,
            recall=float(overall),
            chance=luck,
            net=float((overall - luck) / (1 - luck)),
            unexplained_per_frame=false / number,
            neutral=float(neutral.mean()) if len(spots) else 0.0,
            by_snr=pd.DataFrame(
                {
                    "snr_from": limits[:-1],
                    "snr_to": limits[1:],
                    "per_frame": per_bin / number,
                    "recall": recall,
                    "chance": chance,
                    "net": (recall - chance) / (1 - chance),
                }
            ),
        )

    def _shifted(self, table: pd.DataFrame, shift: int) -> pd.DataFrame:
        """Reflections as if they belonged to projections further on."""
        moved = (table["projection"] + shift) % self.searched.size
        return table.assign(projection=moved)

    def _hits(
        self, spots: pd.DataFrame, shift: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Targets and found targets in each bin of expected SNR."""
        limits = np.array(self.protocol.snr_bins)
        targets = self._shifted(self.targets, shift)
        targets = targets[
            (targets["snr"] >= limits[0]) & self.searched[targets["projection"]]
        ]
        snr = targets["snr"].to_numpy()
        _, hit, _ = pair_up(spots, targets, self.protocol.tolerance)
        which = np.digitize(snr, limits) - 1
        size = limits.size - 1
        inside = which < size
        found = np.zeros(len(targets), bool)
        found[hit] = True
        there = np.bincount(which[inside], minlength=size).astype(np.float64)
        hits = np.bincount(which[inside], found[inside].astype(np.float64), size)
        return there, np.asarray(hits, np.float64)
