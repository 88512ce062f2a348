"""What the widget *Train a denoiser* looks like; it does not know the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QProgressBar, QSpinBox, QWidget

from napari_labdct.plugin.choices import Choice
from napari_labdct.plugin.dock import Dock, button, form, row
from napari_labdct.plugin.pictures import Pictures
from napari_labdct.plugin.plot import CurvePlot
from napari_labdct.plugin.tasks import State

if TYPE_CHECKING:
    from napari_labdct.core import Progress
    from napari_labdct.plugin.forms import Form


class TrainView(Dock):
    """What to train on, the recipe, the losses as they fall, a look at a prediction.

    Signals: `recipe_chosen` (name), `reset_wanted`, `folder_wanted`, `train_wanted`,
    `resume_wanted`, `stop_wanted`.
    """

    recipe_chosen = Signal(str)
    reset_wanted = Signal()
    folder_wanted = Signal()
    train_wanted = Signal()
    resume_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, settings: Form, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = Choice(
            "none",
            "Clean projections to train on: a simulated stack, or random samples.",
        )
        self.count = QSpinBox()
        self.count.setRange(2, 10000)
        self.count.setValue(48)
        self.count.setSuffix(" projections")
        self.count.setToolTip("How many projections of random samples to simulate.")
        self.recipe = Choice("none", "How the network is built and trained.")
        self.recipe.chosen.connect(self.recipe_chosen)
        reset = button("Restore", "Go back to the values of the recipe.")
        reset.clicked.connect(self.reset_wanted)
        self.settings = settings
        self.device = Choice("looking…", "Where to train.")
        self.name = QLineEdit("my model")
        self.name.setToolTip("Name of the model; its folder is called so.")
        place = button("Folder…", "Where new models are written.")
        place.clicked.connect(self.folder_wanted)
        self._rows = form(
            [
                ("Train on", row(self.source, self.count)),
                ("Recipe", row(self.recipe, reset)),
            ]
        )
        self.add_section(
            "Training",
            self._rows,
            settings,
            form([("Device", self.device), ("Name", row(self.name, place))]),
        )
        self._make_run()
        self.set_state(State.IDLE)

    def _make_run(self) -> None:
        self.train = button("Train", "Begin a new training.")
        self.resume = button("Resume", "Go on with the training in the folder.")
        self.stop = button("Stop", "Stop after this epoch; the best model is kept.")
        self.train.clicked.connect(self.train_wanted)
        self.resume.clicked.connect(self.resume_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.words = QLabel()
        self.plot = CurvePlot()
        self.pictures = Pictures()
        self.column.addLayout(row(self.train, self.resume, self.stop, even=True))
        self.column.addWidget(self.progress)
        self.column.addWidget(self.words)
        self.column.addWidget(self.plot, 1)
        self.column.addWidget(self.pictures)

    def set_state(self, state: State, *, ready: bool = False) -> None:
        """Let the buttons say what can be done."""
        for made in (self.train, self.resume):
            made.setEnabled(ready and not state.is_busy)
        self.stop.setEnabled(state in (State.WAITING, State.RUNNING))
        self.stop.setText("Stopping…" if state is State.STOPPING else "Stop")
        self.progress.setVisible(state.is_busy)
        self.words.setVisible(state.is_busy)
        if state is State.WAITING:
            self.words.setText("Waiting for another job.")
            self.progress.setRange(0, 0)
        elif state is State.STOPPING:
            self.words.setText("Stopping after this epoch; the best model is kept.")

    def set_progress(self, progress: Progress) -> None:
        """Move the bar."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)
        self.words.setText(progress.what)
