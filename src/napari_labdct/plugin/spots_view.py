"""What the widget *Spots* looks like; it knows neither viewer nor network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QProgressBar,
    QShortcut,
    QSizePolicy,
    QWidget,
)

from napari_labdct.plugin.choices import Choice
from napari_labdct.plugin.dock import Dock, button, form, row
from napari_labdct.plugin.model_view import ModelView
from napari_labdct.plugin.spot_list import Filter
from napari_labdct.plugin.spots_grains import CRYSTALS
from napari_labdct.plugin.spots_table import SpotsTable
from napari_labdct.plugin.tasks import State

if TYPE_CHECKING:
    from napari_labdct.core import Progress
    from napari_labdct.plugin.forms import Form


class SpotsView(Dock):
    """Find spots, filter them, look at them, correct them by hand, write them.

    Signals: `find_wanted`, `cancel_wanted`, `filter_changed`, `add_wanted` (bool),
    `remove_wanted`, `undo_wanted`, `redo_wanted`, `open_wanted`, `save_wanted`,
    `grains_wanted`.
    """

    find_wanted = Signal()
    cancel_wanted = Signal()
    filter_changed = Signal()
    add_wanted = Signal(bool)
    remove_wanted = Signal()
    undo_wanted = Signal()
    redo_wanted = Signal()
    open_wanted = Signal()
    save_wanted = Signal()
    grains_wanted = Signal()

    def __init__(self, settings: Form, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layers = Choice("no projections yet", "The stack to find spots in.")
        self.clean_first = QCheckBox("Clean with the network first")
        self.clean_first.setToolTip(
            "Only what the network takes for a spot is measured; without it, whatever "
            "stands out from the noise."
        )
        self.clean_first.setChecked(True)
        self.model = ModelView()
        self.clean_first.toggled.connect(self.model.setVisible)
        self.settings = settings
        self.find = button(
            "Find spots", "Find the spots of all projections.", "Ctrl+Shift+Return"
        )
        self.cancel = button("Cancel", "Stop; spots found so far stay.")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.words = QLabel()
        self.add_section(
            "Find",
            form([("Layer", self.layers)]),
            self.clean_first,
            self.model,
            settings,
            row(self.find, self.cancel),
            self.progress,
            self.words,
        )
        self._make_filter()
        self._make_table()
        self.find.clicked.connect(self.find_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.set_state(State.IDLE)
        self.set_steps(undo=False, redo=False)

    def _make_filter(self) -> None:
        self.least_snr = QDoubleSpinBox()
        self.least_snr.setRange(0, 1e6)
        self.least_snr.setDecimals(1)
        self.least_snr.setToolTip("Weaker spots are hidden; they stay in the table.")
        self.least_area = QDoubleSpinBox()
        self.least_area.setRange(0, 1e6)
        self.least_area.setDecimals(0)
        self.least_area.setSuffix(" px")
        self.least_area.setToolTip("Smaller spots are hidden; they stay in the table.")
        for box in (self.least_snr, self.least_area):
            box.valueChanged.connect(lambda: self.filter_changed.emit())
        self.count = QLabel()
        self.hover = QLabel()
        self.hover.setToolTip("The spot under the mouse.")
        line = row(
            QLabel("SNR ≥"),
            self.least_snr,
            QLabel("Area ≥"),
            self.least_area,
            stretch=1,
        )
        line.setStretch(3, 1)
        # A long text must not widen the column.
        policy = QSizePolicy.Policy
        self.hover.setSizePolicy(policy.Ignored, policy.Fixed)
        self.add_section("Show", line, self.count, self.hover)

    def _make_table(self) -> None:
        self.table = SpotsTable()
        self.column.addWidget(self.table, 1)
        self.add = button("Add", "Click on the image where a spot is missing.")
        self.add.setCheckable(True)
        self.add.toggled.connect(self.add_wanted)
        self.remove = button("Remove", "Remove the chosen spots.")
        self.remove.clicked.connect(self.remove_wanted)
        self.undo = button("Undo", "Take the last change back (Ctrl+Z in here).")
        self.undo.clicked.connect(self.undo_wanted)
        self.redo = button("Redo", "Do it again (Ctrl+Shift+Z in here).")
        self.redo.clicked.connect(self.redo_wanted)
        # Elsewhere in the window these keys belong to napari's own layers.
        for keys, made in (("Ctrl+Z", self.undo), ("Ctrl+Shift+Z", self.redo)):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(made.click)
        self.column.addLayout(
            row(self.add, self.remove, self.undo, self.redo, even=True)
        )
        self.crystal = QComboBox()
        self.crystal.addItems(CRYSTALS)
        self.crystal.setToolTip("What the grains of a list consist of.")
        self.grains = button(
            "Which grain?…",
            "Find grain, hkl and energy of every spot: choose a list of grains, or a "
            "table of known spots (CSV).",
        )
        self.grains.clicked.connect(self.grains_wanted)
        load = button("Open table…", "Show a spot table (CSV) on the chosen stack.")
        load.clicked.connect(self.open_wanted)
        self.save = button("Save table…", "Write the spots that are shown as CSV.")
        self.save.clicked.connect(self.save_wanted)
        self.column.addLayout(row(load, self.save, even=True))
        self.column.addLayout(row(self.grains, QLabel("grains of"), self.crystal))

    @property
    def filter(self) -> Filter:
        """Which spots are to be shown."""
        return Filter(self.least_snr.value(), self.least_area.value())

    def set_count(self, shown: int, total: int) -> None:
        """Say how many spots there are."""
        self.count.setText(f"{shown} of {total} spots" if total else "no spots yet")
        self.save.setEnabled(total > 0)
        self.remove.setEnabled(total > 0)
        self.grains.setEnabled(total > 0)

    def set_steps(self, *, undo: bool, redo: bool) -> None:
        """Say which steps there are to take back or to do again."""
        self.undo.setEnabled(undo)
        self.redo.setEnabled(redo)

    def set_state(self, state: State, *, ready: bool = False) -> None:
        """Let the buttons say what can be done."""
        self.find.setEnabled(ready and not state.is_busy)
        self.cancel.setEnabled(state in (State.WAITING, State.RUNNING))
        self.progress.setVisible(state.is_busy)
        self.words.setVisible(state.is_busy)
        if state in (State.WAITING, State.RUNNING):
            waits = state is State.WAITING
            self.words.setText("Waiting for another job." if waits else "Preparing…")
            self.progress.setRange(0, 0)

    def set_progress(self, progress: Progress) -> None:
        """Move the bar."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)
        self.words.setText(progress.what)

    def stop_adding(self) -> None:
        """Let the Add button spring back without telling."""
        with QSignalBlocker(self.add):
            self.add.setChecked(False)
