"""The widget *Train a denoiser*: joins the form, the training and the model shelf."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_labdct.core import InputError
from napari_labdct.plugin import layers, settings
from napari_labdct.plugin.choices import LayerChoice, bare
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.models import ModelShelf, shelf
from napari_labdct.plugin.tasks import State, Task
from napari_labdct.plugin.train_view import TrainView
from napari_labdct.plugin.training import (
    COUNTS,
    RECIPES,
    Clock,
    Training,
    settings_of,
)
from napari_labdct.plugin.training_plots import History, rate_plot

if TYPE_CHECKING:
    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_labdct.core.geometry import Parameters
    from napari_labdct.learning import EpochReport
    from napari_labdct.learning.lr_finder import RatePoint
    from napari_labdct.learning.run import StepReport

SHOWN = (
    "epochs",
    "steps",
    "frozen_epochs",
    "unfrozen_epochs",
    "learning_rate",
    "encoder",
    "loss.perceptual",
)
"""Settings that are in sight, of whichever recipe has them."""


NEW = "new simulations"
"""Stands among the layers for projections that are simulated for the training."""


def is_clean(layer: Layer) -> bool:
    """Whether a layer holds simulated projections without noise."""
    return layers.is_stack(layer) and layers.kind_of(layer) == "simulated"


class TrainDenoiser(TrainView):
    """Train a network that cleans frames, on simulated projections."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        from napari_labdct.core.geometry import Parameters

        # The recipes come with PyTorch, which a thread imports.
        super().__init__(Form(Parameters(), shown=SHOWN))
        self.controller = TrainController(bare(viewer), self, shelf())


