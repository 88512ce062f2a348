"""What the widget *Train a denoiser* looks like; it does not know the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

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
    `resume_wanted`, `stop_wanted`, `search_wanted`, `rate_wanted` (take the rate that
    was found), `weights_wanted` (choose a folder).
    """

    recipe_chosen = Signal(str)
    reset_wanted = Signal()
    folder_wanted = Signal()
    train_wanted = Signal()
    resume_wanted = Signal()
    stop_wanted = Signal()
    search_wanted = Signal()
    rate_wanted = Signal()
    weights_wanted = Signal()

    def __init__(self, settings: Form, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source = Choice(
            "none",
            "Clean projections to train on: a simulated stack that is open, or new "
            "simulations (of random samples, or of the paper's sample).",
        )
        self.count = QSpinBox()
        self.count.setRange(2, 10000)
        self.count.setValue(48)
        self.count.setSuffix(" projections")
        self.count.setToolTip("How many projections to simulate before the training.")
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
        what = QVBoxLayout()
        what.addWidget(self.source)
        what.addWidget(self.count)
        self._make_weights()
        self.add_section(
            "Training",
            form([("Train on", what), ("Recipe", row(self.recipe, reset))]),
            self.imagenet,
            settings,
            form([("Device", self.device), ("Name", row(self.name, place))]),
        )
        self._make_run()
        self.set_state(State.IDLE)

    def _make_weights(self) -> None:
        """Where the paper's recipe finds ImageNet weights, or may fetch them."""
        self.weights = QLineEdit()
        self.weights.setPlaceholderText("PyTorch's own folder")
        self.weights.setToolTip(
            "Folder with resnet34-….pth and vgg16….pth as torchvision publishes them."
        )
        browse = button("Browse…", "Choose the folder that holds the weights.")
        browse.clicked.connect(self.weights_wanted)
        self.download = QCheckBox("Download what is missing (up to 611 MB)")
        self.download.setToolTip(
            "Fetch ImageNet weights from download.pytorch.org when the training "
            "begins. Without it nothing is fetched; encoder and perceptual can be "
            "random."
        )
        self.imagenet = QWidget()
        inside = QVBoxLayout(self.imagenet)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        inside.addLayout(form([("ImageNet", row(self.weights, browse))]))
        inside.addWidget(self.download)
        self.imagenet.hide()

    def _make_run(self) -> None:
        self.train = button("Train", "Begin a new training.")
        self.resume = button("Resume", "Go on with the training in the folder.")
        self.stop = button(
            "Stop",
            "Stop after this epoch, or at once when pressed again; the best model is "
            "kept.",
        )
        self.train.clicked.connect(self.train_wanted)
        self.resume.clicked.connect(self.resume_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.words = QLabel()
        self.plot = CurvePlot()
        self.pictures = Pictures()
        self.search = button(
            "Find learning rate",
            "Train a fresh network while the learning rate rises, and plot the loss.",
        )
        self.search.clicked.connect(self.search_wanted)
        self.use_rate = button("", "Take this learning rate into the form.")
        self.use_rate.clicked.connect(self.rate_wanted)
        self.use_rate.hide()
        self.column.addLayout(row(self.search, self.use_rate, even=True))
        self.column.addLayout(row(self.train, self.resume, self.stop, even=True))
        self.column.addWidget(self.progress)
        self.column.addWidget(self.words)
        self.column.addWidget(self.plot, 1)
        self.column.addWidget(self.pictures)

    def set_state(self, state: State, *, ready: bool = False) -> None:
        """Let the buttons say what can be done."""
        for made in (self.train, self.resume, self.search):
            made.setEnabled(ready and not state.is_busy)
        self.stop.setEnabled(state.is_busy)
        self.stop.setText("Stop now" if state is State.STOPPING else "Stop")
        self.progress.setVisible(state.is_busy)
        self.words.setVisible(state.is_busy)
        if state is State.WAITING:
            self.words.setText("Waiting for another job.")
            self.progress.setRange(0, 0)
        elif state is State.STOPPING:
            self.words.setText("Stopping after this epoch. The best model is kept.")

    def offer_rate(self, rate: float | None) -> None:
        """Offer a learning rate that was found, or none."""
        self.use_rate.setVisible(rate is not None)
        if rate is not None:
            self.use_rate.setText(f"Use {rate:.2g}")

    def set_progress(self, progress: Progress) -> None:
        """Move the bar."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)
        self.words.setText(progress.what)
