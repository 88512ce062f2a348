"""A spot table as a sortable table of Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    Qt,
    Signal,
)
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

from napari_labdct.plugin.spots_layer import hkl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

HEADS = {
    "projection": "proj.",
    "row_px": "row",
    "column_px": "column",
    "snr": "SNR",
    "intensity": "intensity",
    "area_px": "area",
    "peak": "peak",
    "grain": "grain",
    "hkl": "hkl",
    "energy_keV": "keV",
}
"""Columns that the table shows where they are known, with their headings."""


class SpotTableModel(QAbstractTableModel):
    """The rows of a data frame; sorting changes the order shown, not the frame."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[tuple[str, list[Any]]] = []
        self.order = np.arange(0)

    def show_frame(self, frame: pd.DataFrame) -> None:
        """Show other spots, in their own order."""
        self.beginResetModel()
        if {"h", "k", "l"} <= set(frame.columns):
            frame = frame.assign(hkl=hkl(frame))
        known = [name for name in HEADS if name in frame.columns]
        self._columns = [(name, frame[name].tolist()) for name in known]
        self.order = np.arange(len(frame))
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Number of spots."""
        return len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Number of columns that are known."""
        return len(self._columns)

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """A cell, rounded for reading."""
        if role == Qt.ItemDataRole.DisplayRole:
            value = self._columns[index.column()][1][self.order[index.row()]]
            if isinstance(value, float):
                digits = 0 if abs(value) >= 1e4 else 1
                return "" if np.isnan(value) else f"{value:.{digits}f}"
            if value == -1:
                return ""  # no grain
            return str(value)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Headings of the columns; rows are numbered by Qt."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return HEADS[self._columns[section][0]]
        return str(section + 1)

    def sort(self, column: int, order: Any = None) -> None:
        """Order the rows by a column."""
        if not 0 <= column < len(self._columns):
            return
        values = np.asarray(self._columns[column][1])
        self.layoutAboutToBeChanged.emit()
        self.order = np.argsort(values, kind="stable")
        if order == Qt.SortOrder.DescendingOrder:
            self.order = self.order[::-1]
        self.layoutChanged.emit()


class SpotsTable(QTableView):
    """The table; signal `picked` (numbers of the spots, in the order of the frame)."""

    picked = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spots = SpotTableModel()
        self.setModel(self.spots)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setMinimumHeight(160)
        self.verticalHeader().setDefaultSectionSize(22)
        self.verticalHeader().hide()
        self.horizontalHeader().setDefaultSectionSize(62)
        self._quiet = False
        self.selectionModel().selectionChanged.connect(self._tell)

    def show_frame(self, frame: pd.DataFrame) -> None:
        """Show other spots, sorted as before."""
        header = self.horizontalHeader()
        column, order = header.sortIndicatorSection(), header.sortIndicatorOrder()
        self._quiet = True
        self.spots.show_frame(frame)
        if column < self.spots.columnCount():
            self.spots.sort(column, order)
        self._quiet = False

    @property
    def chosen(self) -> list[int]:
        """Numbers of the chosen spots, in the order of the frame."""
        rows = self.selectionModel().selectedRows()
        return sorted(int(self.spots.order[index.row()]) for index in rows)

    def choose(self, numbers: Sequence[int]) -> None:
        """Choose spots and bring the first in sight, without telling."""
        self._quiet = True
        selection = self.selectionModel()
        selection.clearSelection()
        flags = QItemSelectionModel.SelectionFlag
        where = np.flatnonzero(np.isin(self.spots.order, list(numbers)))
        for row in where[:200]:
            index = self.spots.index(int(row), 0)
            selection.select(index, flags.Select | flags.Rows)
        if where.size:
            self.scrollTo(self.spots.index(int(where[0]), 0))
        self._quiet = False

    def _tell(self) -> None:
        if not self._quiet:
            self.picked.emit(self.chosen)