class TrainController(QObject):
    """Wires a `TrainView` to a viewer.

    Parameters
    ----------
    viewer
        Where simulated stacks are.
    view
        What the user sees.
    models
        Where the finished model goes.
    """

    def __init__(
        self, viewer: ViewerModel, view: TrainView, models: ModelShelf
    ) -> None:
        super().__init__(view)
        self._viewer, self._view, self._models = viewer, view, models
        self.history = History()
        self._training: Training | None = None
        self.task = Task("Train a denoiser")
        self.search = Task("Find learning rate")
        self._clock = Clock()
        self._points: list[RatePoint] = []
        self._rate: float | None = None
        self.looking = Task("Look for devices", urgent=True)
        self.choice = LayerChoice(viewer, view.source, is_clean, NEW)
        view.source.chosen.connect(self._show_source)
        view.recipe_chosen.connect(self._take_recipe)
        view.reset_wanted.connect(self._reset)
        view.folder_wanted.connect(self._choose_folder)
        view.train_wanted.connect(self._begin)
        view.resume_wanted.connect(self._resume)
        view.stop_wanted.connect(self._stop)
        view.search_wanted.connect(self._search)
        view.rate_wanted.connect(self._use_rate)
        view.weights_wanted.connect(self._choose_weights)
        view.details_wanted.connect(self._details)
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.looking.ended.connect(self._ready)
        self.looking.failed.connect(self._trouble)
        self.task.reported.connect(self._report)
        self.task.told.connect(self._tell)
        self.task.ended.connect(self._ended)
        self.search.reported.connect(self._rates)
        self.search.ended.connect(self._searched)
        for task in (self.task, self.search):
            task.changed.connect(self._update)
            task.progressed.connect(view.set_progress)
            task.failed.connect(self._trouble)
        view.plot.show_plot(self.history.plot())
        self._show_source()
        self.looking.start(models.look)

    def close(self) -> None:
        """Stop all work and let go of the viewer."""
        for task in (self.task, self.search, self.looking):
            task.abandon()
        self.choice.close()

    @property
    def folder(self) -> Path:
        """The model folder that is trained into."""
        name = self._view.name.text().strip() or "model"
        return settings.new_models_folder() / name

    # Methods rather than lambdas: a connected lambda would keep all this in memory.
    def _begin(self) -> None:
        self.start(resume=False)

    def _resume(self) -> None:
        self.start(resume=True)

    def _details(self) -> None:
        details = self.task.details or self.search.details
        self._view.show_text("Details", details)

    def start(self, *, resume: bool) -> None:
        """Begin a training, or go on with one."""
        if self._busy.state.is_busy:
            return
        try:
            training = self._prepare(resume=resume)
            training.check()
        except InputError as error:
            self._trouble(str(error))
            return
        if not resume or not self.history.reports:
            self.history = History.of_folder(self.folder) if resume else History()
            self._view.pictures.hide()
        self._view.plot.show_plot(self.history.plot())
        self._training, self._clock = training, Clock()
        self._view.say("")
        self.task.start(lambda: training.steps(self.task))

    def _prepare(self, *, resume: bool = False) -> Training:
        """What the view says.

        Raises
        ------
        InputError
            If the values do not go together.
        """
        view, layer = self._view, self.choice.layer
        weights = view.weights.text().strip()
        return Training(
            view.settings.parameters,
            self.folder,
            None if layer is None else layers.stack_of(layer),
            view.count.value(),
            view.device.name,
            resume,
            Path(weights).expanduser() if weights else None,
            view.download.isChecked(),
        )

    @property
    def _busy(self) -> Task:
        """The task that the buttons are about."""
        return self.search if self.search.state.is_busy else self.task

    def _stop(self) -> None:
        self._busy.cancel()

    def _search(self) -> None:
        if self._busy.state.is_busy:
            return
        try:
            training = self._prepare()
        except InputError as error:
            self._trouble(str(error))
            return
        self._points = []
        self._view.offer_rate(None)
        self._view.say("")
        self.search.start(training.search)

    def _rates(self, points: list[RatePoint]) -> None:
        self._points.extend(points)
        plot, self._rate = rate_plot(self._points)
        self._view.plot.show_plot(plot)

    def _searched(self) -> None:
        if self.search.state is State.DONE and self._rate is not None:
            self._view.offer_rate(self._rate)
            self._view.say(
                f"The loss falls fastest at a learning rate of {self._rate:.2g}."
            )

    def _use_rate(self) -> None:
        if self._rate is not None:
            # Two digits are all that such a search can tell.
            editor = self._view.settings.editor("learning_rate")
            editor.setValue(float(f"{self._rate:.2g}"))
            self._view.offer_rate(None)

    def _tell(self, steps: list[StepReport]) -> None:
        """Some batches went by."""
        self.history.batches.extend(steps)
        self._view.plot.show_plot(self.history.plot())
        if self.task.state is not State.RUNNING or self._training is None:
            return
        epochs = int(getattr(self._training.settings, "epochs", 0))
        self._view.set_progress(self._clock.progress(steps[-1], epochs))

    def _report(self, reports: list[EpochReport]) -> None:
        self.history.reports.extend(reports)
        self._view.plot.show_plot(self.history.plot())
        names = ("input", "prediction", "truth")
        self._view.pictures.show_pictures(
            dict(zip(names, reports[-1].preview, strict=True))
        )

    def _ended(self) -> None:
        best = self.history.best
        if self._training is None or self.task.state is State.FAILED:
            return
        if best is None:
            self._view.say("Stopped before the first epoch was done: no model yet.")
            return
        name = self._models.add(self._training.folder)
        settings.keep_model_folder(self._training.folder)
        head = "Stopped." if self.task.cancelled else "Done."
        self._view.say(
            f"{head} The model of epoch {best.epoch}, validation loss "
            f"{best.validation_loss:.4g}, is in the model choosers as {name}."
        )

    def _ready(self) -> None:
        self._view.device.set_names(self._models.devices)
        self._view.recipe.set_names(RECIPES)
        self._take_recipe()

    def _take_recipe(self, *_: object) -> None:
        self._view.imagenet.setVisible(self._view.recipe.name == RECIPES[1])
        self._view.count.setValue(COUNTS.get(self._view.recipe.name, 48))
        self._view.offer_rate(None)
        self._reset()

    def _reset(self, *_: object) -> None:
        chosen: Parameters = settings_of(self._view.recipe.name)
        self._view.settings.show_parameters(chosen)
        self._update()

    def _choose_folder(self) -> None:
        folder = self._view.ask_folder("Where new models are written")
        if folder is not None:
            settings.keep("models", "new", str(folder))
            self._view.say(f"New models are written to {folder}.")

    def _choose_weights(self) -> None:
        folder = self._view.ask_folder("Folder with ImageNet weights")
        if folder is not None:
            self._view.weights.setText(str(folder))

    def _show_source(self, *_: object) -> None:
        self._view.count.setVisible(self.choice.layer is None)

    def _update(self, *_: Any) -> None:
        self._view.set_state(self._busy.state, ready=bool(self._view.device.name))

    def _trouble(self, sentence: str) -> None:
        details = bool(self.task.details or self.search.details)
        self._view.say(sentence, trouble=True, details=details)
