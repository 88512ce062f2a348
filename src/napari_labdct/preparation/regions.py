"""Crop and bin, and the geometry that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry


def cropped(
    frame: NDArray[np.float32], box: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    """Part of a frame: rows from `top` to before `bottom`, columns likewise.

    Parameters
    ----------
    frame
        Shape (rows, columns).
    box
        Top, bottom, left, right [px].
    """
    top, bottom, left, right = box
    return frame[top:bottom, left:right]


def binned(frame: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Sums over squares of pixels; rows and columns left over are cut off.

    Sums, not means: a spot keeps its integrated intensity, and counts stay counts.

    Parameters
    ----------
    frame
        Shape (rows, columns).
    side
        Pixels along the side of a square.
    """
    rows, columns = (length // side for length in frame.shape)
    squares = frame[: rows * side, : columns * side].reshape(rows, side, columns, side)
    total: NDArray[np.float32] = squares.sum(axis=(1, 3), dtype=np.float32)
    return total


def geometry_of_part(
    geometry: Geometry, box: tuple[int, int, int, int], side: int = 1
) -> Geometry:
    """Geometry of frames that were cropped, then binned.

    A point of the detector keeps its place in millimetres; only the count of pixels
    changes. With pixel centres at integers, the centre of square i is at
    i · side + (side − 1) / 2 of the old pixels.

    Parameters
    ----------
    geometry
        Of the whole frames.
    box
        Top, bottom, left, right [px].
    side
        Pixels along the side of a binned square.
    """
    top, bottom, left, right = box
    row, column = geometry.detector.centre
    middle = (side - 1) / 2
    detector = geometry.detector.model_copy(
        update={
            "rows": (bottom - top) // side,
            "columns": (right - left) // side,
            "pixel_size": geometry.detector.pixel_size * side,
            "centre_row": (row - top - middle) / side,
            "centre_column": (column - left - middle) / side,
            "blur_sigma": geometry.detector.blur_sigma / side,
        }
    )
    return geometry.model_copy(update={"detector": detector})
