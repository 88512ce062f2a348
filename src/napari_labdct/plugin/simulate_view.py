"""What the widget *Simulate projections* looks like; it does not know the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QProgressBar, QWidget

from napari_labdct.plugin.choices import Choice
from napari_labdct.plugin.dock import Dock, button, form, row
from napari_labdct.plugin.tasks import State

if TYPE_CHECKING:
    from napari_labdct.core import Progress
    from napari_labdct.plugin.forms import Form


class SimulateView(Dock):
    """A virtual scan as a form, a preview of one projection, the whole scan.

    Signals: `preset_chosen` (name), `reset_wanted`, `open_wanted`, `save_wanted`,
    `preview_wanted`, `simulate_wanted`, `cancel_wanted`, `live_toggled` (bool),
    `grains_wanted`.
    """

    preset_chosen = Signal(str)
    reset_wanted = Signal()
    open_wanted = Signal()
    save_wanted = Signal()
    preview_wanted = Signal()
    simulate_wanted = Signal()
    cancel_wanted = Signal()
    live_toggled = Signal(bool)
    grains_wanted = Signal()

    def __init__(self, scan: Form, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.preset = Choice("none", "A scan to begin with; all of it can be changed.")
        self.preset.chosen.connect(self.preset_chosen)
        reset = button("Restore", "Go back to the values of the preset.")
        reset.clicked.connect(self.reset_wanted)
        load = button("Open run file…", "Use the scan in a run file (JSON or YAML).")
        load.clicked.connect(self.open_wanted)
        save = button("Save run file…", "Write this scan for labdct simulate.")
        save.clicked.connect(self.save_wanted)
        self.scan = scan
        self.add_section(
            "Virtual scan",
            form([("Preset", row(self.preset, reset))]),
            self.scan,
            row(load, save, even=True),
        )
        self.live = QCheckBox("Live preview")
        self.live.setToolTip(
            "Simulate one projection after every change, at the scan's first angle."
        )
        self.live.toggled.connect(self.live_toggled)
        self.grains = button(
            "Grains in 3-D", "Show the grains, coloured by orientation."
        )
        self.grains.setEnabled(False)
        self.grains.clicked.connect(self.grains_wanted)
        self.preview = button(
            "Preview one", "Simulate one projection, at the first angle of the scan."
        )
        self.simulate = button("Simulate scan", "Simulate all projections.")
        self.cancel = button("Cancel", "Stop; projections done so far stay.")
        self.preview.clicked.connect(self.preview_wanted)
        self.simulate.clicked.connect(self.simulate_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.words = QLabel()
        for part in (self.progress, self.words):
            # Their place at the end is kept, so that nothing moves as jobs come and go.
            policy = part.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            part.setSizePolicy(policy)
        self.add_section(
            "Simulate",
            row(self.live, self.grains, even=True),
            row(self.preview, self.simulate, self.cancel, even=True),
            self.progress,
            self.words,
        )
        self.column.addStretch(1)
        self.set_state(State.IDLE)

    def set_state(self, state: State) -> None:
        """Let the buttons say what can be done."""
        self.preview.setEnabled(not state.is_busy)
        self.simulate.setEnabled(not state.is_busy)
        self.cancel.setEnabled(state in (State.WAITING, State.RUNNING))
        self.progress.setVisible(state.is_busy)
        self.words.setVisible(state.is_busy)
        if state is State.WAITING:
            self.words.setText("Waiting for another job.")
            self.progress.setRange(0, 0)

    def set_progress(self, progress: Progress) -> None:
        """Move the bar."""
        self.progress.setRange(0, progress.total if progress.done else 0)
        self.progress.setValue(progress.done)
        self.words.setText(progress.what)
