"""The smooth part of a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray


def smooth_background(
    frame: NDArray[np.float32], window: int = 78, bin_size: int = 6
) -> NDArray[np.float32]:
    """Background of a frame without its spots: a wide median.

    A median keeps the straight edges of a beam stop's shadow, where an average
    or a polynomial would smear them. It runs on means of `bin_size` × `bin_size`
    pixels, which costs a few pixels of sharpness and saves most of the time.

    Parameters
    ----------
    frame
        Grey values, shape (rows, columns).
    window
        Side of the median window [px]; spots up to about half of it wide leave
        the background alone.
    bin_size
        Side of the bins [px].

    Returns
    -------
    background
        Shape (rows, columns), grey values.
    """
    rows, columns = frame.shape
    size = max(1, min(bin_size, rows // 8, columns // 8))
    padded = np.pad(frame, ((0, -rows % size), (0, -columns % size)), mode="edge")
    bins = padded.reshape(padded.shape[0] // size, size, -1, size).mean((1, 3))
    wide = max(1, round(window / size)) | 1
    smooth = ndimage.median_filter(bins, wide, mode="nearest")
    # The median has the noise of a few pixels left; one light blur removes it.
    smooth = ndimage.gaussian_filter(smooth, 1.0, mode="nearest")
    zoomed = ndimage.zoom(smooth, size, order=1, mode="nearest", grid_mode=True)
    return np.asarray(zoomed[:rows, :columns], np.float32)
