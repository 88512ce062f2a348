"""The noise of a pixel, estimated from what is left above the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 24
"""Number of background levels at which the noise is measured."""

BLOCK = 64
"""Side of the blocks in which noise beyond the level's is looked for [px]."""

QUANTUM = 0.2887
"""Noise of rounding to integers, 1/√12 [grey values]."""


def noise_map(
    residual: NDArray[np.float32], background: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Standard deviation of the noise in every pixel.

    Photon noise grows with the background's level, but makers average and
    re-quantise, so no gain is assumed: the spread of the residual is measured at
    `LEVELS` levels of the background, and blocks that are noisier or quieter
    than their level's value correct it.

    Parameters
    ----------
    residual
        Frame minus background, shape (rows, columns), grey values. Spots may be
        in it: the spread is a robust one.
    background
        Expected grey values without spots, shape (rows, columns).

    Returns
    -------
    sigma
        Shape (rows, columns), grey values, positive.
    """
    # Differences of neighbours hold no background error, only noise. Spots and
    # edges are outliers of them, which the median of magnitudes ignores.
    difference = np.abs(residual[:, 1:] - residual[:, :-1])
    difference = np.pad(difference, ((0, 0), (0, 1)), mode="edge")
    scale = np.float32(1.4826 / np.sqrt(2))
    edges = np.unique(np.quantile(background[::3, ::3], np.linspace(0, 1, LEVELS + 1)))
    if edges.size < 2:
        sigma = np.full(residual.shape, _spread(difference) * scale, np.float32)
    else:
        which = np.clip(
            np.searchsorted(edges, background[::2, ::2]) - 1, 0, edges.size - 2
        )
        at = [difference[::2, ::2][which == level] for level in range(edges.size - 1)]
        values = np.array([_spread(part) if part.size > 200 else np.nan for part in at])
        middle = (edges[1:] + edges[:-1]) / 2
        known = np.isfinite(values)
        if not known.any():
            middle, values = middle[:1], np.array([_spread(difference)])
        else:
            middle, values = middle[known], values[known]
        values = _smooth(np.maximum(values, 1e-6)) * scale
        sigma = np.interp(background, middle, values).astype(np.float32)
        # Beyond the brightest level measured, photon noise is the safe guess.
        above = background > max(middle[-1], 1e-6)
        sigma[above] *= np.sqrt(background[above] / max(middle[-1], 1e-6))
    smallest = QUANTUM if _is_integer(residual, background) else 0.0
    # A frame without any noise (a simulated one) still needs a unit.
    smallest = max(smallest, 1e-5 * float(np.abs(residual).max()), 1e-12)
    sigma = np.maximum(sigma, smallest)
    sigma *= _block_correction(difference * scale / sigma)
    return np.asarray(np.maximum(sigma, smallest), np.float32)


def _spread(magnitudes: NDArray[np.float32]) -> float:
    """Median of magnitudes, or what stands for it where the median sticks.

    Coarse integers and frames of a few photons have many equal neighbours, whose
    difference is 0. The upper quantile then tells more; for Gaussian noise it
    stays below the median (0.33 × 1.44 σ against 0.67 σ).
    """
    median, high = np.quantile(magnitudes, [0.5, 0.85])
    if median < 3:
        clipped = magnitudes[magnitudes <= max(3.5 * median, 3.0)]
        # For Gaussian noise mean / median of magnitudes is 1.183.
        median = max(median, float(clipped.mean()) / 1.183)
    return max(float(median), 0.33 * float(high))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A light three-point average in logarithm, ends kept."""
    return np.exp(ndimage.convolve1d(np.log(values), [0.25, 0.5, 0.25], mode="nearest"))


def _is_integer(residual: NDArray[np.float32], background: NDArray[np.float32]) -> bool:
    """Whether the frame under the residual has integer grey values."""
    frame = residual[::7, ::7] + background[::7, ::7]
    return bool(np.all(np.abs(frame - np.round(frame)) < 1e-2))


def _block_correction(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth factor by which blocks are noisier than their level says."""
    rows, columns = units.shape
    down, across = rows // BLOCK, columns // BLOCK
    if down < 2 or across < 2:
        return np.ones_like(units)
    part = units[: down * BLOCK, : across * BLOCK]
    blocks = part.reshape(down, BLOCK, across, BLOCK).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(down, across, -1)[:, :, ::4]
    factor = np.median(blocks, -1)
    factor[factor < 0.1] = 1  # neighbours too often equal for a median
    factor = np.clip(ndimage.median_filter(factor, 3, mode="nearest"), 0.5, 2.0)
    grid = np.meshgrid(
        (np.arange(rows) + 0.5) / BLOCK - 0.5,
        (np.arange(columns) + 0.5) / BLOCK - 0.5,
        indexing="ij",
        copy=False,
        sparse=False,
    )
    return np.asarray(
        ndimage.map_coordinates(factor, grid, order=1, mode="nearest"), np.float32
    )
