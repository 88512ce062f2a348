"""How spots move over the detector from one projection to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_labdct.core import Geometry

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

BRIGHT = 8.0
"""Significance from which a spot shows how spots move."""

SEEN = 5.0
"""Significance from which it counts as seen again."""

LEAST = 60
"""Bright spots that must stay on the detector for a fit."""

MOST = 4000
"""Bright spots that are enough for one."""

DISTANCES = np.geomspace(0.5, 8, 24)
"""Distances from sample to detector to try, in sides of the frame."""

STEPS = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 4.0, 6.0)
"""Steps between projections to try where nobody knows them [deg]."""

APART = 1e6
"""Distance between projections in a tree of all spots [px]: they never mix."""


@dataclass(frozen=True)
class Motion:
    """Where a reflection goes when the sample turns.

    For grains on the rotation axis: those beside it are off by a part of their
    offset, the smaller the less the sample turns.

    Attributes
    ----------
    centre_row, centre_column
        Where the beam axis meets the detector [px].
    distance
        From sample to detector [px].
    omega
        Rotation angle of every projection about +z, in the direction that the
        detector shows, shape (P,) [deg].
    """

    centre_row: float
    centre_column: float
    distance: float
    omega: Floats

    def moved(
        self, row: Floats, column: Floats, start: Indices, stop: Indices
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Where spots of some projections are in others.

        Parameters
        ----------
        row, column
            Spots, shape (N,) [px].
        start, stop
            The projections they are in, and those asked for, shape (N,).

        Returns
        -------
        row, column
            Where the same lattice planes reflect to, shape (N,) [px].
        reflects
            Whether they do, towards the detector, shape (N,).
        """
        ray = np.stack(
            [
                np.full(row.shape, self.distance),
                self.centre_column - column,
                self.centre_row - row,
            ]
        )
        ray /= np.linalg.norm(ray, axis=0)
        # Bragg: the lattice planes' normal halves the angle of the two beams.
        normal = ray - np.array([[1.0], [0.0], [0.0]])
        normal /= np.maximum(np.linalg.norm(normal, axis=0), 1e-12)
        turn = np.deg2rad(self.omega[stop] - self.omega[start])
        x = np.cos(turn) * normal[0] - np.sin(turn) * normal[1]
        y = np.sin(turn) * normal[0] + np.cos(turn) * normal[1]
        forward = 1 - 2 * x * x
        reflects = (x < 0) & (forward > 0.1)
        reach = -2 * x * self.distance / np.where(reflects, forward, 1)
        return (
            self.centre_row - reach * normal[2],
            self.centre_column - reach * y,
            reflects,
        )


