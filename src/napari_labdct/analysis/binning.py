"""Pixels binned together, so that large spots become small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from napari_labdct.core import SpotTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

How = Literal["sum", "quadrature", "maximum"]
Pixel = TypeVar("Pixel", np.float32, np.bool_)


def binned(image: NDArray[Pixel], size: int, how: How) -> NDArray[Pixel]:
    """Bin `size` × `size` pixels into one.

    Parameters
    ----------
    image
        Shape (rows, columns); what is missing to whole bins counts as 0, or as
        the last pixel's noise.
    size
        Side of the bins [px].
    how
        The sum (grey values), the root of the sum of squares (noise), or the
        maximum (probabilities, masks).
    """
    rows, columns = image.shape
    margin = ((0, -rows % size), (0, -columns % size))
    whole = np.pad(image, margin, mode="edge" if how == "quadrature" else "constant")
    bins = whole.reshape(whole.shape[0] // size, size, -1, size)
    if how == "maximum":
        return np.asarray(bins.max((1, 3)), image.dtype)
    if how == "quadrature":
        return np.asarray(np.sqrt((bins**2).sum((1, 3))), image.dtype)
    return np.asarray(bins.sum((1, 3)), image.dtype)


def unbinned(table: SpotTable, size: int) -> SpotTable:
    """Spots that were found on a binned frame, in pixels of the whole one.

    Intensities are sums and stay; `peak` and `background` become means over a bin.
    """
    frame = table.frame
    middle = (size - 1) / 2
    lengths = ["major_px", "minor_px", "row_start", "row_stop"]
    lengths += ["column_start", "column_stop"]
    changed = {name: frame[name] * size for name in lengths}
    changed |= {name: frame[name] * size + middle for name in ("row_px", "column_px")}
    changed |= {name: frame[name] / size**2 for name in ("peak", "background")}
    changed["area_px"] = frame["area_px"] * size**2
    return SpotTable(frame.assign(**changed))
