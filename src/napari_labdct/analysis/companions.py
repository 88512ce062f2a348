"""Spots that neighbouring projections confirm.

In the white beam of a laboratory source, lattice planes go on reflecting while the
sample turns: their spot moves over the detector and slowly changes its energy. Noise
does not come back. So what stands where a faint spot should be one projection earlier
and later says whether it is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from napari_labdct.analysis.detection import expected_false_alarms
from napari_labdct.analysis.motion import SEEN, fit_motion
from napari_labdct.analysis.neighbours import GRID, Crowd, Neighbour
from napari_labdct.analysis.offsets import fit_scatter, return_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_labdct.analysis.detection import Kernel
    from napari_labdct.analysis.motion import Places
    from napari_labdct.analysis.offsets import Scatter
    from napari_labdct.core import Geometry

    Floats = NDArray[np.float64]

STEPS = (-2, -1, 1, 2)
"""Neighbours asked, counted in projections by angle."""

CONFIRMS = 1.0
"""Logarithm of the likelihood ratio from which a neighbour confirms a spot."""

CHUNK = 2000
"""Candidates judged at a time."""


class Judged(NamedTuple):
    """Candidates after their neighbours were asked, shape (N,) each.

    Attributes
    ----------
    score
        What they are ranked by.
    companions
        The number of neighbouring projections that confirm a candidate.
    word
        Logarithm of how much likelier what the neighbours show is for a spot than for
        chance.
    """

    score: Floats
    companions: NDArray[np.int64]
    word: Floats


def unheard(score: Floats) -> Judged:
    """Candidates whose neighbours have nothing to say."""
    return Judged(score, np.zeros(score.size, np.int64), np.zeros(score.size))


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

    What speaks for a spot is how much likelier its neighbours' candidates are with its
    companions than by chance. The place of a companion is known but for the offset of
    the spot's grain from the axis, the same in all neighbours: what they say is
    averaged over all offsets. How far grains are off, how bright companions are, and
    how many candidates there are by chance is counted in the scan itself.
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
    if motion is None:
        return unheard(score)
    returns = {step: return_of(places, motion, step) for step in STEPS}
    seen = np.count_nonzero(score > SEEN) / (area * omega.size)
    next_to = [returns[step] for step in (-1, 1)]
    scatter = fit_scatter(places, score, next_to, seen)
    crowd = Crowd.of(places, score, area * omega.size)
    neighbours = [Neighbour.of(crowd, each, scatter) for each in returns.values()]
    # What is doubted scores low; what it should look like elsewhere does not change.
    word, apart = _together(crowd, neighbours, scatter, significance)
    strange = [each.elsewhere(crowd, omega.size) for each in neighbours]
    by_chance, _ = _together(crowd, strange, scatter, significance)

    def alarms(level: float) -> float:
        return omega.size * expected_false_alarms(level, area, shapes)

    confirmed = np.count_nonzero(apart > CONFIRMS, axis=0)
    return Judged(_as_significance(score, word, by_chance, alarms), confirmed, word)


def _together(
    crowd: Crowd,
    neighbours: list[Neighbour],
    scatter: Scatter,
    significance: Floats,
) -> tuple[Floats, Floats]:
    """What all neighbours say, averaged over the offsets of grains.

    Parameters
    ----------
    crowd
        All candidates.
    neighbours
        Those asked.
    scatter
        How far from their expected places spots come back.
    significance
        Of all candidates, shape (N,).

    Returns
    -------
    word
        Logarithm of the likelihood ratio of spot over chance, shape (N,).
    apart
        What each neighbour adds to what the others say, shape (neighbours, N).
    """
    word = np.zeros(significance.size)
    apart = np.zeros((len(neighbours), significance.size))
    prior = -((GRID[:, None] ** 2 + GRID**2).ravel()) / 2
    prior -= special.logsumexp(prior)
    for start in range(0, significance.size, CHUNK):
        these = np.arange(start, min(start + CHUNK, significance.size))
        own = significance[these]
        said = np.array([n.log_ratios(crowd, these, own, scatter) for n in neighbours])
        whole = said.sum(axis=0) + prior
        word[these] = special.logsumexp(whole, axis=1)
        apart[:, these] = word[these] - special.logsumexp(whole - said, axis=2)
    return word, apart


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
