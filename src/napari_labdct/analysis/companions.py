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
from scipy import special, stats
from scipy.spatial import cKDTree

from napari_labdct.analysis.detection import expected_false_alarms
from napari_labdct.analysis.motion import BRIGHT, SEEN, Places, fit_motion
from napari_labdct.analysis.offsets import (
    WIDEST,
    Return,
    Scatter,
    distances,
    fit_scatter,
    return_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_labdct.analysis.detection import Kernel
    from napari_labdct.core import Geometry

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

STEPS = (-2, -1, 1, 2)
"""Neighbours asked, counted in projections by angle."""

NEAREST = 8
"""Candidates around an expected place that are looked at."""

FEWEST = 30
"""Bright spots from which it is known how bright companions are."""

CLASS = 120
"""Bright spots from which those that go to another energy are told apart."""

CLASSES = 4
"""Classes of the change of energy, at most."""

PARTS = np.append(0, np.geomspace(0.06, 7, 14))
"""How bright companions may be, as parts of a spot; 0 is for none."""

OWN = np.geomspace(2, 60, 64)
"""Significance of spots for which likelihoods are kept."""

LEVELS = np.array([*np.arange(2.75, 6, 0.25), 6, 7, 8, 10, 12, 15, 20, 30, 60, 150])
"""Limits of the classes of significance that companions are counted in."""

POSITION = 2.0
"""Error of a spot's place times its significance [px]."""

GRID = np.linspace(-2.25, 2.25, 9)
"""Offsets of a grain that are tried along each axis, in Gaussian σ of all grains."""

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
    crowd = _Crowd.of(places, score, area * omega.size)
    neighbours = [_Neighbour.of(crowd, each, scatter) for each in returns.values()]
    # What is doubted scores low; what it should look like elsewhere does not change.
    word, apart = _together(crowd, neighbours, scatter, significance)
    strange = [each.elsewhere(crowd, omega.size) for each in neighbours]
    by_chance, _ = _together(crowd, strange, scatter, significance)

    def alarms(level: float) -> float:
        return omega.size * expected_false_alarms(level, area, shapes)

    confirmed = np.count_nonzero(apart > CONFIRMS, axis=0)
    return Judged(_as_significance(score, word, by_chance, alarms), confirmed, word)


@dataclass(frozen=True)
class _Crowd:
    """All candidates of a scan, shape (N,), as companions of each other.

    Attributes
    ----------
    places, score
        Where they are, and what they are ranked by.
    tree
        Of their places.
    level
        Number of the class of each one's significance, and −1 for no candidate at
        all, shape (N + 1,).
    density
        Candidates of each class [1/px²].
    """

    places: Places
    score: Floats
    tree: cKDTree
    level: Indices
    density: Floats

    @classmethod
    def of(cls, places: Places, score: Floats, area: float) -> _Crowd:
        """Count them on the area of all projections [px²]."""
        level = np.searchsorted(LEVELS, score, "right")
        count = np.bincount(level, minlength=LEVELS.size + 1)
        density = np.maximum(count, 0.5) / area
        tree = cKDTree(places.points())
        return cls(places, score, tree, np.append(level, -1), density)

    def around(self, wanted: Places, visible: NDArray[np.bool_]) -> Indices:
        """Candidates around some places, shape (N, `NEAREST`); N for none."""
        found = np.full((visible.size, NEAREST), self.score.size, np.intp)
        points = wanted.only(visible).points()
        found[visible] = self.tree.query(
            points, k=NEAREST, distance_upper_bound=WIDEST
        )[1]
        return found

    def likelihoods(self) -> Floats:
        """Probability of each class for companions of all spots and brightnesses.

        Shape (`OWN`, classes + 1, `PARTS`): the last class is for those too faint to
        be candidates.
        """
        faintest = self.score.min()
        edges = np.append(np.concatenate([[faintest], LEVELS]).clip(faintest), np.inf)
        expected = OWN[:, None, None] * PARTS
        below = stats.norm.cdf(edges[:, None] - expected)
        return np.concatenate([np.diff(below, axis=1), below[:, :1]], axis=1)


def _row_of(significance: Floats) -> Indices:
    """Where in `OWN` spots of some significance are."""
    at = np.interp(np.log(significance.clip(1)), np.log(OWN), np.arange(OWN.size))
    return np.asarray(np.rint(at), np.intp)


@dataclass(frozen=True)
class _Neighbour:
    """What may be companions in one neighbour.

    Attributes
    ----------
    expected
        Where the candidates should be.
    found
        Candidates around there, shape (N, `NEAREST`).
    kind
        Number of the class of each one's change of energy, shape (N,).
    known
        Which classes it is known of how bright companions are.
    ratios
        How much likelier a candidate is as a companion than by chance, less its place
        [px²], for each kind, significance of the spot and class of the candidate;
        the last is the probability that there is none.
    """

    expected: Return
    found: Indices
    kind: Indices
    known: NDArray[np.bool_]
    ratios: Floats

    @classmethod
    def of(cls, crowd: _Crowd, expected: Return, scatter: Scatter) -> _Neighbour:
        """Count how bright the companions of bright spots are."""
        found = crowd.around(expected.there, expected.visible)
        bright = expected.visible & (crowd.score > BRIGHT)
        classes = int(np.clip(np.count_nonzero(bright) // CLASS, 1, CLASSES))
        kind = np.zeros(bright.size, np.intp)
        if classes > 1:
            within = np.arange(1, classes) / classes
            limits = np.quantile(expected.energy[bright], within)
            kind = np.searchsorted(limits, expected.energy)
        likelihoods = crowd.likelihoods()
        known = np.zeros(classes, np.bool_)
        ratios = np.ones((classes, *likelihoods.shape[:2]))
        for number in range(classes):
            these = np.flatnonzero(bright & (kind == number))
            known[number] = these.size >= FEWEST
            if known[number]:
                parts = _brightness(crowd, expected, found, these, scatter, likelihoods)
                ratios[number] = likelihoods @ parts
                ratios[number, :, :-1] /= crowd.density
        return cls(expected, found, kind, known, ratios)

    def elsewhere(self, crowd: _Crowd, count: int) -> _Neighbour:
        """The same places in projections that have nothing to do with them."""
        there = self.expected.there.with_strangers(count)
        expected = Return(
            there, self.expected.visible, self.expected.slope, self.expected.energy
        )
        found = crowd.around(there, expected.visible)
        return _Neighbour(expected, found, self.kind, self.known, self.ratios)

    def log_ratios(
        self, crowd: _Crowd, these: Indices, own: Floats, scatter: Scatter
    ) -> Floats:
        """What it says of some candidates for each offset of their grain.

        Parameters
        ----------
        crowd
            All candidates.
        these
            Those asked about, shape (n,).
        own
            Their significance, shape (n,).
        scatter
            How far from their expected places spots come back.

        Returns
        -------
        log_ratio
            Shape (n, offsets).
        """
        down, across = _offsets(scatter)
        slope, found = self.expected.slope[these], self.found[these]
        shift = [s[:, :1] * down + s[:, 1:] * across for s in slope.transpose(1, 0, 2)]
        row, column = distances(crowd.places, self.expected.there.only(these), found)
        # An offset stands for all those around it.
        step = scatter.offset * (GRID[1] - GRID[0])
        error = scatter.blur**2 + step**2 / 24 * (slope**2).sum((1, 2))
        error += (POSITION / own.clip(1)) ** 2
        width = (
            error[:, None] + (POSITION / np.append(crowd.score, 1)[found].clip(1)) ** 2
        )
        ratio = self.ratios[self.kind[these], _row_of(own)]
        weight = np.take_along_axis(ratio, crowd.level[found], axis=1)
        weight /= 2 * np.pi * width
        total = np.repeat(ratio[:, -1:], down.size, axis=1)
        for k in range(NEAREST):
            at = np.flatnonzero(found[:, k] < crowd.score.size)
            away = (row[at, k, None] - shift[0][at]) ** 2
            away += (column[at, k, None] - shift[1][at]) ** 2
            near = np.exp(-away / (2 * width[at, k, None]))
            total[at] += weight[at, k, None] * near
        silent = ~(self.expected.visible & self.known[self.kind])[these]
        total[silent] = 1
        return np.log(np.maximum(total, 1e-6))


def _brightness(
    crowd: _Crowd,
    expected: Return,
    found: Indices,
    these: Indices,
    scatter: Scatter,
    likelihoods: Floats,
) -> Floats:
    """How often companions of bright spots are some part as bright, shape (`PARTS`,).

    Expectation maximisation over which of the candidates around is the companion, if
    any, and how bright it is without its noise.

    Parameters
    ----------
    crowd
        All candidates.
    expected, found
        As in `_Neighbour`.
    these
        The bright spots, shape (n,).
    scatter
        How far from their expected places spots come back.
    likelihoods
        As `_Crowd` gives them.
    """
    around, there = found[these], expected.there.only(these)
    near = scatter.density(
        *distances(crowd.places, there, around), expected.slope[these]
    )
    level, own = crowd.level[around], _row_of(crowd.score[these])
    near = np.where(level < 0, 0, near / crowd.density[level])
    each = likelihoods[own, -1] + np.einsum(
        "nk,nkp->np", near, likelihoods[own[:, None], level]
    )
    parts = np.full(PARTS.size, 1 / PARTS.size)
    for _ in range(30):
        shares = each * parts
        shares /= shares.sum(axis=1, keepdims=True)
        # A tenth of a spot more for each keeps all of them possible.
        parts = shares.sum(axis=0) + 0.1
        parts /= parts.sum()
    return parts


def _offsets(scatter: Scatter) -> tuple[Floats, Floats]:
    """Offsets of grains that are tried, shape (offsets,) each [px]."""
    down, across = np.meshgrid(GRID, GRID, indexing="ij")
    return down.ravel() * scatter.offset, across.ravel() * scatter.offset


def _together(
    crowd: _Crowd,
    neighbours: list[_Neighbour],
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
