"""The widget *Spots*: joins spot finding, the points on the image and the table."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_labdct.core import InputError, Progress, SpotTable
from napari_labdct.plugin import layers, spots_grains, spots_layer
from napari_labdct.plugin.choices import LayerChoice, bare
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.input import is_input
from napari_labdct.plugin.model_view import ModelChoice
from napari_labdct.plugin.models import ModelShelf, shelf
from napari_labdct.plugin.spot_list import SpotList, by_hand
from napari_labdct.plugin.spots_points import SpotPoints
from napari_labdct.plugin.spots_view import SpotsView
from napari_labdct.plugin.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser

PAUSE = 500
"""Time between two looks at the spots found so far [ms]: tables are slow to fill."""

SHOWN = ("false_alarms", "least_companions")
"""Settings of spot finding that are in sight."""


class Found(NamedTuple):
    """The spots of the whole scan, in place of those of its projections."""

    spots: SpotTable


def settings_form() -> Form:
    """The form of spot finding."""
    from napari_labdct.analysis import FindSettings

    return Form(FindSettings(), shown=SHOWN)


def job(
    stack: ProjectionStack, denoiser: Callable[[], Denoiser] | None, settings: Any
) -> Iterator[Any]:
    """Find the spots of a stack; yields tables, the progress and `Found`."""
    from napari_labdct.workflows.spot_finding import iter_spots

    network = None if denoiser is None else denoiser()
    total = len(stack)
    whole: list[SpotTable] = []

    def tables() -> Iterator[SpotTable]:
        whole.append((yield from iter_spots(stack, network, settings)))

    for number, table in enumerate(tables(), 1):
        yield table
        yield Progress(number, total, f"{number} of {total} projections")
    yield Found(whole[0])


class Spots(SpotsView):
    """The spots of a stack, on the image and in a table."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(settings_form())
        self.controller = SpotsController(bare(viewer), self, shelf())


