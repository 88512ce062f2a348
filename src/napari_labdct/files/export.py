"""Tables on disk, for the next program and for ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.core import InputError, SpotTable
from napari_labdct.files.saving import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_labdct.core import LineProfile


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