@dataclass(frozen=True)
class Places:
    """Where spots are in a scan.

    Attributes
    ----------
    projection, row, column
        0-based index, and position [px], shape (N,) each.
    shape
        Rows and columns of the frames.
    """

    projection: Indices
    row: Floats
    column: Floats
    shape: tuple[int, int]

    def only(self, keep: NDArray[np.bool_] | Indices) -> Places:
        """Some of them."""
        return replace(
            self,
            projection=self.projection[keep],
            row=self.row[keep],
            column=self.column[keep],
        )

    def on_detector(self) -> NDArray[np.bool_]:
        """Whether they lie on the frame, shape (N,)."""
        rows, columns = self.shape
        return (
            (self.row >= 0)
            & (self.row <= rows - 1)
            & (self.column >= 0)
            & (self.column <= columns - 1)
        )

    def points(self) -> Floats:
        """As points in space, projections far apart, shape (N, 3)."""
        return np.stack([self.projection * APART, self.row, self.column], axis=1)

    def after(
        self, motion: Motion, turned: Indices
    ) -> tuple[Places, NDArray[np.bool_]]:
        """Where they are in other projections, and whether they are on the frame.

        Parameters
        ----------
        motion
            How they move.
        turned
            For each projection the one asked for, −1 for none, shape (P,).
        """
        other = turned[self.projection]
        row, column, reflects = motion.moved(
            self.row, self.column, self.projection, np.maximum(other, 0)
        )
        there = replace(self, projection=other, row=row, column=column)
        return there, reflects & (other >= 0) & there.on_detector()

    def with_strangers(self, count: int) -> Places:
        """The same places in projections that have nothing to do with them.

        Parameters
        ----------
        count
            Number of all projections.
        """
        other = (self.projection + max(3, count // 3)) % count
        return replace(self, projection=other)


def next_projections(omega: Floats, step: int) -> Indices:
    """For each projection the one that is `step` further in angle, −1 for none."""
    order = np.argsort(omega, kind="stable")
    found = np.full(omega.size, -1, np.intp)
    if 0 < abs(step) < omega.size:
        ahead = order[step:] if step > 0 else order[:step]
        found[order[:-step] if step > 0 else order[-step:]] = ahead
    return found


def fit_motion(
    places: Places,
    score: Floats,
    omega: Floats,
    geometry: Geometry | None = None,
) -> Motion | None:
    """How spots move, from the bright ones alone.

    Tries distances, both senses of rotation and, where the angles are unknown, their
    step; then fits distance and centre so that as many bright spots as possible are
    seen again in the next projection.

    Parameters
    ----------
    places, score
        Spots of a scan, and their significance, shape (N,).
    omega
        Rotation angles, shape (P,) [deg]; NaN where unknown.
    geometry
        Where to begin, if known.

    Returns
    -------
    motion
        None where spots are not seen again more often than by chance: too few of
        them, too far apart in angle, or a sample too large.
    """
    trial = _Trial.of(places, score)
    if trial is None:
        return None
    starts = _starts(places.shape, omega, geometry)
    rough = max(starts, key=lambda motion: trial.seen(motion, 6.0))
    scale = np.array([5.0, 5.0, 0.05])

    def at(shift: Floats) -> Motion:
        row, column, stretch = shift * scale
        return replace(
            rough,
            centre_row=rough.centre_row + row,
            centre_column=rough.centre_column + column,
            distance=rough.distance * float(np.exp(stretch)),
        )

    def unseen(shift: Floats) -> float:
        return -trial.seen(at(shift), 4.0)

    best = optimize.fmin(
        unseen,
        np.zeros(3),
        initial_simplex=np.vstack([np.zeros(3), np.eye(3)]),
        xtol=0.01,
        ftol=1e-4,
        disp=False,
    )
    motion = at(np.asarray(best))
    excess = trial.seen(motion, 4.0) - trial.seen(motion, 4.0, wrong=True)
    return motion if excess > 0.1 else None


def _starts(
    shape: tuple[int, int], omega: Floats, geometry: Geometry | None
) -> Iterator[Motion]:
    """Motions to try, coarse in distance."""
    turns: list[Floats] = [omega]
    if not np.isfinite(omega).all() or np.ptp(omega) == 0:
        turns = [step * np.arange(omega.size, dtype=np.float64) for step in STEPS]
    rows, columns = shape
    middle = ((rows - 1) / 2, (columns - 1) / 2)
    places = [(middle, float(distance)) for distance in DISTANCES * max(shape)]
    if geometry is not None and geometry.detector.shape == shape:
        pixel = geometry.detector.pixel_size / 1000
        told = geometry.sample_to_detector / pixel
        places = [(geometry.detector.centre, told), *places]
    for turn, (centre, distance), sense in product(turns, places, (1, -1)):
        yield Motion(centre[0], centre[1], distance, sense * turn)


@dataclass(frozen=True)
class _Trial:
    """Bright spots, and a tree of those they may be seen again as."""

    bright: Places
    tree: cKDTree

    @classmethod
    def of(cls, places: Places, score: Floats) -> _Trial | None:
        """None with too few spots."""
        bright = np.flatnonzero(score > BRIGHT)
        if bright.size < LEAST:
            return None
        chosen = bright[:: -(-bright.size // MOST)]
        tree = cKDTree(places.only(score > SEEN).points())
        return cls(places.only(chosen), tree)

    def seen(self, motion: Motion, width: float, *, wrong: bool = False) -> float:
        """Share of the spots that are seen again, those further off counting less.

        Parameters
        ----------
        motion
            How spots move.
        width
            Distance at which one counts 0.6 [px].
        wrong
            Look in the wrong projection, for what chance alone gives.
        """
        there, visible = self.bright.after(motion, next_projections(motion.omega, 1))
        if np.count_nonzero(visible) < LEAST:
            return 0.0
        there = there.only(visible)
        if wrong:
            there = there.with_strangers(motion.omega.size)
        away, _ = self.tree.query(there.points(), distance_upper_bound=3 * width)
        return float(np.exp(-0.5 * (away / width) ** 2).mean())
