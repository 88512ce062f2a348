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

from napari_labdct.analysis.detection import expected_false_alarms, threshold_for
from napari_labdct.analysis.loners import diffraction_odds
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

Less often, in large samples close to the source, its word was worth nothing.
"""

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
    is as rare among noise with its chance companions as 4.5 was before. Bright light
    that hardly comes from the sample's lattice (`diffraction_odds`) scores no more than
    that allows.

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
    judged = _as_significance(score, word, by_chance, alarms)
    solid = np.flatnonzero(score > SEEN)
    odds = diffraction_odds(
        places.points()[solid, 1:], word[solid], by_chance[solid], score[solid] > BRIGHT
    )
    # Of two that look the same, the brighter is the likelier.
    odds += np.log(significance[solid] / SEEN)
    usual = threshold_for(1.0, area, shapes)
    judged[solid] = np.minimum(judged[solid], _at_most(odds, usual))
    return Judged(judged, confirmed)


def _at_most(odds: Floats, usual: float) -> Floats:
    """Highest score of what is diffraction with such odds.

    Even odds count as what noise reaches once a frame, `usual`. Below, odds against
    it weigh as much as those of noise would.
    """
    doubted = np.sqrt(np.maximum(usual**2 + 2 * np.minimum(odds, 0), 0))
    return np.asarray(doubted * np.exp(np.clip(odds, 0, 20) / 2), np.float64)


@dataclass(frozen=True)
class _Neighbour:
    """What is found in one neighbour, shape (N,).

    Attributes
    ----------
    visible
        Whether the place is on the frame of a neighbour.
    found, strange
        Highest score at the place, and at the same place of a stranger; 0 for none.
    ratio
        See `_log_ratio`.
    """

    visible: NDArray[np.bool_]
    found: Floats
    strange: Floats
    ratio: Callable[[Floats, Floats], Floats]

    def word_on(self, own: Floats) -> tuple[Floats, Floats]:
        """What it says of spots of some significance, and what it would by chance."""
        word, by_chance = (
            np.where(self.visible, self.ratio(seen, own), 0.0)
            for seen in (self.found, self.strange)
        )
        return word, by_chance


def _ask(places: Places, score: Floats, motion: Motion, step: int) -> _Neighbour | None:
    """Look `step` projections away; None where bright spots are not seen again."""
    there, visible = places.after(motion, next_projections(motion.omega, step))
    bright = visible & (score > BRIGHT)
    if np.count_nonzero(bright) < LEAST:
        return None
    elsewhere = there.with_strangers(motion.omega.size)
    seen = places.only(score > SEEN)
    reach = _reach(seen, there.only(bright), elsewhere.only(bright))
    if reach is None:
        return None
    tree, padded = cKDTree(places.points()), np.append(score, 0.0)

    def highest(wanted: Places) -> Floats:
        highest = np.zeros(score.size)
        points = wanted.only(visible).points()
        _, which = tree.query(points, k=4, distance_upper_bound=reach)
        highest[visible] = padded[which].max(axis=1)
        return highest

    found, strange = highest(there), highest(elsewhere)
    ratio = _log_ratio(found[bright] / score[bright], np.sort(strange[visible]))
    return _Neighbour(visible, found, strange, ratio)


def _reach(seen: Places, there: Places, elsewhere: Places) -> float | None:
    """Distance within which most companions of bright spots are; None without any."""
    tree = cKDTree(seen.points())
    radii = np.arange(0.5, WIDEST + 0.25, 0.5)
    within = []
    for wanted in (there, elsewhere):
        away = np.sort(tree.query(wanted.points(), distance_upper_bound=WIDEST)[0])
        within.append(np.searchsorted(away, radii) / len(away))
    excess = within[0] - within[1]
    if excess.max() < AGAIN:
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
