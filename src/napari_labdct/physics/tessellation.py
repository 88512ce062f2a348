"""Grains with asked-for volumes: Laguerre (power) tessellations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDS, _CENTRING = 30, 12


@dataclass(frozen=True)
class Laguerre:
    """A Laguerre tessellation: a point belongs to the seed of least |x − s|² − w.

    Attributes
    ----------
    seed
        Seeds s, shape (G, 3) [mm].
    weight
        Weights w, shape (G,) [mm²]; equal weights make a Voronoi tessellation.
    """

    seed: NDArray[np.float64]
    weight: NDArray[np.float64]

    def grain_of(self, point: NDArray[np.float64]) -> NDArray[np.int64]:
        """Number of the grain each point (N, 3) belongs to, shape (N,)."""
        # with a fourth coordinate √(max w − w) the power distance is an ordinary one
        lift = np.sqrt(self.weight.max() - self.weight)
        tree = cKDTree(np.column_stack([self.seed, lift]))
        flat = np.column_stack([point, np.zeros(len(point))])
        return np.asarray(tree.query(flat)[1], np.int64)


def fit_laguerre(
    point: NDArray[np.float64],
    volume: NDArray[np.float64],
    rng: np.random.Generator,
) -> Laguerre:
    """Find seeds and weights whose cells have given volumes.

    Parameters
    ----------
    point
        Points that fill the sample evenly, shape (N, 3) [mm].
    volume
        Wanted share of the sample for each grain, shape (G,), sum 1.
    rng
        Random numbers for the first seeds.

    Notes
    -----
    A round moves each weight by (wanted − present volume) / (π r), the slope of a
    round cell's volume with its weight; the first rounds also move each seed to
    the middle of its cell, which makes grains equiaxed (Lloyd 1982).
    """
    count, cell = len(volume), float(np.prod(np.ptp(point, axis=0)))
    seed = point[rng.choice(len(point), count, replace=len(point) < count)]
    spread = (cell / count) ** (1 / 3)
    seed = seed + rng.uniform(-0.01, 0.01, seed.shape) * spread
    occupied = cell * np.pi / 4 / len(point)  # scale of the slope only
    radius = np.cbrt(volume * occupied * len(point) * 3 / (4 * np.pi))
    best = Laguerre(seed, radius**2)
    present = best
    best_misfit = np.inf
    for turn in range(_ROUNDS):
        owner = present.grain_of(point)
        number = np.bincount(owner, minlength=count)
        difference = volume - number / len(point)
        misfit = float(np.abs(difference).max())
        if turn >= _CENTRING and misfit < best_misfit:
            best, best_misfit = present, misfit
        seed = present.seed
        if turn < _CENTRING:
            total = np.stack(
                [np.bincount(owner, point[:, a], count) for a in range(3)], axis=1
            )
            filled = number > 0
            middle = total[filled] / number[filled, None]
            seed = seed.copy()
            seed[filled] = middle
        step = difference * occupied * len(point) / (np.pi * radius)
        present = Laguerre(seed, present.weight + 0.6 * step)
    return best
