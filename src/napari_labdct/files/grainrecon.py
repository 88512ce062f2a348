"""The MATLAB file that the reconstruction code GrainRecon reads spots from.

Its readers load these variables (facts as of its public sources, Fang et al. 2021,
J. Appl. Cryst., doi 10.1107/S1600576721009171): `Spots`, a cell a projection of one
row a spot; `proj_bin`, a cell a projection of the mask of all spots, in which
predicted reflections are looked up as `proj_bin{i}(row, column)`; `proj`, the grey
values of the spots; `rot_start`, `rot_step`, `rot_end` [deg] and `ImageNr`. Rows
count from the top, columns from the left as seen looking downstream, as here; both
from 1.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

ROW = (
    "projection from 1",
    "number of the spot in its projection",
    "rotation angle [deg]",
    "azimuth from the vertical, clockwise as displayed [deg]",
    "columns − column",
    "rows − row",
    "width of the box [px]",
    "height of the box [px]",
    "column of the centroid, from 1",
    "row of the centroid, from 1",
    "area [px]",
    "highest grey value",
    "mean grey value",
    "standard deviation of the grey values",
    "integrated intensity",
    "long axis [px]",
    "short axis [px]",
    "angle of the long axis [deg]",
)
"""What stands in the columns of `Spots{i}`."""

TABLE = "labdct_spots"
"""Variable that holds the whole spot table, a field a column."""


def step_of(stack: ProjectionStack) -> float:
    """Angle from one projection to the next [deg], by which GrainRecon counts.

    Raises
    ------
    InputError
        If the angles are unknown or their steps differ.
    """
    omega, count = stack.omega, len(stack)
    step = float(omega[1] - omega[0]) if count > 1 else 1.0
    if not np.allclose(omega, omega[0] + step * np.arange(count), atol=1e-3):
        raise InputError(
            f"The angles of {stack.source or 'the scan'} are unknown or not evenly "
            "spaced, and GrainRecon counts them by start and step: give the scan's "
            "start and step."
        )
    return step


def write_matlab(frame: pd.DataFrame, path: Path, stack: ProjectionStack) -> None:
    """Write spots for GrainRecon, with the whole table beside them.

    A spot's pixels are taken for an ellipse of its area, axes and angle: spot
    tables do not hold outlines.

    Raises
    ------
    InputError
        If the angles are unknown or their steps differ.
    """
    from scipy.io import savemat

    count, rows, columns = stack.shape
    omega, step = stack.omega, step_of(stack)
    spots, masks, grey = (np.empty((1, count), object) for _ in range(3))
    for index in range(count):
        here = frame[frame["projection"] == index]
        labels = _ellipses(here, (rows, columns))
        image = stack.frame(index)
        spots[0, index] = _rows(here, labels, image)
        masks[0, index] = (labels > 0).astype(np.uint8)
        held = np.where(labels > 0, np.clip(np.rint(image), 0, 65535), 0)
        grey[0, index] = held.astype(np.uint16)
    savemat(
        str(path),
        {
            "Spots": spots,
            "proj_bin": masks,
            "proj": grey,
            "rot_start": float(omega[0]),
            "rot_step": step,
            "rot_end": float(omega[-1]),
            "ImageNr": float(count),
            TABLE: _fields(frame),
        },
        do_compression=True,
        appendmat=False,
        long_field_names=True,
        oned_as="column",
    )


def read_matlab(path: Path) -> pd.DataFrame:
    """The spot table in a file that `write_matlab` wrote.

    Raises
    ------
    InputError
        If the file holds no such table.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    alone = _variable(path)
    if alone is None:
        raise InputError(
            f"the MATLAB file has no variable {TABLE}: only files written by labdct "
            "hold all columns of a spot table."
        )
    file: Any = io.BytesIO(alone)  # SciPy takes it, its stubs know paths only
    try:
        found = loadmat(file)
    except (NotImplementedError, MatReadError, TypeError) as error:
        raise InputError(f"the MATLAB file cannot be read ({error}).") from error
    table = found[TABLE][0, 0]
    columns = {}
    for name in table.dtype.names or ():
        values = table[name].ravel()
        if values.dtype == object:
            values = np.array([str(text[0]) if text.size else "" for text in values])
        columns[name] = values.astype(bool) if name in FLAGS else values
    return pd.DataFrame(columns)


