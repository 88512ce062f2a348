"""The widget *Spots*: joins spot finding, the points on the image and the table."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_labdct.core import InputError, Progress, SpotTable
from napari_labdct.plugin import layers, spots_layer
from napari_labdct.plugin.choices import LayerChoice, bare
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.input import is_input
from napari_labdct.plugin.model_view import ModelChoice
from napari_labdct.plugin.models import ModelShelf, shelf
from napari_labdct.plugin.spot_list import SpotList, by_hand
from napari_labdct.plugin.spots_view import SpotsView
from napari_labdct.plugin.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Image, Points

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser

PAUSE = 500
"""Time between two looks at the spots found so far [ms]: tables are slow to fill."""

SHOWN = ("false_alarms",)
"""Settings of spot finding that are in sight."""


def settings_form() -> Form:
    """The form of spot finding."""
    from napari_labdct.analysis import FindSettings

    return Form(FindSettings(), shown=SHOWN)


def job(
    stack: ProjectionStack, denoiser: Callable[[], Denoiser] | None, settings: Any
) -> Iterator[Any]:
    """Find the spots of a stack; yields tables and the progress."""
    from napari_labdct.workflows.spot_finding import iter_spots

    network = None if denoiser is None else denoiser()
    total = len(stack)
    for number, table in enumerate(iter_spots(stack, network, settings), 1):
        yield table
        yield Progress(number, total, f"{number} of {total} projections")


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
        self._points: Points | None = None
        self._busy = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._show)
        self.task = Task("Find spots")
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
        view.table.picked.connect(self._show_picked)
        view.add_wanted.connect(self._set_adding)
        view.remove_wanted.connect(self._remove)
        view.undo_wanted.connect(self._undo)
        view.redo_wanted.connect(self._redo)
        view.open_wanted.connect(self._open)
        view.save_wanted.connect(self._save)
        view.clean_first.toggled.connect(self._update)
        view.layers.chosen.connect(self._update)
        view.details_wanted.connect(
            lambda: view.show_text("Details", self.task.details)
        )
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
        self.model.task.cancel()
        self.choice.close()
        self._pause.stop()
        self._listen(False)
        self._set_adding(False)
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
        self._begin(image, SpotTable())
        self._view.say("")
        self.task.start(lambda: job(stack, get, settings))

    def _begin(self, image: Image, table: SpotTable) -> None:
        """Show a table of this stack in place of what was shown."""
        self._image = weakref.ref(image)
        self._stack = layers.stack_of(image)
        self.spots = SpotList(table, self._view.filter)
        self._show()

    def _take_over(self, event: object = None) -> None:
        """Show spots that the viewer has, as long as there are no others."""
        if self._points is not None or self._busy:
            return
        image = self.choice.layer
        found = [layer for layer in self._viewer.layers if spots_layer.is_spots(layer)]
        if image is not None and found:
            self._points = found[-1]
            self._listen(True)
            self._begin(image, found[-1].metadata[layers.KEY])

    def _extend(self, tables: list[SpotTable]) -> None:
        self.spots.extend(tables)
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
        image = self._image()
        if self._stack is None or image not in self._viewer.layers:
            return
        if self._points is None or self._points not in self._viewer.layers:
            if not len(shown):
                return
            self._add_points(image, shown)
            return
        self._busy = True
        try:
            points = self._points
            points.selected_data = set()
            points.data = spots_layer.coordinates(shown)
            points.features = spots_layer.told(shown)
            points.metadata = {**points.metadata, layers.KEY: self.spots.table}
        finally:
            self._busy = False

    def _add_points(self, image: Image, shown: SpotTable) -> None:
        from napari.layers import Layer

        stack = layers.stack_of(image)
        data = spots_layer.spots_to_layer(shown, stack, f"{image.name} spots")
        # The user may have given the layer a pixel size that its files lack.
        place = ("scale", "translate", "units")
        if image.ndim == 3:
            data[1].update({name: getattr(image, name) for name in place})
        active = self._viewer.layers.selection.active
        self._busy = True
        self._points = self._viewer.add_layer(Layer.create(*data))
        self._busy = False
        self._viewer.layers.selection.active = active
        self._listen(True)

    def _listen(self, on: bool) -> None:
        """Follow what the user does to the points, or stop following."""
        if self._points is None:
            return
        selected, data = self._points.events.highlight, self._points.events.data
        for event, slot in (
            (selected, self._points_picked),
            (data, self._points_edited),
        ):
            event.connect(slot) if on else event.disconnect(slot)

    def _points_picked(self, event: object = None) -> None:
        """A point was chosen on the image: choose its row."""
        if self._points is None or self._busy:
            return
        chosen = sorted(self._points.selected_data)
        if chosen != self._view.table.chosen:
            self._view.table.choose(chosen)

    def _points_edited(self, event: Any) -> None:
        """Points were added or removed with napari's own tools."""
        if self._busy or self._points is None or self._stack is None:
            return
        action = str(getattr(event.action, "value", event.action))
        if action not in ("added", "removed"):
            return
        shown = spots_layer.coordinates(self.spots.shown)
        data = np.asarray(self._points.data)
        if action == "added":
            for place in data[len(shown) :]:
                self._add_at(place)
        else:
            kept = {tuple(place) for place in data.tolist()}
            gone = [
                n for n, place in enumerate(shown.tolist()) if tuple(place) not in kept
            ]
            self.spots.remove(gone)
        self._show()

    def _add_at(self, place: Any) -> None:
        if self._stack is None:
            return
        index = int(np.clip(round(float(place[0])), 0, len(self._stack) - 1))
        omega = float(self._stack.omega[index])
        self.spots.add(by_hand(index, omega, float(place[1]), float(place[2])))

    def _show_picked(self, chosen: list[int]) -> None:
        """Rows were chosen in the table: show the first one's place."""
        image = self._image()
        if not chosen or image not in self._viewer.layers or self._points is None:
            return
        spot = self.spots.shown.frame.iloc[chosen[0]]
        layers.show_index(self._viewer, image, int(spot["projection"]))
        place = np.array([spot["row_px"], spot["column_px"]], np.float64)
        camera = self._viewer.scene.camera
        camera.center = (0.0, *layers.to_world(image, place))
        self._busy = True
        self._points.selected_data = set(chosen)
        self._busy = False

    def _set_adding(self, adding: bool) -> None:
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)
        image = self.choice.layer
        if adding and image is not None:
            if self._image() is not image:
                self._begin(image, SpotTable())
            self._viewer.layers.selection.active = image
            callbacks.append(self._on_press)
        elif adding:
            self._view.stop_adding()

    def _on_press(self, viewer: ViewerModel, event: Any) -> None:
        image = self._image()
        if image is None:
            return
        place = layers.to_pixels(image, np.asarray(event.position[-2:]))
        size = np.array(image.data.shape[-2:])
        if np.all((place > -0.5) & (place < size - 0.5)):
            self._add_at((layers.index_of(viewer, image), *place))
            self._show()

    def _remove(self) -> None:
        chosen = self._view.table.chosen
        if not chosen:
            self._view.say("Choose spots in the table or on the image first.")
            return
        self.spots.remove(chosen)
        self._show()

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

    def _removed(self, event: Any) -> None:
        if event.value is self._points:
            self._listen(False)
            self._points = None
        elif event.value is self._image():
            self.task.cancel()

    def _update(self, *_: object) -> None:
        needs = self._view.clean_first.isChecked()
        ready = self.choice.layer is not None and (self.model.ready or not needs)
        self._view.set_state(self.task.state, ready=ready)

    def _trouble(self, sentence: str) -> None:
        details = bool(self.task.details)
        self._view.say(sentence, trouble=True, details=details)
