"""Projection stacks and spot tables on disk, for the next program and for ours."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import tifffile

from napari_labdct.core import InputError, SpotTable
from napari_labdct.files.description import describe
from napari_labdct.files.saving import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import ArrayLike, DTypeLike

    from napari_labdct.core import LineProfile, ProjectionStack
    from napari_labdct.core.stack import Kind

_CLASSIC_LIMIT = 4_000_000_000
"""Bytes above which a BigTIFF is written; classic TIFF ends at 2³² with all tags."""


class StackWriter:
    """Write a stack frame by frame: memory for one frame, a file for all.

    Plain grey values in one piece (BigTIFF above 4 GB), which Fiji opens and
    `read_stack` maps into memory; angles, geometry and history are in the
    ImageDescription. Used as a context manager: the file appears under its name
    when the block ends well and every frame was written, otherwise not at all.

    Parameters
    ----------
    path
        The TIFF file to write; its folder must exist.
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
        Whether to compress without loss (zlib); such a file is not mapped but
        decoded when read.
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
        self._shape = stack.shape
        self._compress = compress
        history = (*stack.history, step) if step else stack.history
        self._description = describe(replace(stack, kind=kind, history=history))
        self._open = self._opened()
        self._tiff: Any = None

    @contextmanager
    def _opened(self) -> Iterator[None]:
        big = int(np.prod(self._shape)) * self._dtype.itemsize > _CLASSIC_LIMIT
        with replacing(self.path) as part:
            with tifffile.TiffWriter(part, bigtiff=big) as self._tiff:
                yield
            if self.written < self._shape[0]:
                raise ValueError(
                    f"{self.written} of {self._shape[0]} frames were written to "
                    f"{self.path}"
                )

    def __enter__(self) -> Self:
        self._open.__enter__()
        return self

    def write(self, frame: ArrayLike) -> None:
        """Append one frame, shape (rows, columns).

        A disk that is full ends the block with an InputError.
        """
        values = np.asarray(frame)
        if values.shape != self._shape[1:] or self.written == self._shape[0]:
            raise ValueError(
                f"frame {self.written} of shape {values.shape} does not fit into a "
                f"stack of shape {self._shape}"
            )
        self._tiff.write(
            np.ascontiguousarray(values, self._dtype),
            photometric="minisblack",
            description=None if self.written else self._description,
            compression="zlib" if self._compress else None,
            predictor=self._compress,
            contiguous=not self._compress,
            metadata=None,
        )
        self.written += 1

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
    """Write a whole stack as one TIFF, in its own type unless told otherwise.

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


def write_spots(table: SpotTable, path: str | Path) -> Path:
    """Write a spot table as CSV; `read_spots` gives back the very same numbers.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    short = table.frame.select_dtypes("float32").columns
    # The shortest text of a float32 is another number once read as float64.
    exact = table.frame.astype(dict.fromkeys(short, np.float64))
    with replacing(path) as part:
        exact.to_csv(part, index=False, lineterminator="\n")
    return Path(path)


def write_profiles(profiles: Sequence[LineProfile], path: str | Path) -> Path:
    """Write line profiles as one CSV, a row a sample.

    Columns: `line`, `projection`, `distance_px`, `row_px`, `column_px`, and the grey
    values of each layer under the layer's name.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    tables = []
    for profile in profiles:
        share = profile.normalised_distance
        ends = zip(profile.start, profile.stop, strict=True)
        row, column = (first + (last - first) * share for first, last in ends)
        place = {"distance_px": profile.distance_px, "row_px": row, "column_px": column}
        name = {"line": profile.name, "projection": profile.projection}
        tables.append(pd.DataFrame(name | place | profile.values))
    with replacing(path) as part:
        pd.concat(tables).to_csv(part, index=False, lineterminator="\n")
    return Path(path)


def read_spots(path: str | Path) -> SpotTable:
    """Read a spot table from CSV.

    Raises
    ------
    InputError
        If the file is missing, no table, or lacks a column of a spot table.
    """
    try:
        return SpotTable(pd.read_csv(path, dtype=object).apply(_values))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, pd.errors.ParserError) as error:
        why = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise InputError(
            f"{path} cannot be read as a spot table ({why}): give a CSV file written "
            "by labdct spots."
        ) from error


def _values(column: pd.Series[Any]) -> pd.Series[Any]:
    """Exact numbers, or truth values, where all texts are such; else the texts.

    pandas' own numbers are rounded in some versions.
    """
    if len(column) and set(column) <= {"True", "False"}:
        return column == "True"
    for kind in (int, float):
        try:
            return pd.Series([kind(text) for text in column])
        except ValueError:
            continue
    return column.infer_objects()
