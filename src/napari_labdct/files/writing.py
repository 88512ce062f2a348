"""Projection stacks on disk, for the next program and for ours."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_labdct.files.description import describe
from napari_labdct.files.frames import find_frames
from napari_labdct.files.hdf5 import DATA, IMAGES, lay_out_hdf5
from napari_labdct.files.hdf5 import SUFFIXES as HDF5_SUFFIXES
from napari_labdct.files.layout import CLASSIC_LIMIT, lay_out
from napari_labdct.files.lazy import lazy_array
from napari_labdct.files.saving import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from napari_labdct.core import ProjectionStack
    from napari_labdct.core.stack import Kind

    Put = Callable[[int, NDArray[Any]], object]


class StackWriter:
    """Write a stack frame by frame: memory for one frame, a file for all.

    The suffix says what is written: ``.h5``, ``.hdf5`` and ``.nxs`` are HDF5 after
    NeXus, all others TIFF (BigTIFF above 4 GB). Grey values lie in one plain piece
    that other programs open and `read_stack` maps into memory; angles, geometry and
    history are in the file too. Used as a context manager: the file appears under
    its name when the block ends well and every frame was written, or as many as
    `keep` was content with, otherwise not at all.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    stack
        The scan the frames belong to: number of frames, frame size, angles,
        geometry and history so far.
    kind
        How the grey values written came to be.
    step
        One sentence added to the history; nothing is added when empty.
    dtype
        Type of the grey values in the file.
    compress
        Whether to compress without loss (deflate); such a file is not mapped but
        decoded when read.

    Raises
    ------
    InputError
        On entering or leaving the block, or while writing: if the disk is full or
        the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        stack: ProjectionStack,
        kind: Kind,
        step: str = "",
        dtype: DTypeLike = np.float32,
        *,
        compress: bool = False,
    ) -> None:
        self.path = Path(path)
        self.written = 0
        self._dtype = np.dtype(dtype)
        self._compress = compress
        history = (*stack.history, step) if step else stack.history
        self._stack = replace(stack, kind=kind, history=history)
        self._open = self._opened()
        self._put: Put
        self._start = 0
        self._kept = False

    @contextmanager
    def _opened(self) -> Iterator[None]:
        count = len(self._stack)
        with replacing(self.path) as part:
            way = self._compressed if self._compress else self._plain
            with way(part) as self._put:
                yield
            if self._kept and 0 < self.written < count:
                self._shorten(part)
            elif self.written < count:
                raise ValueError(
                    f"{self.written} of {count} frames were written to {self.path}"
                )

    @contextmanager
    def _plain(self, part: Path) -> Iterator[Put]:
        layout = lay_out(part, self.path, self._stack, self._dtype)
        self._start = layout.start
        with part.open("r+b", buffering=0) as file:
            yield lambda index, frame: layout.put(file, index, frame)

    @contextmanager
    def _compressed(self, part: Path) -> Iterator[Put]:
        if self.path.suffix.lower() in HDF5_SUFFIXES:
            import h5py

            lay_out_hdf5(part, self._stack, self._dtype, compress=True)
            with h5py.File(part, "r+") as file:
                yield file[f"{DATA}/{IMAGES}"].__setitem__
            return
        import tifffile

        big = math.prod(self._stack.shape) * self._dtype.itemsize > CLASSIC_LIMIT
        with tifffile.TiffWriter(part, bigtiff=big) as tif:
            yield lambda index, frame: tif.write(
                np.ascontiguousarray(frame, self._dtype),
                photometric="minisblack",
                description=None if index else describe(self._stack),
                compression="zlib",
                predictor=True,
                metadata=None,
            )

    def _shorten(self, part: Path) -> None:
        """Make a file that tells of the frames there are and of no others."""
        images, omega = self._stack.images, self._stack.omega
        exposure = self._stack.exposure_s
        stack = replace(
            self._stack,
            images=images[: self.written],
            omega_deg=omega[: self.written],
            exposure_s=None if exposure is None else exposure[: self.written],
        )
        short = part.with_name(f"{part.name}{self.path.suffix}")
        with (
            self._frames_in(part) as frames,
            StackWriter(
                short, stack, stack.kind, dtype=self._dtype, compress=self._compress
            ) as writer,
        ):
            for index in range(self.written):
                writer.write(np.asarray(frames[index]))
        short.replace(part)

    @contextmanager
    def _frames_in(self, part: Path) -> Iterator[Any]:
        """The frames written so far."""
        shape = (self.written, *self._stack.shape[1:])
        if not self._compress:
            yield np.memmap(part, self._dtype, "r", offset=self._start, shape=shape)
        elif self.path.suffix.lower() in HDF5_SUFFIXES:
            import h5py

            with h5py.File(part) as file:
                yield file[f"{DATA}/{IMAGES}"]
        else:
            yield lazy_array(find_frames(part)[0])

    def __enter__(self) -> Self:
        self._open.__enter__()
        return self

    def write(self, frame: ArrayLike) -> None:
        """Append one frame, shape (rows, columns).

        A disk that is full ends the block with an InputError.
        """
        values = np.asarray(frame)
        if values.shape != self._stack.shape[1:] or self.written == len(self._stack):
            raise ValueError(
                f"frame {self.written} of shape {values.shape} does not fit into a "
                f"stack of shape {self._stack.shape}"
            )
        self._put(self.written, values)
        self.written += 1

    def keep(self) -> None:
        """Be content with the frames written so far, if any: they are the stack."""
        self._kept = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, traceback)


def write_stack(
    stack: ProjectionStack,
    path: str | Path,
    *,
    dtype: DTypeLike | None = None,
    compress: bool = False,
) -> Path:
    """Write a whole stack as one file, in its own type unless told otherwise.

    The suffix says whether it is TIFF or HDF5; see `StackWriter`.

    Raises
    ------
    InputError
        If the file cannot be written or the stack cannot be read.
    """
    kind = np.dtype(stack.images.dtype if dtype is None else dtype)
    with StackWriter(path, stack, stack.kind, dtype=kind, compress=compress) as writer:
        for index in range(len(stack)):
            writer.write(np.asarray(stack.images[index]))
    return Path(path)
