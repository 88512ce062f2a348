"""Direct hits of the sensor: sharper than any point spread allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 6.0
"""Height above its surroundings that makes a pixel suspicious [σ]."""

SHARPNESS = 2 / 3
"""Height over the surroundings' own, above which a pixel is no spot. The centre of
a Gaussian spot of σ = 1 px stands 0.6 times its surroundings above them."""

BLOCK = 32
"""Side of the squares over which background and noise are taken as the same [px]."""

DENSE = 0.03
"""Share of suspicious pixels above which medians of all pixels are as quick."""


def without_zingers(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace single hot pixels by the median of their neighbours.

    Parameters
    ----------
    units
        Frame above background in units of noise, shape (rows, columns).

    Returns
    -------
    calm
        The same with isolated sharp pixels replaced.
    """
    # No pixel stands higher above the median around it than above the minimum,
    # which is quick to have: medians are needed near few pixels only.
    suspect = units - ndimage.minimum_filter(units, 3, mode="nearest") > LEAST
    if suspect.mean() > DENSE:
        return _everywhere(units)
    row, column = np.nonzero(suspect)
    near = _around(row, column)
    wanted = np.zeros((units.shape[0] + 2, units.shape[1] + 2), bool)
    wanted[near] = True
    middle = np.full(wanted.shape, -np.inf, np.float32)
    inner = wanted[1:-1, 1:-1]
    at = np.nonzero(inner)
    values = np.pad(units, 1, mode="edge")[_around(*at)]
    middle[1:-1, 1:-1][inner] = np.partition(values, 4, axis=0)[4]
    height = units[row, column] - middle[row + 1, column + 1]
    sharp = (height > LEAST) & (height > SHARPNESS * middle[near].max(0))
    calm = units.copy()
    calm[row[sharp], column[sharp]] = middle[row[sharp] + 1, column[sharp] + 1]
    return calm


def zingers_replaced(frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """A frame without direct hits, by a quick look at its background and noise.

    Parameters
    ----------
    frame
        Grey values, shape (rows, columns).

    Returns
    -------
    calm
        The same grey values with isolated sharp pixels replaced.
    """
    rows, columns = frame.shape
    padded = np.pad(frame, ((0, -rows % BLOCK), (0, -columns % BLOCK)), "reflect")
    blocks = padded.reshape(padded.shape[0] // BLOCK, BLOCK, -1, BLOCK)
    # Every fourth pixel tells enough of them.
    pixels = blocks[:, ::2, :, ::2].swapaxes(1, 2).reshape(*blocks.shape[::2], -1)
    middle = np.median(pixels, axis=2)
    spread = 1.4826 * np.median(np.abs(pixels - middle[..., None]), axis=2)
    # Where all pixels are alike, as in saturation, any step would be a hit.
    spread = np.maximum(spread, np.median(spread) / 10) + 1e-6
    level, noise = (
        part.astype(np.float32).repeat(BLOCK, 0).repeat(BLOCK, 1)[:rows, :columns]
        for part in (middle, spread)
    )
    units = np.asarray((frame - level) / noise, np.float32)
    calm = without_zingers(units)
    return np.asarray(np.where(calm == units, frame, calm * noise + level), np.float32)


def _everywhere(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same, with the median of every pixel's neighbours."""
    middle = ndimage.median_filter(units, 3, mode="nearest")
    height = units - middle
    around = ndimage.maximum_filter(middle, 3, mode="nearest")
    sharp = (height > LEAST) & (height > SHARPNESS * around)
    return np.asarray(np.where(sharp, middle, units), np.float32)


def _around(
    row: NDArray[np.intp], column: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The 3 × 3 pixels around each, in a frame with one more pixel on every side.

    Shape (9, N) each.
    """
    down, across = np.mgrid[0:3, 0:3].reshape(2, 9, 1)
    return row + down, column + across
