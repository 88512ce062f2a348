"""Compare input, cleaned and difference: beside, in turn, or by a swipe."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_labdct.plugin.adding import diverging, magnitude
from napari_labdct.plugin.contrast import ContrastLink
from napari_labdct.plugin.layers import KEY, PART
from napari_labdct.plugin.lines import find_lines, is_lines
from napari_labdct.plugin.mirror import Mirror

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_labdct.plugin.compare_view import CompareView

FLICKER = 500
"""Time that each of the two pictures is shown while flickering [ms]."""


class Comparison(QObject):
    """Arranges three layers as a `CompareView` asks, and puts everything back.

    Parameters
    ----------
    viewer
        Where the layers are.
    view
        What the user sees.
    """

    def __init__(self, viewer: ViewerModel, view: CompareView) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self._layers: list[weakref.ref[Image]] = []
        self._link: ContrastLink | None = None
        self._hidden: list[weakref.ref[Any]] = []
        self._part: Any = None
        self._mirror: Mirror | None = None
        self._order: list[weakref.ref[Any]] = []
        self._mode = "overlay"
        self._timer = QTimer(self)
        self._timer.setInterval(FLICKER)
        self._timer.timeout.connect(self._blink)
        view.mode_chosen.connect(self.set_mode)
        view.swiped.connect(self._swipe)
        view.absolute_wanted.connect(self._set_absolute)
        view.linked_wanted.connect(self._set_linked)
        view.setEnabled(False)

    @property
    def layers(self) -> list[Image]:
        """Input, cleaned and difference, as far as the viewer still has them."""
        alive = [reference() for reference in self._layers]
        return [layer for layer in alive if layer in self._viewer.layers]

    @property
    def is_open(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self._layers) and len(self.layers) == len(self._layers)

    def open(self, stack: Image, cleaned: Image, difference: Image) -> None:
        """Compare these layers from now on; only weak references are kept."""
        self.close()
        self._layers = [weakref.ref(layer) for layer in (stack, cleaned, difference)]
        self._link = ContrastLink(stack, cleaned, difference)
        self._link.active = self._view.linked.isChecked()
        self._set_absolute(self._view.signed.currentIndex() == 1)
        self._view.setEnabled(True)
        self.set_mode(self._view.mode)

    def close(self) -> None:
        """Put the viewer back as it was."""
        self._restore()
        if self._link is not None:
            self._link.close()
        self._link, self._layers = None, []

    def refresh(self) -> None:
        """Draw the layers again after their arrays were written to."""
        for layer in self.layers:
            layer.refresh()
        if self._part in self._viewer.layers:
            self._part.refresh()

    def set_mode(self, mode: str) -> None:
        """Arrange the layers: "overlay", "side", "flicker" or "swipe"."""
        self._restore()
        if not self.is_open:
            return
        self._mode = mode
        for layer, shown in zip(self.layers, (True, True, mode == "side"), strict=True):
            layer.visible = shown
        if mode == "side":
            self._put_beside()
        elif mode == "flicker":
            self._timer.start()
        elif mode == "swipe":
            self._swipe(self._view.swipe.value() / 1000)

    def _swipe(self, fraction: float) -> None:
        """Show the cleaned layer only right of a fraction of the width."""
        if self._mode != "swipe" or not self.is_open:
            return
        cleaned = self.layers[1]
        columns = cleaned.data.shape[-1]
        start = int(np.clip(round(fraction * columns), 0, columns - 1))
        translate = cleaned.translate.copy()
        translate[-1] += start * cleaned.scale[-1]
        part = cleaned.data[..., start:]
        if self._part is None:
            # napari's clipping planes do nothing to 2-D images: a part is shown.
            active = self._viewer.layers.selection.active
            self._part = self._viewer.add_image(
                part,
                name=f"{cleaned.name} (right part)",
                scale=cleaned.scale,
                translate=translate,
                units=cleaned.units,
                axis_labels=cleaned.axis_labels,
                contrast_limits=cleaned.contrast_limits,
                colormap=cleaned.colormap,
                gamma=cleaned.gamma,
                metadata={KEY: PART},
            )
            self._viewer.layers.selection.active = active
            cleaned.visible = False
        elif self._part in self._viewer.layers:
            self._part.data = part
            self._part.translate = translate
            self._part.contrast_limits = cleaned.contrast_limits

    def _set_absolute(self, absolute: bool) -> None:
        """Show the difference without its sign; its values stay signed."""
        if self.is_open:
            self.layers[2].colormap = magnitude() if absolute else diverging()

    def _set_linked(self, linked: bool) -> None:
        if self._link is not None:
            self._link.active = linked

    def _put_beside(self) -> None:
        layers = self._viewer.layers
        self._order = [weakref.ref(layer) for layer in layers]
        groups: list[list[Any]] = [[layer] for layer in self.layers]
        source = find_lines(self._viewer)
        if source is not None and source.visible:
            # A layer lives in one cell only: the other cells get copies.
            self._mirror = Mirror(self._viewer, source, self.layers[1:])
            for group, lines in zip(groups, self._mirror.layers, strict=True):
                group.append(lines)
        shown = [layer for group in groups for layer in group]
        for layer in layers:
            if layer not in shown and layer.visible:
                layer.visible = False
                self._hidden.append(weakref.ref(layer))
        for place, layer in enumerate(shown):
            layers.move(layers.index(layer), place)
        grid = self._viewer.canvas.grid
        rows, columns = self.layers[0].data.shape[-2:]
        grid.shape = best_grid(self._viewer.canvas.size, columns / rows)
        grid.stride, grid.spacing = len(groups[0]), 4
        grid.enabled = True
        layers.events.inserted.connect(self._inserted)
        for layer in self.layers:
            layer.name_overlay.visible = True
        self._viewer.reset_view()

    def _take_apart(self) -> None:
        """Undo `_put_beside`."""
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._inserted)
        self._viewer.canvas.grid.enabled = False
        for layer in self.layers:
            layer.name_overlay.visible = False
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None
        before = [layer for ref in self._order if (layer := ref()) in layers]
        for place, layer in enumerate(before):
            layers.move(layers.index(layer), place)
        for reference in self._hidden:
            layer = reference()
            if layer is not None:
                layer.visible = True
        self._hidden.clear()
        if self.layers:
            self._viewer.reset_view()

    def _inserted(self, event: Any) -> None:
        """Lines came while the pictures are beside each other: show them in all."""
        if self._mode == "side" and self._mirror is None and is_lines(event.value):
            active = self._viewer.layers.selection.active
            self.set_mode("side")
            self._viewer.layers.selection.active = active

    def _restore(self) -> None:
        self._timer.stop()
        if self._mode == "side":
            self._take_apart()
        part, self._part, self._mode = self._part, None, "overlay"
        if part in self._viewer.layers:
            self._viewer.layers.remove(part)
        for layer in self.layers[:2]:
            layer.visible = True

    def _blink(self) -> None:
        if self.is_open:
            self.layers[1].visible = not self.layers[1].visible


def best_grid(canvas: tuple[int, int], aspect: float) -> tuple[int, int]:
    """Rows and columns of a grid in which three pictures are largest.

    Parameters
    ----------
    canvas
        Height and width of the canvas [px of the screen].
    aspect
        Width of a picture over its height.
    """

    def height(shape: tuple[int, int]) -> float:
        return min(canvas[0] / shape[0], canvas[1] / shape[1] / aspect)

    return max(((1, 3), (2, 2), (3, 1)), key=height)
