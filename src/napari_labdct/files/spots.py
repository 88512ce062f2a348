"""Spot tables on disk: CSV, HDF5, and MATLAB's format as GrainRecon reads it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.core import InputError, SpotTable
from napari_labdct.files.grainrecon import read_matlab, write_matlab
from napari_labdct.files.hdf5_open import h5py_module, open_hdf5
from napari_labdct.files.saving import replacing

if TYPE_CHECKING:
    from napari_labdct.core import ProjectionStack

HDF5 = (".h5", ".hdf5")
MATLAB = (".mat",)

GROUP = "spots"
"""Group of the HDF5 file that holds one array a column."""


def write_spots(
    table: SpotTable, path: str | Path, stack: ProjectionStack | None = None
) -> Path:
    """Write a spot table; `read_spots` gives back the very same numbers.

    Parameters
    ----------
    table
        The spots.
    path
        Ends in ``.h5`` or ``.hdf5`` for HDF5 (needs h5py), in ``.mat`` for the MATLAB
        file that GrainRecon reads, and otherwise CSV is written.
    stack
        The scan; the MATLAB file holds its angles and frames as well.

    Raises
    ------
    InputError
        If the file cannot be written, or a MATLAB file is wanted without the scan.
    """
    kind = Path(path).suffix.lower()
    if kind in MATLAB and stack is None:
        raise InputError(
            f"{path}: a MATLAB file for GrainRecon holds frame size and angles too: "
            "give the scan, or write CSV or HDF5."
        )
    with replacing(path) as part:
        if kind in HDF5:
            _write_hdf5(table.frame, part)
        elif kind in MATLAB and stack is not None:
            write_matlab(table.frame, part, stack)
        else:
            _write_csv(table.frame, part)
    return Path(path)


def read_spots(path: str | Path) -> SpotTable:
    """Read a spot table from CSV, HDF5 or a MATLAB file that `write_spots` wrote.

    Raises
    ------
    InputError
        If the file is missing, no table, or lacks a column of a spot table.
    """
    kind = Path(path).suffix.lower()
    try:
        if kind in HDF5:
            return SpotTable(_read_hdf5(Path(path)))
        if kind in MATLAB:
            return SpotTable(read_matlab(Path(path)))
        table = pd.read_csv(path, dtype=object)
        if not isinstance(table.index, pd.RangeIndex):  # pandas makes names of them
            raise ValueError("rows hold more values than there are headings")
        return SpotTable(table.apply(_values))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # foreign bytes may break a parser in any way
        why = (str(getattr(error, "strerror", None) or error) or "empty").splitlines()
        raise InputError(
            f"{path} cannot be read as a spot table ({why[0]}): give a file written "
            "by labdct spots."
        ) from error


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    short = frame.select_dtypes("float32").columns
    # The shortest text of a float32 is another number once read as float64.
    exact = frame.astype(dict.fromkeys(short, np.float64))
    exact.to_csv(path, index=False, lineterminator="\n")


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


def _write_hdf5(frame: pd.DataFrame, path: Path) -> None:
    h5py = h5py_module(f"Writing {path}")
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        group = file.create_group(GROUP, track_order=True)
        for name in frame:
            values = frame[name].to_numpy()
            text = values.dtype.kind in "OUT"
            kind = h5py.string_dtype() if text else values.dtype
            group.create_dataset(
                str(name), data=values.astype(object) if text else values, dtype=kind
            )
    # In one piece: errors of a full disk are then those of a file, not of HDF5.
    path.write_bytes(memory.getbuffer())


def _read_hdf5(path: Path) -> pd.DataFrame:
    with open_hdf5(path) as file:
        if GROUP not in file:
            raise InputError(f"the file has no group {GROUP!r} with a column a set.")
        columns = {}
        for name, data in file[GROUP].items():
            text = data.dtype.kind in "OS"
            columns[name] = data.asstr()[()] if text else data[()]
    return pd.DataFrame(columns)
