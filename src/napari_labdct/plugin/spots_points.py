"""The points of *Spots* on the image: chosen, told of, added and removed by mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_labdct.plugin import layers, spots_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Points
    from numpy.typing import NDArray

    from napari_labdct.core import SpotTable

REACH = 10
"""How near the mouse must be to a spot to mean it [px of the screen]."""

TREMBLE = 4
"""How far the mouse may move while it clicks [px of the screen]."""


class SpotPoints(QObject):
    """A layer of points that shows spots and tells what the mouse does to them.

    Spots are numbered as they are shown. Signals: `picked` (list of numbers),
    `hovered` (number, −1 for none), `added` (projection, row, column [px]) and
    `removed` (list of numbers).

    Parameters
    ----------
    viewer
        Where the points go.
    find_image
        Gives the stack's layer that the spots are in, or None.
    """

    picked = Signal(list)
    hovered = Signal(int)
    added = Signal(int, float, float)
    removed = Signal(list)

    def __init__(
        self, viewer: ViewerModel, find_image: Callable[[], Image | None]
    ) -> None:
        super().__init__()
        self._viewer, self._find_image = viewer, find_image
        self.layer: Points | None = None
        self.adding = False
        self._busy = False
        self._places: NDArray[np.float64] = np.empty((0, 3))
        self._under = -1
        viewer.mouse_drag_callbacks.append(self._on_press)
        viewer.mouse_move_callbacks.append(self._on_move)

    def close(self) -> None:
        """Let go of the viewer; the points stay in it."""
        self.let_go()
        for callbacks, slot in (
            (self._viewer.mouse_drag_callbacks, self._on_press),
            (self._viewer.mouse_move_callbacks, self._on_move),
        ):
            if slot in callbacks:
                callbacks.remove(slot)

    @property
    def image(self) -> Image | None:
        """The stack's layer, while the viewer has it."""
        image = self._find_image()
        return image if image in self._viewer.layers else None

    def take(self, layer: Points) -> None:
        """Show spots in a layer that is there already."""
        self.let_go()
        self.layer = layer
        layer.events.highlight.connect(self._selected)
        layer.events.data.connect(self._edited)

    def let_go(self) -> None:
        """Leave the layer alone from now on."""
        if self.layer is not None:
            self.layer.events.highlight.disconnect(self._selected)
            self.layer.events.data.disconnect(self._edited)
        self.layer = None

    def show_spots(self, shown: SpotTable, table: SpotTable) -> None:
        """Show these spots; the layer also keeps the whole table."""
        self._places = spots_layer.coordinates(shown)
        image = self.image
        if image is None:
            return
        self._busy = True
        try:
            if self.layer is None or self.layer not in self._viewer.layers:
                if len(shown):
                    self._add(image, shown)
            else:
                self.layer.selected_data = set()
                self.layer.data = self._places
                self.layer.features = spots_layer.told(shown)
                self._paint([])
            if self.layer is not None:
                kept = self.layer.metadata
                self.layer.metadata = {**kept, layers.KEY: table}
        finally:
            self._busy = False

    def _add(self, image: Image, shown: SpotTable) -> None:
        from napari.layers import Layer

        stack = layers.stack_of(image)
        data = spots_layer.spots_to_layer(shown, stack, f"{image.name} spots", image)
        active = self._viewer.layers.selection.active
        self.take(self._viewer.add_layer(Layer.create(*data)))
        self._viewer.layers.selection.active = active

    def follow(self, event: object = None) -> None:
        """Lie on the image, whose scale the user may have given."""
        image = self.image
        if self.layer is None or image is None or image.ndim != 3:
            return
        for name in ("units", "scale", "translate"):
            setattr(self.layer, name, getattr(image, name))

    def choose(self, numbers: Sequence[int]) -> None:
        """Bring the first of these spots into view, and mark all."""
        image = self.image
        if self.layer is None or image is None or not numbers:
            return
        self._busy = True
        try:
            projection, *place = self._places[numbers[0]]
            layers.show_index(self._viewer, image, int(projection))
            world = layers.to_world(image, np.array(place))
            self._viewer.scene.camera.center = (0.0, *world)
            self.layer.selected_data = set(numbers)
            self._paint(numbers)
        finally:
            self._busy = False

    def _paint(self, numbers: Sequence[int]) -> None:
        """Colour the spots, chosen ones unlike the others."""
        # While napari removes points, the layer and the table differ.
        count = 0 if self.layer is None else len(self.layer.data)
        if self.layer is not None and len(self._places) == count > 0:
            colours = np.full(len(self._places), spots_layer.COLOUR, dtype=object)
            colours[list(numbers)] = spots_layer.CHOSEN
            self.layer.border_color = colours.tolist()

    def _selected(self, event: object = None) -> None:
        """Points were chosen with napari's own tools."""
        if self.layer is None or self._busy:
            return
        chosen = sorted(self.layer.selected_data)
        if chosen:
            self._busy = True
            self._paint(chosen)
            self._busy = False
            self.picked.emit(chosen)

    def _edited(self, event: Any) -> None:
        """Points were added or removed with napari's own tools."""
        action = str(getattr(event.action, "value", event.action))
        if self._busy or self.layer is None or action not in ("added", "removed"):
            return
        data = np.asarray(self.layer.data)
        if action == "added":
            for projection, row, column in data[len(self._places) :]:
                self.added.emit(round(float(projection)), float(row), float(column))
        else:
            kept = {tuple(place) for place in data.tolist()}
            places = enumerate(self._places.tolist())
            self.removed.emit([n for n, place in places if tuple(place) not in kept])

    def _on_press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        """A click, not a drag, chooses the spot under it or adds one."""
        image = self.image
        if image is None or not self._listens(image):
            return
        first = np.asarray(event.position[-2:])
        yield
        while event.type == "mouse_move":
            moved = np.hypot(*(np.asarray(event.position[-2:]) - first))
            if moved * viewer.scene.camera.zoom > TREMBLE:
                return
            yield
        place = layers.to_pixels(image, np.asarray(event.position[-2:]))
        if self.adding:
            size = np.array(image.data.shape[-2:])
            if np.all((place > -0.5) & (place < size - 0.5)):
                index = layers.index_of(viewer, image)
                self.added.emit(index, float(place[0]), float(place[1]))
            return
        number = self._at(image, place)
        if number >= 0:
            self._busy = True
            self._paint([number])
            self._busy = False
            self.picked.emit([number])

    def _on_move(self, viewer: ViewerModel, event: Any) -> None:
        image = self.image
        number = -1
        if image is not None and self._shows():
            position = np.asarray(viewer.cursor.position[-2:])
            number = self._at(image, layers.to_pixels(image, position))
        if number != self._under:
            self._under = number
            self.hovered.emit(number)

    def _shows(self) -> bool:
        layer = self.layer
        return layer is not None and layer in self._viewer.layers and layer.visible

    def _listens(self, image: Image) -> bool:
        """Whether a click means spots: no tool of another layer is in hand."""
        active = self._viewer.layers.selection.active
        free = active is None or str(active.mode) == "pan_zoom"
        return free and (self.adding or self._shows())

    def _at(self, image: Image, place: NDArray[np.float64]) -> int:
        """Number of the spot at a place (row, column) [px] of the frame in view."""
        here = self._places[:, 0] == layers.index_of(self._viewer, image)
        numbers = np.flatnonzero(here)
        if not numbers.size:
            return -1
        away = np.hypot(*(self._places[numbers, 1:] - place).T)
        nearest = int(away.argmin())
        size = abs(float(image.scale[-1])) * self._viewer.scene.camera.zoom
        return int(numbers[nearest]) if away[nearest] * size <= REACH else -1
