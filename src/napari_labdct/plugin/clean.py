"""The widget *Clean stack*: joins viewer, view, models and the cleaning job."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_labdct.core import InputError, Progress
from napari_labdct.plugin import adding, layers
from napari_labdct.plugin.calibrate import Calibration
from napari_labdct.plugin.choices import bare
from napari_labdct.plugin.clean_view import CleanView
from napari_labdct.plugin.cleaning import Cleaning
from napari_labdct.plugin.compare import Comparison
from napari_labdct.plugin.input import StackInput
from napari_labdct.plugin.model_view import ModelChoice
from napari_labdct.plugin.models import ModelShelf, shelf
from napari_labdct.plugin.tasks import State, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari.viewer
    from napari.components import ViewerModel

PAUSE = 60
"""Time that the slider must rest before the visible projection is cleaned [ms]."""


class CleanStack(CleanView):
    """Clean the frames of a stack with a trained network."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.controller = CleanController(bare(viewer), self, shelf())


class CleanController(QObject):
    """Wires a `CleanView` to a viewer.

    Parameters
    ----------
    viewer
        Where stacks come from and results go to.
    view
        What the user sees.
    models
        The networks to choose from.
    """

    def __init__(
        self, viewer: ViewerModel, view: CleanView, models: ModelShelf
    ) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self.task = Task("Clean stack")
        self.glance = Task("Clean one projection", urgent=True)
        self.saving = Task("Save the cleaned stack")
        self.input = StackInput(viewer, view.input)
        self.comparison = Comparison(viewer, view.compare)
        self.model = ModelChoice(view, view.model, models)
        self.calibration = Calibration(view, self.input, self.model)
        own = (self.task, self.glance, self.saving)
        self._tasks = (*own, self.calibration.task, self.model.task)
        self._cleaning: Cleaning | None = None
        self._key = ("", "")
        self._input: Callable[[], Any] = lambda: None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._glance)
        self._connect()
        self._update()

    def _connect(self) -> None:
        view = self._view
        view.clean_wanted.connect(self.start)
        view.cancel_wanted.connect(self._cancel)
        view.preview_wanted.connect(self._pause.start)
        view.save_wanted.connect(self._save)
        view.details_wanted.connect(self._details)
        view.closed.connect(self.comparison.close)
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.input.chosen.connect(self._update)
        self.input.turned.connect(self._forget)  # what has begun is of other frames
        self.input.said.connect(view.say)
        self.input.failed.connect(self._trouble)
        self.model.chosen.connect(self._update)
        self.model.failed.connect(self._trouble)
        self.calibration.said.connect(view.say)
        self.calibration.failed.connect(self._trouble)
        for task in (self.task, self.glance, self.saving):
            task.failed.connect(self._trouble)
        for task in (self.task, self.glance):
            task.reported.connect(self._report)
        for task in (self.task, self.saving):
            task.changed.connect(self._update)
            task.progressed.connect(view.set_progress)
        self.task.ended.connect(self._ended)
        self.glance.ended.connect(self._pause.start)
        self.saving.ended.connect(self._saved)
        self._viewer.dims.events.current_step.connect(self._moved)
        self._viewer.layers.events.removed.connect(self._removed)

    def close(self) -> None:
        """Stop all work and let go of the viewer."""
        for task in self._tasks:
            task.abandon()
        self.input.close()
        self._viewer.dims.events.current_step.disconnect(self._moved)
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._cleaning = None

    def start(self) -> None:
        """Clean the chosen layer, the projection in view first."""
        cleaning = self._prepare()
        if cleaning is None or self.task.state.is_busy:
            return
        if cleaning.done.all():
            self._view.say("All projections are cleaned with this model already.")
            return
        self._view.say("")
        get = self.model.getter()
        self.task.start(lambda: cleaning.steps(get))

    def _cancel(self) -> None:
        self.task.cancel()
        self.saving.cancel()

    def _prepare(self) -> Cleaning | None:
        """What was begun for the chosen layer and model, or a new beginning."""
        layer, key, old = self.input.layer, self.model.key, self._cleaning
        if layer is None or not self.model.ready:
            return None
        index = layers.index_of(self._viewer, layer)
        if old is not None and self._input() is layer and self._key == key:
            old.wanted = index
            return old
        try:
            stack = layers.stack_of(layer)
        except InputError as error:
            self._trouble(str(error))
            return None
        if old is not None and self._input() is layer:
            made = Cleaning(stack, old.cleaned, old.difference, index)
        else:
            self._forget()
            cleaned = adding.preallocate(stack.shape)
            made = Cleaning(stack, cleaned, adding.preallocate(stack.shape), index)
        self._cleaning, self._input, self._key = made, weakref.ref(layer), key
        return made

    def _report(self, batch: list[int]) -> None:
        """Show what was written."""
        layer, cleaning = self._input(), self._cleaning
        if cleaning is None or layer not in self._viewer.layers:
            return
        if not self.comparison.is_open:
            made = adding.add_results(
                self._viewer, layer, cleaning.cleaned, cleaning.difference
            )
            self._viewer.layers.selection.active = layer
            self.comparison.open(layer, *made)
        elif layers.index_of(self._viewer, layer) in batch:
            self.comparison.refresh()

    def _ended(self) -> None:
        cleaning = self._cleaning
        if cleaning is None or self.task.state is State.FAILED:
            return
        count, total = int(cleaning.done.sum()), len(cleaning.stack)
        if self.task.cancelled and count < total:
            self._view.say(
                f"Stopped: {count} of {total} projections are cleaned, the others are "
                "empty. Clean goes on with them."
            )
        else:
            self._view.say(f"{total} projections cleaned." if total > 1 else "Cleaned.")
        for layer in self.comparison.layers[1:]:
            adding.remember(layer, cleaning.step)

    def _moved(self, event: object = None) -> None:
        layer = self._input()
        if self._cleaning is not None and layer in self._viewer.layers:
            self._cleaning.wanted = layers.index_of(self._viewer, layer)
        self._pause.start()

    def _glance(self) -> None:
        """Clean the projection in view, when that is wanted and not done."""
        if not self._view.preview.isChecked():
            return
        if self.task.state.is_busy or self.glance.state.is_busy:
            return
        cleaning = self._prepare()
        if cleaning is not None and not cleaning.shown(cleaning.wanted):
            get = self.model.getter()
            self.glance.start(lambda: cleaning.glance(get))

    def _update(self, *_: object) -> None:
        busy = self.task if self.task.state.is_busy else self.saving
        ready = self.model.ready and self.input.layer is not None
        self._view.set_state(busy.state, ready=ready)
        self._view.save.setEnabled(self.comparison.is_open and not busy.state.is_busy)
        self.calibration.update()
        self._pause.start()

    def _removed(self, event: Any) -> None:
        """A layer that took part is gone: stop and forget."""
        self.calibration.forget(event.value)
        shown = bool(self.comparison.layers) and not self.comparison.is_open
        if shown or (self._cleaning is not None and event.value is self._input()):
            self._forget()

    def _forget(self) -> None:
        self.task.cancel()
        self.glance.cancel()
        self.comparison.close()
        self._view.compare.setEnabled(False)
        self._cleaning, self._input = None, lambda: None
        self._update()

    def _save(self) -> None:
        cleaning, layer = self._cleaning, self._input()
        if cleaning is None or layer is None or self.saving.state.is_busy:
            return
        missing = int((~cleaning.done).sum())
        if missing:
            self._trouble(
                f"{missing} of {len(cleaning.stack)} projections are not cleaned yet: "
                "press Clean to go on with them, then save."
            )
            return
        path = self._view.ask_save(f"{layer.name} cleaned.tif")
        if path is not None:
            self._view.say(f"Saving {path.name}…")
            self.saving.start(lambda: write(cleaning, path))

    def _saved(self) -> None:
        if self.saving.state is State.DONE:
            self._view.say("Not saved." if self.saving.cancelled else "Saved.")

    def _trouble(self, sentence: str) -> None:
        details = any(task.details for task in self._tasks)
        self._view.say(sentence, trouble=True, details=details)

    def _details(self) -> None:
        text = "\n".join(task.details for task in self._tasks if task.details)
        self._view.show_text("Details", text)


def write(cleaning: Cleaning, path: Path) -> Iterator[Progress]:
    """Write the cleaned stack, frame by frame; a job for the background."""
    from napari_labdct.files import StackWriter

    total = len(cleaning.stack)
    with StackWriter(path, cleaning.stack, "cleaned", cleaning.step) as writer:
        for index, frame in enumerate(cleaning.cleaned):
            writer.write(frame)
            yield Progress(index + 1, total, f"{index + 1} of {total} written")
