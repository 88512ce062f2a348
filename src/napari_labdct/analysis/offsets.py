"""Grains beside the rotation axis, and where their spots come back.

`Motion` tells where the lattice planes of a grain on the axis reflect to. A grain
beside it is met by another ray of the beam, which ends beside the centre of the
detector, nearly at the same place in all projections close by. So its spots come back
off their place, in each of these projections by the same offset times a known slope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_labdct.analysis.motion import BRIGHT, MOST, SEEN, next_projections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.analysis.motion import Motion, Places

    Floats = NDArray[np.float64]

WIDEST = 24.0
"""Largest distance from the place where a spot is expected [px]."""

OFFSETS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""Offsets of grains to try, Gaussian σ [px]."""

BLURS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
"""Errors of places to try, Gaussian σ [px]."""

BACK = 0.7
"""Share of the bright spots taken to come back while offsets are fitted."""


@dataclass(frozen=True)
class Return:
    """Where candidates are in another projection if their grain is on the axis.

    Attributes
    ----------
    there
        The places.
    visible
        Whether they reflect onto the detector there, shape (N,).
    slope
        How far they move, per pixel by which the ray through the grain ends below and
        right of the centre, shape (N, 2, 2): of row and column, by row and column.
    energy
        Logarithm of the photons' energy there over that here, shape (N,).
    """

    there: Places
    visible: NDArray[np.bool_]
    slope: Floats
    energy: Floats


def return_of(places: Places, motion: Motion, step: int) -> Return:
    """Where candidates are expected `step` projections further.

    Parameters
    ----------
    places
        Candidates of a scan.
    motion
        How spots move.
    step
        Counted by angle.
    """
    turned = next_projections(motion.omega, step)
    there, visible = places.after(motion, turned)
    slope = np.zeros((places.row.size, 2, 2))
    for axis, name in enumerate(("centre_row", "centre_column")):
        ahead, behind = (
            places.after(
                replace(motion, **{name: getattr(motion, name) + shift}), turned
            )[0]
            for shift in (0.5, -0.5)
        )
        slope[:, 0, axis] = ahead.row - behind.row
        slope[:, 1, axis] = ahead.column - behind.column
    # Bragg: energy times sin θ is the same for the same lattice planes.
    energy = np.log(_sine(places, motion) / _sine(there, motion))
    return Return(there, visible, slope, energy)


def _sine(places: Places, motion: Motion) -> Floats:
    """Sine of the Bragg angle, shape (N,)."""
    radius = np.hypot(
        places.row - motion.centre_row, places.column - motion.centre_column
    )
    angle = np.arctan2(radius, motion.distance) / 2
    return np.asarray(np.maximum(np.sin(angle), 1e-4), np.float64)


@dataclass(frozen=True)
class Scatter:
    """How far from their expected places spots come back.

    Attributes
    ----------
    offset
        Gaussian σ, along each axis, of where rays through grains end beside the
        centre [px].
    blur
        Gaussian σ of what is left, for bright spots [px].
    """

    offset: float
    blur: float

    def density(self, row: Floats, column: Floats, slope: Floats) -> Floats:
        """Probability density of coming back at some distances [1/px²].

        Parameters
        ----------
        row, column
            Distances from the expected places, shape (N, K) [px].
        slope
            As in `Return`, shape (N, 2, 2).
        """
        wide = self.offset**2 * slope @ slope.transpose(0, 2, 1)
        rr, cc = (self.blur**2 + wide[:, i, i][:, None] for i in (0, 1))
        rc = wide[:, 0, 1][:, None]
        area = rr * cc - rc**2
        away = (cc * row**2 - 2 * rc * row * column + rr * column**2) / area
        return np.asarray(np.exp(-away / 2) / (2 * np.pi * np.sqrt(area)), np.float64)


def fit_scatter(
    places: Places, score: Floats, next_to: Sequence[Return], density: float
) -> Scatter:
    """The scatter at which bright spots come back most likely.

    Parameters
    ----------
    places, score
        Candidates of a scan.
    next_to
        Where they are expected in the projections right before and after.
    density
        Candidates that are seen again by chance [1/px²].
    """
    seen = places.only(score > SEEN)
    tree = cKDTree(seen.points())
    pairs = []
    for each in next_to:
        bright = np.flatnonzero(each.visible & (score > BRIGHT))
        bright = bright[:: max(1, -(-bright.size // MOST))]
        there = each.there.only(bright)
        found = tree.query(there.points(), k=4, distance_upper_bound=WIDEST)[1]
        row, column = distances(seen, there, np.asarray(found, np.intp))
        pairs.append((row, column, each.slope[bright]))

    def log_likelihood(scatter: Scatter) -> float:
        total = 0.0
        for row, column, slope in pairs:
            near = scatter.density(row, column, slope).sum(axis=1)
            total += float(np.log1p(BACK * (near / density - 1)).sum())
        return total

    tried = [Scatter(*each) for each in product(OFFSETS, BLURS)]
    return max(tried, key=log_likelihood)


def distances(
    of: Places, wanted: Places, which: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """How far candidates are from wanted places, shape (N, K) each [px].

    Parameters
    ----------
    of
        The candidates.
    wanted
        The places, N of them.
    which
        K candidates for each place, shape (N, K); the number of all for none,
        which is very far off.
    """
    row, column = (
        np.append(at, 1e6)[which] - there[:, None]
        for at, there in ((of.row, wanted.row), (of.column, wanted.column))
    )
    return row, column
