"""Spots of binned frames, in pixels of the whole ones."""

from __future__ import annotations

from napari_labdct.core import SpotTable


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
    changed |= {name: frame[name] * size**2 for name in ("area_px", "sharpness_px2")}
    return SpotTable(frame.assign(**changed))
