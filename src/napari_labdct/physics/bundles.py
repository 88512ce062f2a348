"""Rays of a projection, as they pass from casting to painting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Bundle:
    """Rays of some spots, one spot a row.

    Rows are as long as the grain of most elements needs; the rest of a row repeats an
    element, without photons.

    Attributes
    ----------
    row, column
        Where each ray meets the detector, shape (spots, rays) [px].
    photons
        Photons of each ray, shape (spots, rays).
    """

    row: torch.Tensor
    column: torch.Tensor
    photons: torch.Tensor

    def only(self, kept: NDArray[np.int64]) -> Bundle:
        """The bundle of some of its spots alone."""
        row = self.row.new_tensor(kept).long()
        every = (self.row, self.column, self.photons)
        return Bundle(*(rays.index_select(0, row) for rays in every))


@dataclass(frozen=True)
class Rays:
    """Rays of one projection.

    Attributes
    ----------
    grain, direction
        Grain and reflecting direction of each spot, shape (S,).
    bundles
        The rays, spot after spot; a bundle is small enough for a processor's cache.
    box
        Least and greatest row and column of a spot's rays, shape (4, S) [px].
    alive
        Whether a spot has a ray of a useful energy on the detector, shape (S,).
    energy
        Lowest and highest E₁ of those rays, shape (2, S) [keV].
    photons
        Photons of each spot, shape (S,).
    middle
        E₁ [keV], sin θ, η [rad] at the grain's centre, shape (3, S).
    slope
        How (row, column) change along the sample's x, y, z, shape (S, 2, 3)
        [px mm⁻¹].
    """

    grain: NDArray[np.int64]
    direction: NDArray[np.int64]
    bundles: list[Bundle]
    box: NDArray[np.float64]
    alive: NDArray[np.bool_]
    energy: NDArray[np.float64]
    photons: NDArray[np.float64]
    middle: NDArray[np.float64]
    slope: NDArray[np.float64]

    def only(self, kept: NDArray[np.bool_]) -> Rays:
        """The rays of some of the spots alone, `kept` has shape (S,)."""
        ends = np.cumsum([len(bundle.row) for bundle in self.bundles])
        own = [np.flatnonzero(part) for part in np.split(kept, ends[:-1])]
        return Rays(
            self.grain[kept],
            self.direction[kept],
            [
                bundle if len(one) == len(bundle.row) else bundle.only(one)
                for bundle, one in zip(self.bundles, own, strict=True)
                if len(one)
            ],
            self.box[:, kept],
            self.alive[kept],
            self.energy[:, kept],
            self.photons[kept],
            self.middle[:, kept],
            self.slope[kept],
        )
