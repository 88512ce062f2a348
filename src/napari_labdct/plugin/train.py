"""The widget *Train a denoiser*: joins the form, the training and the model shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_labdct.core import InputError
from napari_labdct.plugin import layers, settings
from napari_labdct.plugin.choices import LayerChoice, bare
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.models import ModelShelf, shelf
from napari_labdct.plugin.tasks import State, Task
from napari_labdct.plugin.train_view import TrainView
from napari_labdct.plugin.training import RECIPES, History, Training, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_labdct.core.geometry import Parameters
    from napari_labdct.learning import EpochReport

SHOWN = ("epochs", "steps", "frozen_epochs", "unfrozen_epochs", "learning_rate")
"""Settings that are in sight, of whichever recipe has them."""


RANDOM = "random samples"
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
        self.looking = Task("Look for devices", urgent=True)
        self.choice = LayerChoice(viewer, view.source, is_clean, RANDOM)
        view.source.chosen.connect(self._show_source)
        view.recipe_chosen.connect(self._reset)
        view.reset_wanted.connect(self._reset)
        view.folder_wanted.connect(self._choose_folder)
        view.train_wanted.connect(lambda: self.start(resume=False))
        view.resume_wanted.connect(lambda: self.start(resume=True))
        view.stop_wanted.connect(self.task.cancel)
        view.details_wanted.connect(
            lambda: view.show_text("Details", self.task.details)
        )
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.looking.ended.connect(self._ready)
        self.looking.failed.connect(self._trouble)
        self.task.changed.connect(self._update)
        self.task.progressed.connect(view.set_progress)
        self.task.reported.connect(self._report)
        self.task.failed.connect(self._trouble)
        self.task.ended.connect(self._ended)
        view.plot.show_plot(self.history.plot())
        self._show_source()
        self.looking.start(models.look)

    def close(self) -> None:
        """Stop all work and let go of the viewer."""
        self.task.cancel()
        self.looking.cancel()
        self.choice.close()

    @property
    def folder(self) -> Path:
        """The model folder that is trained into."""
        name = self._view.name.text().strip() or "model"
        return settings.new_models_folder() / name

    def start(self, *, resume: bool) -> None:
        """Begin a training, or go on with one."""
        if self.task.state.is_busy:
            return
        layer = self.choice.layer
        try:
            training = Training(
                self._view.settings.parameters,
                self.folder,
                None if layer is None else layers.stack_of(layer),
                self._view.count.value(),
                self._view.device.name,
                resume,
            )
            training.check()
        except InputError as error:
            self._trouble(str(error))
            return
        if not resume:
            self.history = History()
            self._view.plot.show_plot(self.history.plot())
            self._view.pictures.hide()
        self._training = training
        self._view.say("")
        self.task.start(training.steps)

    def _report(self, reports: list[EpochReport]) -> None:
        self.history.reports.extend(reports)
        self._view.plot.show_plot(self.history.plot())
        names = ("input", "prediction", "truth")
        self._view.pictures.show_pictures(
            dict(zip(names, reports[-1].preview, strict=True))
        )

    def _ended(self) -> None:
        best = self.history.best
        if best is None or self._training is None or self.task.state is State.FAILED:
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

    def _show_source(self, *_: object) -> None:
        self._view.count.setVisible(self.choice.layer is None)

    def _update(self, *_: Any) -> None:
        self._view.set_state(self.task.state, ready=bool(self._view.device.name))

    def _trouble(self, sentence: str) -> None:
        self._view.say(sentence, trouble=True, details=bool(self.task.details))
