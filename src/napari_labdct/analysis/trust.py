"""The noise that a spot's significance is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.calibration import FrameStatistics

SMOOTH = 1.5
"""Gaussian σ over which the noise of neighbouring pixels is averaged [px]."""

FLICKER = 1.25
"""Excess over the neighbours' noise that is a pixel's own."""

EDGE = 10.0
"""How far the background of a single frame may be off its place [px]."""

REACH = 20
"""Distance from an edge within which its background is in doubt [px]."""


def judging_sigma(known: FrameStatistics) -> NDArray[np.float32]:
    """Noise that false alarms are counted with, shape (rows, columns).

    A frame's background comes from medians that themselves scatter, and the noise
    at its level follows them up and down: a pixel that happens to be high would
    be judged by a smaller noise than one that happens to be low. Hence the noise is
    averaged over neighbours, except where one truly is noisier than they.

    In a frame whose scan is not known, the background bends round the edges of a
    beam stop's shadow and leaves bright rims. There its slope times `EDGE` counts
    as noise.

    Parameters
    ----------
    known
        Background and noise of the frame.
    """
    calm = ndimage.gaussian_filter(known.sigma, SMOOTH, mode="nearest", truncate=2)
    sigma = np.where(known.sigma > FLICKER * calm, known.sigma, calm)
    if known.static is not None:
        return np.asarray(sigma, np.float32)
    down, across = np.gradient(known.background)
    slope = ndimage.maximum_filter(np.hypot(down, across), 2 * REACH + 1)
    slope = ndimage.gaussian_filter(slope, REACH / 3, truncate=2)
    return np.asarray(np.hypot(sigma, EDGE * slope), np.float32)
