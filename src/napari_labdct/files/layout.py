"""Files of plain frames, laid out whole before the first frame is written.

Header and directory come first, grey values follow in one piece at a known byte.
So frames can be written in any order, and a file whose writer was killed can be
taken up again.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_labdct.core import InputError
from napari_labdct.files.description import describe
from napari_labdct.files.hdf5 import SUFFIXES as HDF5_SUFFIXES
from napari_labdct.files.hdf5 import lay_out_hdf5

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

CLASSIC_LIMIT = 4_000_000_000
"""Bytes above which a BigTIFF is written; classic TIFF ends at 2³² with all tags."""


@dataclass(frozen=True)
class Layout:
    """Where the frames of a plain file lie.

    Attributes
    ----------
    shape
        Frames, rows, columns.
    dtype
        Type of the grey values, in this machine's byte order.
    start
        Byte of the first grey value.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    start: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def put(self, file: BinaryIO, index: int, frame: NDArray[Any]) -> bytes:
        """Write one frame; the bytes written are returned."""
        values = np.asarray(frame)
        if values.shape != self.shape[1:] or not 0 <= index < self.shape[0]:
            raise ValueError(
                f"frame {index} of shape {values.shape} does not fit into a stack of "
                f"shape {self.shape}"
            )
        raw = np.ascontiguousarray(values, self.dtype).tobytes()
        file.seek(self.start + index * self.frame_bytes)
        rest = memoryview(raw)
        while rest:  # an unbuffered file may take a part at a time
            rest = rest[file.write(rest) :]
        return raw

    def get(self, file: BinaryIO, index: int) -> bytes:
        """The bytes of one frame; fewer when the file is short."""
        file.seek(self.start + index * self.frame_bytes)
        return file.read(self.frame_bytes)


def lay_out(
    part: Path, name: Path, stack: ProjectionStack, dtype: np.dtype[Any]
) -> Layout:
    """Write all of a file but its grey values.

    Parameters
    ----------
    part
        The file to write, under a temporary name.
    name
        What it will be called; its suffix says whether it is HDF5 (``.h5``,
        ``.hdf5``, ``.nxs``) or TIFF (all others).
    stack
        Shape, angles, geometry and history.
    dtype
        Type of the grey values.

    Raises
    ------
    InputError
        If the disk has no room for the whole file.
    OSError
        If the file cannot be written.
    """
    size = math.prod(stack.shape) * dtype.itemsize
    free = shutil.disk_usage(part.parent).free
    if size > free:
        raise InputError(
            f"{name} needs {size / 1e9:.3g} GB, but its disk has {free / 1e9:.3g} GB "
            "left: make room or choose another place for the output."
        )
    if name.suffix.lower() in HDF5_SUFFIXES:
        return Layout(stack.shape, dtype, lay_out_hdf5(part, stack, dtype))
    return Layout(stack.shape, dtype, _lay_out_tiff(part, stack, dtype))


def _lay_out_tiff(part: Path, stack: ProjectionStack, dtype: np.dtype[Any]) -> int:
    import tifffile

    big = math.prod(stack.shape) * dtype.itemsize > CLASSIC_LIMIT
    with tifffile.TiffWriter(part, bigtiff=big) as tif:
        place = tif.write(
            shape=stack.shape,
            dtype=dtype,
            photometric="minisblack",
            description=describe(stack),
            metadata=None,
            returnoffset=True,
        )
    start, _ = place or (0, 0)  # None only for a stack without frames
    return int(start)
