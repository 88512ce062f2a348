"""The table of diffraction spots."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from napari_labdct.core.errors import InputError

COLUMNS: dict[str, str] = {
    "projection": "int64",
    "omega_deg": "float64",
    "row_px": "float64",
    "column_px": "float64",
    "area_px": "float64",
    "peak": "float64",
    "intensity": "float64",
    "snr": "float64",
}
"""Columns every spot table has.

`projection` is the 0-based index, `omega_deg` its rotation angle [deg], `row_px`
and `column_px` the centroid (pixel centres at integers), `area_px` the pixels of
the spot, `peak` and `intensity` the highest and the summed grey value above
background [grey values of the frame, or photons when simulated], `snr` the
signal-to-noise ratio of the spot as a whole.
"""

TRUTH_COLUMNS: dict[str, str] = {
    "grain": "int64",
    "h": "int64",
    "k": "int64",
    "l": "int64",
    "energy_keV": "float64",
}
"""Columns a simulated or indexed table adds: grain number, hkl and energy [keV]."""


def _empty() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


@dataclass(frozen=True)
class SpotTable:
    """Spots of a stack, one row a spot.

    Attributes
    ----------
    frame
        A DataFrame that holds at least the columns of `COLUMNS`; columns beyond
        them (`TRUTH_COLUMNS` and others) are kept as they are.
    """

    frame: pd.DataFrame = field(default_factory=_empty)

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.frame.columns]
        if missing:
            raise InputError(
                f"The spot table lacks the column(s) {', '.join(missing)}: "
                f"a spot table has {', '.join(COLUMNS)}."
            )
        present = self.frame.dtypes
        kinds = {
            name: kind
            for name, kind in (COLUMNS | TRUTH_COLUMNS).items()
            if name in present.index and present[name] != kind
        }
        rest = [name for name in self.frame.columns if name not in COLUMNS]
        table = self.frame[[*COLUMNS, *rest]].reset_index(drop=True)
        table = table.astype(kinds) if kinds else table
        object.__setattr__(self, "frame", table)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def is_truth(self) -> bool:
        """Whether grain, hkl and energy of every spot are known."""
        return set(TRUTH_COLUMNS) <= set(self.frame.columns)

    def of(self, projection: int) -> SpotTable:
        """The spots of one projection."""
        return SpotTable(self.frame[self.frame["projection"] == projection])

    @classmethod
    def concatenate(cls, tables: list[SpotTable]) -> SpotTable:
        """One table out of many, in their order."""
        filled = [table.frame for table in tables if len(table)]
        return cls(pd.concat(filled, ignore_index=True)) if filled else cls()
