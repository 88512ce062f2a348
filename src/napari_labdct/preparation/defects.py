"""Pixels that do not work: found, and filled from their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def find_defects(
    frames: Iterable[NDArray[np.float32]], threshold: float = 8.0
) -> NDArray[np.bool_]:
    """Pixels that stand out from their neighbours in most frames of a scan.

    Spots move while the sample turns and defects do not: a pixel is one when the
    median over the frames differs from the median of the 5 × 5 pixels around it by
    more than `threshold` times the typical difference, and so do its values from
    those of all but two neighbours: corners of the beam stop are no defects, and
    neither are clusters of more than three pixels, which a map has to tell.

    Parameters
    ----------
    frames
        Frames of one scan, spread over it, each of shape (rows, columns); 5 to 15
        of them are enough.
    threshold
        Robust standard deviations (1.4826 times the median absolute deviation).

    Returns
    -------
    defects
        Shape (rows, columns).
    """
    still = np.median(np.stack(list(frames)), axis=0)
    off = still - ndimage.median_filter(still, 5)
    # Brighter pixels scatter more: each is measured against its own surroundings.
    spread = 1.4826 * ndimage.median_filter(np.abs(off), 31, mode="nearest")
    floor = 1.4826 * float(np.median(np.abs(off)))
    limit = threshold * np.maximum(spread, max(floor, 1e-6))
    found: NDArray[np.bool_] = np.minimum(np.abs(off), _lonely(still)) > limit
    return found


def _lonely(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Difference from the third most similar of eight neighbours."""
    around = np.pad(image, 1, mode="reflect")
    rows, columns = image.shape
    off = [
        np.abs(image - around[row : row + rows, column : column + columns])
        for row in range(3)
        for column in range(3)
        if (row, column) != (1, 1)
    ]
    third: NDArray[np.float32] = np.partition(off, 2, axis=0)[2]
    return third


@dataclass(frozen=True)
class DefectFiller:
    """Fills defect pixels with the mean of the nearest pixels that work.

    Attributes
    ----------
    places
        Flat indices of the defects, shape (n,).
    weights
        Share of each pixel in each filling, sparse, shape (n, rows · columns).
    """

    places: NDArray[np.int64]
    weights: sparse.csr_array

    @classmethod
    def of(cls, defects: NDArray[np.bool_]) -> DefectFiller:
        """Work out who fills whom.

        Parameters
        ----------
        defects
            Pixels that do not work, shape (rows, columns). Each is filled from the
            smallest square around it that holds three pixels that do.

        Raises
        ------
        InputError
            If more than half of the pixels are defect.
        """
        if defects.mean() > 0.5:
            raise InputError(
                f"{defects.mean():.0%} of the pixels are called defect: give a map "
                "that is 0 where pixels work."
            )
        rows, columns = defects.shape
        places = np.argwhere(defects)
        row_of, column_of, shares = [], [], []
        for number, (row, column) in enumerate(places.tolist()):
            reach = 1
            while True:
                top, left = max(0, row - reach), max(0, column - reach)
                window = ~defects[top : row + reach + 1, left : column + reach + 1]
                if window.sum() >= 3 or reach > max(rows, columns):
                    break
                reach += 1
            good = np.argwhere(window) + np.array([top, left])
            row_of += [number] * len(good)
            column_of += (good[:, 0] * columns + good[:, 1]).tolist()
            shares += [1 / len(good)] * len(good)
        shape = (len(places), rows * columns)
        weights = sparse.csr_array((shares, (row_of, column_of)), shape=shape)
        return cls(np.flatnonzero(defects), weights)

    def fill(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frame with its defects filled, shape (rows, columns)."""
        filled = frame.astype(np.float32, copy=True)
        filled.reshape(-1)[self.places] = self.weights @ frame.reshape(-1)
        return filled
