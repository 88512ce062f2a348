"""Profile lines and curves in files: sessions to load again, tables for others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError

from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters
from napari_labdct.plugin.lines import COLOURS, Line
from napari_labdct.plugin.profiling import ProfileOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_labdct.core import LineProfile


class SavedLine(Parameters):
    """A line in a session file."""

    name: str = Field(description="Name of the line, such as A.")
    start: tuple[float, float] = Field(description="First end (row, column) [px].")
    stop: tuple[float, float] = Field(description="Last end (row, column) [px].")


class ProfileSession(Parameters):
    """Lines and options, to be saved and applied to another stack."""

    format: Literal["napari-labdct profiles 1"] = "napari-labdct profiles 1"
    options: ProfileOptions = ProfileOptions()
    lines: tuple[SavedLine, ...] = ()

    @classmethod
    def of(cls, lines: Sequence[Line], options: ProfileOptions) -> ProfileSession:
        """The session that would draw these lines again."""
        saved = [
            SavedLine(name=line.name, start=line.start, stop=line.stop)
            for line in lines
        ]
        return cls(options=options, lines=tuple(saved))

    def to_lines(self) -> list[Line]:
        """The lines, with colours in the order of their names."""
        return [
            Line(line.name, COLOURS[number % len(COLOURS)], line.start, line.stop)
            for number, line in enumerate(self.lines)
        ]


def save_session(session: ProfileSession, path: Path) -> None:
    """Write a session as JSON."""
    from napari_labdct.files import replacing

    with replacing(path) as part:
        part.write_text(session.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_session(path: Path) -> ProfileSession:
    """Read a session.

    Raises
    ------
    InputError
        If the file is no session.
    """
    try:
        return ProfileSession.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(
            f"{path} is no session of line profiles: choose a .json file that "
            "Line profiles saved."
        ) from error


def curves_table(
    profiles: Sequence[LineProfile], omega_deg: float, size_um: float | None
) -> pd.DataFrame:
    """All samples of all lines, one row a sample, one column a layer.

    Parameters
    ----------
    profiles
        Profiles of one projection.
    omega_deg
        Its rotation angle [deg]; NaN when unknown.
    size_um
        Pixel size [µm]; the column `distance_um` is left out when unknown.
    """
    parts = []
    for profile in profiles:
        along = profile.normalised_distance
        (row, column), (last_row, last_column) = profile.start, profile.stop
        columns = {
            "line": profile.name,
            "projection": profile.projection,
            "omega_deg": omega_deg,
            "distance_px": profile.distance_px,
            "distance_um": profile.distance_px * (size_um or np.nan),
            "distance_normalised": along,
            "row_px": row + along * (last_row - row),
            "column_px": column + along * (last_column - column),
            "width_px": profile.width_px,
        }
        parts.append(pd.DataFrame(columns | profile.values))
    table = pd.concat(parts, ignore_index=True)
    return table if size_um is not None else table.drop(columns="distance_um")


def save_curves(table: pd.DataFrame, path: Path) -> None:
    """Write the samples as CSV."""
    from napari_labdct.files import replacing

    with replacing(path) as part:
        table.to_csv(part, index=False, lineterminator="\n", float_format="%.7g")