def _variable(path: Path) -> bytes | None:
    """The file with the table alone, its checksum tried; None where there is none.

    SciPy's reader believes what it reads, and damage crashes it. A file is a header
    of 128 bytes, then a compressed variable after the other, each with its type (15)
    and its length.
    """
    with path.open("rb") as file:
        header = file.read(128)
        order = {b"\0\1IM": "<", b"\1\0MI": ">"}.get(header[124:], "")
        while order and len(tag := file.read(8)) == 8:
            kind, length = struct.unpack(f"{order}II", tag)
            packed = file.read(length)
            if kind != 15 or len(packed) < length:
                break
            if TABLE.encode() in zlib.decompressobj().decompress(packed, 256):
                zlib.decompress(packed)  # raises where the checksum does not fit
                return header + tag + packed
    return None


FLAGS = ("edge", "overlap", "hidden", "cut", "found")
"""Columns of truth values, which MATLAB keeps as numbers."""


def _fields(frame: pd.DataFrame) -> dict[str, Any]:
    """The table's columns as MATLAB stores them."""
    fields: dict[str, Any] = {}
    for name in frame:
        values = frame[name].to_numpy()
        fields[str(name)] = (
            values.astype(object)
            if values.dtype.kind in "OUT"
            else (values.astype(np.uint8) if values.dtype.kind == "b" else values)
        )
    return fields


def _column(frame: pd.DataFrame, name: str, default: Any) -> NDArray[np.float64]:
    """A column where there is one and its numbers are known, else the default."""
    given = frame[name] if name in frame else pd.Series(np.nan, frame.index)
    values = given.to_numpy(np.float64)
    return np.where(np.isfinite(values), values, default)


def _axes(
    frame: pd.DataFrame,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Half axes of the ellipse that each spot is taken for [px], and angle [rad]."""
    area = np.maximum(_column(frame, "area_px", 1.0), 1.0)
    major = np.maximum(_column(frame, "major_px", 1.0), 1e-3)
    minor = np.clip(_column(frame, "minor_px", 1.0), 1e-3, None)
    root = np.sqrt(area / np.pi)
    aspect = np.sqrt(major / minor)
    return root * aspect, root / aspect, np.radians(_column(frame, "angle_deg", 0.0))


def _ellipses(frame: pd.DataFrame, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Number of each pixel's spot, from 1; the fainter ones give way."""
    labels = np.zeros(shape, np.int32)
    long, short, angle = _axes(frame)
    row, column = frame["row_px"].to_numpy(), frame["column_px"].to_numpy()
    for index in np.argsort(frame["intensity"].to_numpy(), kind="stable"):
        reach = int(np.ceil(long[index])) + 1
        middle = round(float(row[index])), round(float(column[index]))
        top, left = (max(at - reach, 0) for at in middle)
        part = labels[top : middle[0] + reach + 1, left : middle[1] + reach + 1]
        dr = np.arange(top, top + part.shape[0])[:, None] - row[index]
        dc = np.arange(left, left + part.shape[1]) - column[index]
        along = dc * np.cos(angle[index]) - dr * np.sin(angle[index])
        across = dc * np.sin(angle[index]) + dr * np.cos(angle[index])
        inside = (along / long[index]) ** 2 + (across / short[index]) ** 2 <= 1
        part[inside] = index + 1
        if not inside.any() and part.size:
            labels[
                min(max(middle[0], 0), shape[0] - 1),
                min(max(middle[1], 0), shape[1] - 1),
            ] = index + 1
    return labels


def _rows(
    frame: pd.DataFrame, labels: NDArray[np.int32], image: NDArray[np.float32]
) -> NDArray[np.float64]:
    """One row a spot, in the columns that `ROW` names, shape (S, 18)."""
    rows, columns = labels.shape
    count = len(frame)
    row, column = frame["row_px"].to_numpy(), frame["column_px"].to_numpy()
    pixels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    total, square = (
        np.bincount(
            labels.ravel(), (image.astype(np.float64) ** power).ravel(), count + 1
        )[1:]
        for power in (1, 2)
    )
    mean = total / np.maximum(pixels, 1)
    spread = np.sqrt(np.maximum(square / np.maximum(pixels, 1) - mean**2, 0))
    up, right = rows / 2 - 0.5 - row, column + 0.5 - columns / 2
    long, short, angle = _axes(frame)
    side = 2 * long
    return np.column_stack(
        [
            frame["projection"].to_numpy() + 1,
            np.arange(1, count + 1),
            frame["omega_deg"].to_numpy(),
            np.degrees(np.arctan2(right, up)) % 360,
            columns - np.rint(column + 1),
            rows - np.rint(row + 1),
            _column(frame, "column_stop", side) - _column(frame, "column_start", 0.0),
            _column(frame, "row_stop", side) - _column(frame, "row_start", 0.0),
            column + 1,
            row + 1,
            frame["area_px"].to_numpy(),
            _column(frame, "peak", np.nan),
            mean,
            spread,
            frame["intensity"].to_numpy(),
            2 * long,
            2 * short,
            np.degrees(angle),
        ]
    ).astype(np.float64)
