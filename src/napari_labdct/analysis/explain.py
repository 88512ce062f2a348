"""Which spot is which: found spots and the reflections that grains should give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_labdct.analysis.match import pair_up
from napari_labdct.core import InputError, SpotTable
from napari_labdct.core.spots import TRUTH_COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

NOBODY = -1
"""Grain number of a spot that no grain explains."""


@dataclass(frozen=True)
class Explanation:
    """Found spots and predicted reflections, side by side.

    Attributes
    ----------
    spots
        The found spots with `grain`, `h`, `k`, `l`, `energy_keV` of the reflection
        that explains each (grain −1 and NaN energy where none does) and
        `distance_px` to it.
    reflections
        The predicted reflections with `found` (whether a spot explains itself by
        them), `spot` (its row in `spots`, −1 for none) and `distance_px`.
    grains
        One row a grain: `grain`, `predicted`, `found`, `completeness` (found over
        predicted), `chance` (completeness that spots at random places would give)
        and `distance_px` (median).
    """

    spots: SpotTable
    reflections: SpotTable
    grains: pd.DataFrame

    @property
    def summary(self) -> str:
        """What came of it, in a sentence."""
        grains, named = self.grains, int((self.spots.frame["grain"] != NOBODY).sum())
        return (
            f"{named} of {len(self.spots)} spots belong to "
            f"{int((grains['found'] > 0).sum())} of {len(grains)} grains; "
            f"completeness {grains['completeness'].mean():.0%}, by chance "
            f"{grains['chance'].mean():.0%}."
        )

    @property
    def net_completeness(self) -> float:
        """Completeness with chance taken off: 0 for spots at random places."""
        weight = self.grains["predicted"]
        chance = float((self.grains["chance"] * weight).sum())
        rest = float(weight.sum()) - chance
        return (float(self.grains["found"].sum()) - chance) / rest if rest > 0 else 0.0

    @property
    def unexplained(self) -> SpotTable:
        """Found spots that no reflection explains."""
        return SpotTable(self.spots.frame[self.spots.frame["grain"] == NOBODY])

    @property
    def missed(self) -> SpotTable:
        """Predicted reflections that were not found."""
        return SpotTable(self.reflections.frame[~self.reflections.frame["found"]])


def explain(
    found: SpotTable,
    predicted: SpotTable,
    tolerance: float = 2.5,
    *,
    area: float | None = None,
) -> Explanation:
    """Say which reflection of which grain each spot is.

    Where several reflections fall on one spot, the nearest explains it, and the
    others count as found by it: they cannot be told apart.

    Parameters
    ----------
    found
        Found spots.
    predicted
        Reflections that should be seen, with grain, hkl and energy; those too
        faint to be seen should be left out.
    tolerance
        Largest distance between a spot and its reflection [px].
    area
        Area of the detector that spots lie on, for the completeness by chance
        [px²]; the box around all reflections by default.

    Raises
    ------
    InputError
        If the reflections lack grain, hkl or energy.
    """
    if not predicted.is_truth:
        raise InputError(
            "The reflections lack some of the columns "
            f"{', '.join(TRUTH_COLUMNS)}: predict them from a list of grains."
        )
    spots, reflections = found.frame, predicted.frame
    own, mine, near = pair_up(spots, reflections, tolerance)
    explained = _explained(spots, reflections, own, mine, near)
    # Reflections that lost their spot to a nearer one still lie on it.
    whose, distance = np.full(len(reflections), -1), np.full(len(reflections), np.nan)
    whose[mine], distance[mine] = own, near
    rest = np.flatnonzero(whose < 0)
    nearest, gap = _nearest(reflections.iloc[rest], spots, tolerance)
    whose[rest], distance[rest] = nearest, gap
    seen = reflections.drop(columns=["found", "spot", "distance_px"], errors="ignore")
    seen = seen.assign(found=whose >= 0, spot=whose, distance_px=distance)
    if area is None:
        area = _box(reflections)
    return Explanation(
        SpotTable(explained),
        SpotTable(seen),
        _by_grain(seen, spots, tolerance, area),
    )


def _explained(
    spots: pd.DataFrame,
    reflections: pd.DataFrame,
    own: NDArray[np.intp],
    mine: NDArray[np.intp],
    near: NDArray[np.float64],
) -> pd.DataFrame:
    """Spots with the reflection that explains each."""
    out = spots.drop(columns=[*TRUTH_COLUMNS, "distance_px"], errors="ignore")
    for name, kind in TRUTH_COLUMNS.items():
        empty = np.nan if kind == "float64" else NOBODY if name == "grain" else 0
        values = np.full(len(spots), empty, kind)
        values[own] = reflections[name].to_numpy()[mine]
        out = out.assign(**{name: values})
    distance = np.full(len(spots), np.nan)
    distance[own] = near
    return out.assign(distance_px=distance)


def _nearest(
    reflections: pd.DataFrame, spots: pd.DataFrame, tolerance: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Row and distance of the spot nearest to each reflection; −1 and NaN if none."""
    row, gap = np.full(len(reflections), -1), np.full(len(reflections), np.nan)
    if len(reflections) and len(spots):
        apart = np.array([10 * tolerance + 10, 1, 1])
        names = ["projection", "row_px", "column_px"]
        tree = cKDTree(spots[names].to_numpy(np.float64) * apart)
        answer = tree.query(
            reflections[names].to_numpy(np.float64) * apart,
            distance_upper_bound=tolerance,
        )
        near, which = np.asarray(answer[0]), np.asarray(answer[1])
        there = np.isfinite(near)
        row[there], gap[there] = which[there], near[there]
    return row, gap


def _box(table: pd.DataFrame) -> float:
    """Area of the box around all places of a table [px²]."""
    if not len(table):
        return 1.0
    sides = np.ptp(table[["row_px", "column_px"]].to_numpy(), axis=0) + 1
    return float(np.prod(sides))


def _by_grain(
    seen: pd.DataFrame, spots: pd.DataFrame, tolerance: float, area: float
) -> pd.DataFrame:
    """Completeness of every grain, and what chance alone would give."""
    density = spots.groupby("projection").size() / area
    crowd = seen["projection"].map(density).fillna(0.0)
    chance = 1 - np.exp(-np.pi * tolerance**2 * crowd)
    groups = seen.assign(chance=chance).groupby("grain")
    grains = groups.agg(
        predicted=("found", "size"),
        found=("found", "sum"),
        completeness=("found", "mean"),
        chance=("chance", "mean"),
        distance_px=("distance_px", "median"),
    )
    return grains.reset_index()
