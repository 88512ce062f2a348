"""What neighbouring projections show where a spot should be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

from napari_labdct.analysis.motion import BRIGHT
from napari_labdct.analysis.offsets import WIDEST, distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.analysis.motion import Places
    from napari_labdct.analysis.offsets import Return, Scatter

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

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


@dataclass(frozen=True)
class Crowd:
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
    def of(cls, places: Places, score: Floats, area: float) -> Crowd:
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
class Neighbour:
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
    def of(cls, crowd: Crowd, expected: Return, scatter: Scatter) -> Neighbour:
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
                parts = brightness(crowd, expected, found, these, scatter, likelihoods)
                ratios[number] = likelihoods @ parts
                ratios[number, :, :-1] /= crowd.density
        return cls(expected, found, kind, known, ratios)

    def elsewhere(self, crowd: Crowd, count: int) -> Neighbour:
        """The same places in projections that have nothing to do with them."""
        there = self.expected.there.with_strangers(count)
        found = crowd.around(there, self.expected.visible)
        return replace(self, expected=replace(self.expected, there=there), found=found)

    def log_ratios(
        self, crowd: Crowd, these: Indices, own: Floats, scatter: Scatter
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
        down, across = offsets_tried(scatter)
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


def brightness(
    crowd: Crowd,
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
        As in `Neighbour`.
    these
        The bright spots, shape (n,).
    scatter
        How far from their expected places spots come back.
    likelihoods
        As `Crowd` gives them.
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


def offsets_tried(scatter: Scatter) -> tuple[Floats, Floats]:
    """Offsets of grains that are tried, shape (offsets,) each [px]."""
    down, across = np.meshgrid(GRID, GRID, indexing="ij")
    return down.ravel() * scatter.offset, across.ravel() * scatter.offset
