"""What the network sees of a frame, and how its answer becomes grey values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_labdct.calibration import without_zingers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.calibration import FrameStatistics

SCALES = (1.3, 2.4, 4.5)
"""Widths of the matched filters, Gaussian σ [px]."""

CHANNELS = (
    "signal",
    "static",
    "scan",
    "cos2phi",
    "sin2phi",
    *(f"matched{scale:g}" for scale in SCALES),
)
"""Input channels of the default network, in order.

`signal`
    asinh of the frame above its background, in units of noise. The arcsinh is
    linear up to the noise and logarithmic for bright spots, so that one network
    sees spots of 1 σ and of 1000 σ; it is undone exactly.
`static`
    asinh of the scan's static pattern in units of noise, 0 where it is unknown.
`scan`
    1 when the scan's median is known, else 0.
`cos2phi`, `sin2phi`
    Direction towards the beam centre: static streaks are radial.
`matched…`
    arcsinh of the response of Gaussian matched filters to the signal without
    zingers, in units of its noise. A filter over a dozen pixels is what finds the
    weakest spots; convolutions of 3 × 3 learn it only slowly.
"""


def network_input(
    frame: NDArray[np.float32],
    statistics: FrameStatistics,
    row: NDArray[np.float32],
    column: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Input of the default network.

    Parameters
    ----------
    frame
        Grey values, shape (rows, columns).
    statistics
        Background and noise of the frame.
    row, column
        Pixel coordinates relative to the beam centre, shapes (rows, 1) and
        (1, columns) [px].

    Returns
    -------
    channels
        Shape (8, rows, columns), see `CHANNELS`.
    """
    out = np.zeros((len(CHANNELS), *frame.shape), np.float32)
    units = (frame - statistics.background) / statistics.sigma
    np.arcsinh(units, out=out[0])
    if statistics.static is not None:
        np.arcsinh(statistics.static / statistics.sigma, out=out[1])
        out[2] = 1
    square = row**2 + column**2 + 1
    out[3] = (column**2 - row**2) / square
    out[4] = 2 * row * column / square
    calm = without_zingers(units)
    for channel, scale in zip(out[5:], SCALES, strict=True):
        # White noise of unit variance keeps it: Σ w² = 1/(4πσ²) for unit weight.
        response = ndimage.gaussian_filter(calm, scale, mode="nearest", truncate=3.0)
        np.arcsinh(response * np.float32(2 * np.sqrt(np.pi) * scale), out=channel)
    return out


def to_grey_values(
    prediction: NDArray[np.float32], sigma: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Undo the arcsinh and the units of noise; what is below zero becomes zero."""
    return np.asarray(np.sinh(np.maximum(prediction, 0)) * sigma, np.float32)
