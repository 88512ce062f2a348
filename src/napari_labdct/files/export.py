"""Line profiles on disk, for the next program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_labdct.files.saving import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_labdct.core import LineProfile


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
