"""Spots that neighbouring projections confirm.

In the white beam of a laboratory source, lattice planes go on reflecting while the
sample turns: their spot moves over the detector and slowly changes its energy. Noise
does not come back. So what stands where a faint spot should be one projection earlier
and later says whether it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from napari_labdct.analysis.detection import expected_false_alarms
from napari_labdct.analysis.motion import (
    BRIGHT,
    LEAST,
    SEEN,
    Motion,
    Places,
    fit_motion,
    next_projections,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_labdct.analysis.detection import Kernel
    from napari_labdct.core import Geometry

    Floats = NDArray[np.float64]

STEPS = (-2, -1, 1, 2)
"""Neighbours asked, counted in projections by angle."""

WIDEST = 12.0
"""Largest distance from the place where a spot is expected [px]."""

AGAIN = 0.5
"""Share of bright spots that must be seen again for a neighbour to be asked.

Less often, in large samples close to the source, its word was worth nothing. Half of it
will do for those that go one way.
"""

ENOUGH = 480
"""Bright spots from which those that go different ways are told apart."""

CONFIRMS = 1.0
"""Logarithm of the likelihood ratio from which a neighbour confirms a spot."""

LEVELS = np.array(
    [-1, 1, *np.arange(2.5, 6, 0.25), 6, 7, 8, 10, 12, 15, 20, 30, 60, 150, np.inf]
)
"""Classes of the significance that is found there, the first for nothing."""


class Judged(NamedTuple):
    """Candidates after their neighbours were asked, shape (N,) each.

    Score, and the number of neighbouring projections that confirm a candidate.
    """

    score: Floats
    companions: NDArray[np.int64]


def ask_neighbours(
    places: Places,
    score: Floats,
    significance: Floats,
    omega: Floats,
    shapes: tuple[Kernel, ...],
    *,
    area: float,
    geometry: Geometry | None = None,
) -> Judged:
    """Score candidate spots anew by what neighbouring projections say.

    What speaks for a spot is the logarithm of how much more often such a companion
    belongs to a spot than to noise. Both are counted in the scan itself: on bright
    spots, and at the same places of projections that have nothing to do with them.
    The sum is then brought back to the scale of the significance: a score of 4.5
    is as rare among noise with its chance companions as 4.5 was before.

    Parameters
    ----------
    places
        Candidates of a whole scan, down to where there are hundreds of false alarms
        a frame.
    score, significance
        What they are ranked by so far, and the largest response of the filters,
        shape (N,): what is doubted scores lower.
    omega
        Rotation angles, shape (P,) [deg]; NaN where unknown.
    shapes
        The matched filters that found them.
    area
        Pixels of a frame that were searched.
    geometry
        Where source, sample and detector are, if known.

    Returns
    -------
    judged
        Unchanged scores, and no companions, where it cannot be told how spots move.
    """
    motion = fit_motion(places, score, omega, geometry)
    asked = [] if motion is None else [_ask(places, score, motion, s) for s in STEPS]
    # What is doubted scores low; what it should look like elsewhere does not change.
    heard = [each.word_on(significance) for each in asked if each is not None]
    if not heard:
        return Judged(score, np.zeros(score.size, np.int64))

    def alarms(level: float) -> float:
        return omega.size * expected_false_alarms(level, area, shapes)

    confirmed = np.count_nonzero([word > CONFIRMS for word, _ in heard], axis=0)
    word, by_chance = np.sum(heard, axis=0)
    return Judged(_as_significance(score, word, by_chance, alarms), confirmed)


@dataclass(frozen=True)
class _Neighbour:
    """What is found in one neighbour, shape (N,).

    Attributes
    ----------
    kind
        Number of the way that each candidate goes there, −1 where nothing is known.
    found, strange
        Highest score at the place, and at the same place of a stranger; 0 for none.
    ratios
        For each kind, see `_log_ratio`.
    """

    kind: NDArray[np.intp]
    found: Floats
    strange: Floats
    ratios: dict[int, Callable[[Floats, Floats], Floats]]

    def word_on(self, own: Floats) -> tuple[Floats, Floats]:
        """What it says of spots of some significance, and what it would by chance."""
        word, by_chance = np.zeros(own.size), np.zeros(own.size)
        for kind, ratio in self.ratios.items():
            these = self.kind == kind
            word[these] = ratio(self.found[these], own[these])
            by_chance[these] = ratio(self.strange[these], own[these])
        return word, by_chance


def _ask(places: Places, score: Floats, motion: Motion, step: int) -> _Neighbour | None:
    """Look `step` projections away; None where bright spots are not seen again."""
    there, visible = places.after(motion, next_projections(motion.omega, step))
    elsewhere = there.with_strangers(motion.omega.size)
    bright, seen = visible & (score > BRIGHT), cKDTree(places.points()[score > SEEN])

    def reach(which: NDArray[np.bool_], again: float) -> float | None:
        if np.count_nonzero(which) < LEAST:
            return None
        return _reach(seen, there.only(which), elsewhere.only(which), again)

    if reach(bright, AGAIN) is None:
        return None
    tree, padded = cKDTree(places.points()), np.append(score, 0.0)
    found, strange = np.zeros(score.size), np.zeros(score.size)
    kind = np.where(visible, _kind(places, there, bright, motion), -1)
    for number in range(kind.max() + 1):
        these = kind == number
        within = reach(these & bright, AGAIN / 2)
        if within is None:
            kind[these] = -1
            continue
        for wanted, highest in ((there, found), (elsewhere, strange)):
            points = wanted.only(these).points()
            _, which = tree.query(points, k=4, distance_upper_bound=within)
            highest[these] = padded[which].max(axis=1)
    by_chance = np.sort(strange[kind >= 0])
    ratios = {}
    for number in np.unique(kind[kind >= 0]).tolist():
        these = bright & (kind == number)
        ratios[number] = _log_ratio(found[these] / score[these], by_chance)
    return _Neighbour(kind, found, strange, ratios)


def _kind(
    places: Places, there: Places, bright: NDArray[np.bool_], motion: Motion
) -> NDArray[np.intp]:
    """Number of the way that spots go, 0 to 3: how far, and to which energy.

    The further one goes, the less is its place known. Towards the beam its energy
    rises, and one that doubles it has mostly left the tube's spectrum. Too few bright
    spots are taken to go one way.
    """
    if np.count_nonzero(bright) < ENOUGH:
        return np.zeros(bright.size, np.intp)
    way = np.hypot(there.row - places.row, there.column - places.column)
    here, then = (
        np.hypot(each.row - motion.centre_row, each.column - motion.centre_column)
        for each in (places, there)
    )
    far, inward = way > np.median(way[bright]), then < here
    return np.asarray(2 * far + inward, np.intp)


def _reach(
    seen: cKDTree, there: Places, elsewhere: Places, again: float
) -> float | None:
    """Distance within which most companions of bright spots are.

    None if less than a share `again` of them is seen again.
    """
    radii = np.arange(0.5, WIDEST + 0.25, 0.5)
    within = []
    for wanted in (there, elsewhere):
        away = np.sort(seen.query(wanted.points(), distance_upper_bound=WIDEST)[0])
        within.append(np.searchsorted(away, radii) / len(away))
    excess = within[0] - within[1]
    if excess.max() < again:
        return None
    return float(radii[np.argmax(excess > 0.8 * excess.max())])


def _log_ratio(
    brightness: Floats, strange: Floats
) -> Callable[[Floats, Floats], Floats]:
    """How much likelier a companion is for a spot than for noise.

    Parameters
    ----------
    brightness
        Companions of bright spots, as parts of these, 0 where there is none.
    strange
        Significance of what is found by chance, sorted, 0 for nothing.

    Returns
    -------
    log_ratio
        Of the significance of a companion and that of the spot, shape (N,) each.
    """
    parts = np.quantile(brightness, (np.arange(64) + 0.5) / 64)
    own = np.geomspace(2, 60, 64)
    below = np.searchsorted(strange, LEVELS, "right") / strange.size
    by_chance = np.maximum(np.diff(below), 0.5 / strange.size)
    # What is found is the higher of the companion, with its noise, and chance.
    expected = own[:, None, None] * parts
    companion = stats.norm.cdf(LEVELS[:, None] - expected).mean(axis=2)
    for_spot = np.maximum(np.diff(below * companion, axis=1), 1e-3)
    table = np.log(for_spot / by_chance)

    def log_ratio(found: Floats, score: Floats) -> Floats:
        row = np.rint(np.interp(np.log(score), np.log(own), np.arange(own.size)))
        column = np.searchsorted(LEVELS, found) - 1
        return np.asarray(table[row.astype(np.intp), column], np.float64)

    return log_ratio


def _as_significance(
    score: Floats, word: Floats, by_chance: Floats, alarms: Callable[[float], float]
) -> Floats:
    """Scores among which noise is as frequent as it was among the old ones.

    Parameters
    ----------
    score
        Significance of every candidate, shape (N,).
    word, by_chance
        What its neighbours say, and what they would say of noise, shape (N,).
    alarms
        False alarms of the whole scan above a significance.
    """
    # Candidates stand in for noise, as many of each significance as noise has.
    edges = np.append(np.arange(score.min(), 8, 0.1), np.inf)
    expected = -np.diff([alarms(edge) for edge in edges[:-1]], append=0.0)
    kind = np.clip(np.searchsorted(edges, score, "right") - 1, 0, edges.size - 2)
    present = np.bincount(kind, minlength=expected.size)
    weight = (expected / np.maximum(present, 1))[kind]
    noise = score**2 / 2 + by_chance
    order = np.argsort(-noise)
    rank, above = -noise[order], np.cumsum(weight[order])
    levels = np.arange(2.0, 8.0, 0.02)
    log_alarms = np.log([max(alarms(level), 1e-12) for level in levels])

    def level_of(evidence: Floats) -> Floats:
        place = np.searchsorted(rank, -evidence)
        count = above[np.clip(place - 1, 0, above.size - 1)]
        level = np.interp(-np.log(count), -log_alarms, levels)
        return np.asarray(level, np.float64)

    evidence = score**2 / 2 + word
    # Beyond what a few of them tell, evidence counts as it would in pure noise.
    last = np.searchsorted(above, max(1.0, 20 * float(weight.min())))
    pivot = noise[order[min(int(last), order.size - 1)]]
    rest = pivot - level_of(np.array([pivot]))[0] ** 2 / 2
    far = np.sqrt(2 * np.maximum(evidence - rest, 0))
    return np.where(evidence > pivot, far, level_of(evidence))
