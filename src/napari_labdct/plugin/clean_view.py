"""What the widget *Clean stack* looks like; it knows neither viewer nor network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QProgressBar, QWidget

from napari_labdct.plugin.calibrate import CalibrateView
from napari_labdct.plugin.compare_view import CompareView
from napari_labdct.plugin.dock import Dock, button, row
from napari_labdct.plugin.input_view import InputView
from napari_labdct.plugin.model_view import ModelView
from napari_labdct.plugin.tasks import State

if TYPE_CHECKING:
    from napari_labdct.core import Progress


class CleanView(Dock):
    """Input, model, the Clean button, and how to compare the results.

    Signals: `clean_wanted`, `cancel_wanted`, `preview_wanted` (bool),
    `save_wanted`.
    """

    clean_wanted = Signal()
    cancel_wanted = Signal()
    preview_wanted = Signal(bool)
    save_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.input = InputView()
        # Who misses the box means it all the same.
        self.input.drop.also_on(self)
        self.add_section("Projections", self.input)
        self.model = ModelView()
        self.calibrate = CalibrateView()
        self.add_section("Model", self.model, self.calibrate)
        self._make_run()
        self.compare = CompareView()
        self.save = button("Save cleaned…", "Write the cleaned stack as TIFF.")
        self.save.clicked.connect(self.save_wanted)
        self.add_section("Compare", self.compare, self.save)
        self.column.addStretch(1)
        self.set_state(State.IDLE)
        self.save.setEnabled(False)

    def _make_run(self) -> None:
        self.preview = QCheckBox("Clean what I look at while I browse")
        self.preview.setToolTip(
            "Clean the visible projection at once whenever the slider moves."
        )
        self.preview.toggled.connect(self.preview_wanted)
        self.clean = button(
            "Clean", "Clean all projections of the layer.", "Ctrl+Return"
        )
        self.cancel = button("Cancel", "Stop; what is cleaned already stays.")
        self.clean.clicked.connect(self.clean_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress_words = QLabel()
        self.add_section(
            "Clean",
            self.preview,
            row(self.clean, self.cancel),
            self.progress,
            self.progress_words,
        )

    def set_state(self, state: State, *, ready: bool = False) -> None:
        """Let the buttons say what can be done."""
        self.clean.setEnabled(ready and not state.is_busy)
        self.clean.setToolTip(
            "Clean all projections of the layer."
            if ready
            else "Open projections first; the model must be loaded, too."
        )
        self.cancel.setEnabled(state in (State.WAITING, State.RUNNING))
        self.cancel.setText("Stopping…" if state is State.STOPPING else "Cancel")
        self.progress.setVisible(state.is_busy)
        self.progress_words.setVisible(state.is_busy)
        if state is State.WAITING:
            self.progress_words.setText("Waiting for another job to end.")
            self.progress.setRange(0, 0)
        elif state is State.RUNNING:
            self.progress_words.setText("Preparing…")
            self.progress.setRange(0, 0)

    def set_progress(self, progress: Progress) -> None:
        """Move the bar."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)
        self.progress_words.setText(progress.what)