class SpotsController(QObject):
    """Wires a `SpotsView` to a viewer.

    Parameters
    ----------
    viewer
        Where stacks are and points go.
    view
        What the user sees.
    models
        The networks to choose from.
    """

    def __init__(
        self, viewer: ViewerModel, view: SpotsView, models: ModelShelf
    ) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self.spots = SpotList()
        self._stack: ProjectionStack | None = None
        self._image: Callable[[], Image | None] = lambda: None
        self.points = SpotPoints(viewer, lambda: self._image())
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._show)
        self.task = Task("Find spots")
        self.naming = Task("Name spots", urgent=True)
        self.model = ModelChoice(view, view.model, models)
        self.choice = LayerChoice(viewer, view.layers, is_input)
        self._connect()
        self._show()
        self._take_over()

    def _connect(self) -> None:
        view = self._view
        view.find_wanted.connect(self.find)
        view.cancel_wanted.connect(self.task.cancel)
        view.filter_changed.connect(self._filter)
        view.table.picked.connect(self.points.choose)
        view.grains_wanted.connect(self._ask_grains)
        self.points.picked.connect(view.table.choose)
        self.points.hovered.connect(self._tell)
        self.points.added.connect(self._add_at)
        self.points.removed.connect(self._take_out)
        self.naming.reported.connect(self._named)
        self.naming.failed.connect(self._trouble)
        view.add_wanted.connect(self._set_adding)
        view.remove_wanted.connect(self._remove)
        view.undo_wanted.connect(self._undo)
        view.redo_wanted.connect(self._redo)
        view.open_wanted.connect(self._open)
        view.save_wanted.connect(self._save)
        view.clean_first.toggled.connect(self._update)
        view.layers.chosen.connect(self._update)
        view.details_wanted.connect(self._details)
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.model.chosen.connect(self._update)
        self.model.failed.connect(self._trouble)
        self.task.changed.connect(self._update)
        self.task.reported.connect(self._extend)
        self.task.progressed.connect(view.set_progress)
        self.task.failed.connect(self._trouble)
        self.task.ended.connect(self._ended)
        self._viewer.layers.events.removed.connect(self._removed)
        self._viewer.layers.events.inserted.connect(self._take_over)

    def close(self) -> None:
        """Stop all work and let go of the viewer; the points stay in it."""
        self.task.cancel()
        self.naming.cancel()
        self.model.task.cancel()
        self.choice.close()
        self._pause.stop()
        self._watch(None)
        self.points.close()
        self._viewer.layers.events.removed.disconnect(self._removed)
        self._viewer.layers.events.inserted.disconnect(self._take_over)

    def find(self) -> None:
        """Find the spots of the chosen stack."""
        image = self.choice.layer
        if image is None or self.task.state.is_busy:
            return
        try:
            settings = self._view.settings.parameters
            stack = layers.stack_of(image)
        except InputError as error:
            self._trouble(str(error))
            return
        get = self.model.getter() if self._view.clean_first.isChecked() else None
        old = self.points.layer
        if old is not None and old.name != f"{image.name} spots":
            # Known spots, or those of another stack, are not to be written over.
            self.points.let_go()
        self._begin(image, SpotTable())
        self._view.say("")
        self.task.start(lambda: job(stack, get, settings))

    def _begin(self, image: Image, table: SpotTable) -> None:
        """Show a table of this stack in place of what was shown."""
        self._watch(image)
        self._stack = layers.stack_of(image)
        self.spots = SpotList(table, self._view.filter)
        self._show()

    def _watch(self, image: Image | None) -> None:
        """Let the points follow when the user gives this image a scale."""
        before = self._image()
        if before is not None:
            before.events.scale.disconnect(self.points.follow)
        self._image = (lambda: None) if image is None else weakref.ref(image)
        if image is not None:
            image.events.scale.connect(self.points.follow)

    def _take_over(self, event: object = None) -> None:
        """Show spots that the viewer has, as long as there are no others."""
        busy = self.task.state.is_busy or len(self.spots.table)
        if self.points.layer is not None or busy:
            return
        image = self.choice.layer
        found = [layer for layer in self._viewer.layers if spots_layer.is_spots(layer)]
        if image is not None and found:
            self.points.take(found[-1])
            self._begin(image, found[-1].metadata[layers.KEY])

    def _extend(self, made: list[SpotTable | Found]) -> None:
        self.spots.extend([part for part in made if isinstance(part, SpotTable)])
        if isinstance(made[-1], Found):
            self.spots.settle(made[-1].spots)
        if not self._pause.isActive():
            self._pause.start()

    def _ended(self) -> None:
        self._pause.stop()
        self._show()
        count = len(self.spots.table)
        if not self.task.details:
            self._view.say(
                f"Stopped: {count} spots so far."
                if self.task.cancelled
                else f"{count} spots found."
            )

    def _show(self) -> None:
        """Show the spots that pass the filter as points and in the table."""
        shown = self.spots.shown
        self._view.table.show_frame(shown.frame)
        self._view.set_count(len(shown), len(self.spots.table))
        self._view.set_steps(undo=self.spots.can_undo, redo=self.spots.can_redo)
        self.points.show_spots(shown, self.spots.table)
        self._tell(-1)

    def _add_at(self, projection: int, row: float, column: float) -> None:
        if self._stack is None:
            return
        index = int(np.clip(projection, 0, len(self._stack) - 1))
        omega = float(self._stack.omega[index])
        self.spots.add(by_hand(index, omega, row, column))
        self._show()

    def _tell(self, number: int) -> None:
        """Say what is known of the spot under the mouse."""
        shown = self.spots.shown.frame
        if 0 <= number < len(shown):
            text = spots_layer.in_words(shown.iloc[number])
        else:
            text = "Click on a spot, or on its row." if len(shown) else ""
        self._view.hover.setText(text)

    def _set_adding(self, adding: bool) -> None:
        image = self.choice.layer
        self.points.adding = adding and image is not None
        if self.points.adding:
            if self._image() is not image:
                self._begin(image, SpotTable())
            self._viewer.layers.selection.active = image
            self._view.say("Click on the image where a spot is missing.")
        elif adding:
            self._view.stop_adding()
            self._view.say("Open projections first: there is nothing to click on.")
        else:
            self._view.say("")

    def _take_out(self, numbers: list[int]) -> None:
        self.spots.remove(numbers)
        self._show()

    def _remove(self) -> None:
        chosen = self._view.table.chosen
        if not chosen:
            self._view.say("Choose spots in the table or on the image first.")
            return
        self._take_out(chosen)

    def _undo(self) -> None:
        self.spots.undo()
        self._show()

    def _redo(self) -> None:
        self.spots.redo()
        self._show()

    def _filter(self) -> None:
        self.spots.filter = self._view.filter
        self._show()

    def _open(self) -> None:
        image = self.choice.layer
        if image is None:
            self._trouble("Open the projections first that the spots belong to.")
            return
        path = self._view.ask_open("Open a spot table", "Spot table (*.csv)")
        if path is not None:
            from napari_labdct.files import read_spots

            try:
                self._begin(image, read_spots(path))
            except InputError as error:
                self._trouble(str(error))

    def _save(self) -> None:
        path: Path | None = self._view.ask_save("spots.csv", "Spot table (*.csv)")
        if path is not None:
            from napari_labdct.files import write_spots

            try:
                write_spots(self.spots.shown, path)
            except InputError as error:
                self._trouble(str(error))
            else:
                self._view.say(f"{len(self.spots.shown)} spots saved in {path.name}.")

    def _ask_grains(self) -> None:
        stack = self._stack
        if stack is None or self.naming.state.is_busy:
            return
        path = self._view.ask_open(
            "Open a list of grains or of known spots", "Grains or spots (*.csv)"
        )
        if path is not None:
            found, crystal = self.spots.table, self._view.crystal.currentText()
            self._view.say("Looking which grain every spot comes from…")
            self.naming.start(lambda: spots_grains.job(found, path, stack, crystal))

    def _named(self, made: list[Any]) -> None:
        named, summary = made[-1]
        self.spots.change(named)
        self._show()
        self._view.say(summary)

    def _removed(self, event: Any) -> None:
        if event.value is self.points.layer:
            self.points.let_go()
        elif event.value is self._image():
            self.task.cancel()
        if self.points.layer is None and self._image() not in self._viewer.layers:
            # Neither image nor points: there is nothing to show spots on.
            self.spots, self._stack = SpotList(filter=self._view.filter), None
            self._show()

    def _update(self, *_: object) -> None:
        needs = self._view.clean_first.isChecked()
        ready = self.choice.layer is not None and (self.model.ready or not needs)
        self._view.set_state(self.task.state, ready=ready)

    def _details(self) -> None:
        details = self.task.details or self.naming.details
        self._view.show_text("Details", details)

    def _trouble(self, sentence: str) -> None:
        details = bool(self.task.details or self.naming.details)
        self._view.say(sentence, trouble=True, details=details)
