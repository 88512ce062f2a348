"""Spots that are filtered, added to and removed from by hand, with undo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_labdct.core import SpotTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DEPTH = 50
"""Steps that can be undone."""


@dataclass(frozen=True)
class Filter:
    """Which spots are shown: those at least this strong and this large."""

    least_snr: float = 0.0
    least_area: float = 0.0

    def keeps(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows are shown, shape (N,); what is not known hides no spot."""
        snr = frame["snr"].to_numpy(np.float64)
        area = frame["area_px"].to_numpy(np.float64)
        weak = (snr < self.least_snr) | (area < self.least_area)
        return np.asarray(~weak, np.bool_)


@dataclass
class SpotList:
    """A spot table with a filter and a memory.

    Attributes
    ----------
    table
        All spots.
    filter
        Which of them are shown.
    """

    table: SpotTable = field(default_factory=SpotTable)
    filter: Filter = Filter()
    _past: list[SpotTable] = field(default_factory=list)
    _future: list[SpotTable] = field(default_factory=list)

    @property
    def shown(self) -> SpotTable:
        """The spots that the filter lets through, in the order of the table."""
        return SpotTable(self.table.frame[self.filter.keeps(self.table.frame)])

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._future)

    def extend(self, tables: Sequence[SpotTable]) -> None:
        """Append spots that were found; nothing to be undone."""
        self.table = SpotTable.concatenate([self.table, *tables])

    def settle(self, table: SpotTable) -> None:
        """Take the final table, unless some were added or removed by hand by now."""
        if not (self.can_undo or self.can_redo):
            self.table = table

    def add(self, spots: SpotTable) -> None:
        """Add spots by hand; columns that they lack say so (NaN, 0, grain −1)."""
        new = spots.frame.copy()
        for name, column in self.table.frame.items():
            if name not in new:
                unknown = -1 if name == "grain" else 0
                new[name] = np.nan if column.dtype.kind == "f" else unknown
                new[name] = new[name].astype(column.dtype)
        self._step(SpotTable.concatenate([self.table, SpotTable(new)]))

    def change(self, table: SpotTable) -> None:
        """Know more of the spots: another table of the same rows."""
        self._step(table)

    def remove(self, rows: Sequence[int]) -> None:
        """Remove spots by their numbers among those that are shown."""
        kept = np.flatnonzero(self.filter.keeps(self.table.frame))
        stays = np.ones(len(self.table), np.bool_)
        stays[kept[list(rows)]] = False
        self._step(SpotTable(self.table.frame[stays]))

    def undo(self) -> None:
        """Take the last step back."""
        if self._past:
            self._future.append(self.table)
            self.table = self._past.pop()

    def redo(self) -> None:
        """Do the last step that was taken back again."""
        if self._future:
            self._past.append(self.table)
            self.table = self._future.pop()

    def _step(self, table: SpotTable) -> None:
        self._past = [*self._past, self.table][-DEPTH:]
        self._future.clear()
        self.table = table


def by_hand(projection: int, omega_deg: float, row: float, column: float) -> SpotTable:
    """A spot of which only the place is known; all else is NaN."""
    unknown = ("area_px", "peak", "intensity", "snr")
    values = {"projection": projection, "omega_deg": omega_deg}
    values |= {"row_px": row, "column_px": column}
    frame = pd.DataFrame([values | dict.fromkeys(unknown, np.nan)])
    return SpotTable(frame)
