"""Wires an `InputView`: from files, folders and layers to the stack to work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_labdct.core.turn import TURNS, Turn
from napari_labdct.plugin import grid, layers
from napari_labdct.plugin.choices import LayerChoice
from napari_labdct.plugin.opening import Opener

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_labdct.plugin.input_view import InputView


EMPTY = "Nothing is open yet. To try it: File → Open Sample → LabDCT."
"""What to do while there are no projections."""


def is_input(layer: Layer) -> bool:
    """Whether a layer can be cleaned: a stack that is no result of cleaning."""
    results = ("cleaned", "difference")
    return layers.is_stack(layer) and layers.kind_of(layer) not in results


def single_frames(viewer: ViewerModel) -> list[Image]:
    """Layers of single frames of one size, each read from a file of its own.

    That is what a drop of many files on napari's canvas makes.
    """
    found: list[Image] = []
    for layer in viewer.layers:
        if is_input(layer) and layer.source.path and layer.data.size:
            stack = layers.stack_of(layer)
            if len(stack) == 1 and Path(layer.source.path).is_file():
                found.append(layer)
    shapes = {layer.data.shape for layer in found}
    return found if len(shapes) == 1 else []


class StackInput(QObject):
    """The stack that the user chose.

    Signals: `chosen`, `turned` (nothing), `said` and `failed` (one sentence).

    Parameters
    ----------
    viewer
        Where the layers are.
    view
        What the user sees.
    """

    chosen = Signal()
    turned = Signal()
    said = Signal(str)
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, view: InputView) -> None:
        super().__init__(view)
        self._viewer, self._view = viewer, view
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.timeout.connect(self._settle)
        self.opener = Opener(viewer)
        self.choice = LayerChoice(viewer, view.layers, is_input)
        view.drop.paths_given.connect(self.opener.open)
        view.layers.chosen.connect(self._show)
        view.scan_given.connect(self._set_scan)
        view.flip_wanted.connect(self._flip)
        view.stack_wanted.connect(self._stack_singles)
        self.opener.opened.connect(self._opened)
        self.opener.failed.connect(self.failed)
        self.opener.warned.connect(self.said)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._layers_changed)
        viewer.dims.events.current_step.connect(self._describe)
        self._layers_changed()
        self._show()

    @property
    def layer(self) -> Image | None:
        """The chosen layer, or None."""
        layer: Image | None = self.choice.layer
        return layer

    def close(self) -> None:
        """Let go of the viewer."""
        self._settling.stop()
        self.choice.close()
        self._viewer.dims.events.current_step.disconnect(self._describe)
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed):
            event.disconnect(self._layers_changed)

    def _show(self, *_: object) -> None:
        self._view.flip.setEnabled(self.layer is not None)
        self._describe()
        self.chosen.emit()

    def _describe(self, event: object = None) -> None:
        """Say what the chosen layer is, and the angle of the projection in view."""
        layer = self.layer
        if layer is None:
            self._view.set_info(EMPTY, incomplete=False)
            return
        stack = layers.stack_of(layer)
        text = layers.describe(stack)
        known = bool(np.isfinite(stack.omega).all()) or len(stack) == 1
        if known and len(stack) > 1:
            omega = stack.omega[layers.index_of(self._viewer, layer)]
            text += f"; in view: {omega:g}°"
        told = "; ".join(part for part in (text, grid.remark(layer)) if part)
        self._view.set_info(told, incomplete=not known)

    def _set_scan(self, start: float, step: float, pixel_um: float) -> None:
        if self.layer is not None:
            grid.set_scan(self._viewer, self.layer, start, step, pixel_um)
        self._viewer.reset_view()
        self._show()

    def _flip(self, flip: str) -> None:
        layer = self.layer
        if layer is None:
            return
        names = [each.name for each in self._viewer.layers]
        made = [name for name in names if name.startswith(f"{layer.name} ")]
        if made:
            self.failed.emit(
                f"{', '.join(made)} would not turn with the frames of {layer.name}: "
                "remove such layers, then flip."
            )
            return
        turn = Turn.named(flip)
        stack = turn.stack(layers.stack_of(layer), "in napari")
        layer.data = turn.images(layer.data)
        layer.metadata = {**layer.metadata, layers.KEY: stack}
        self.turned.emit()
        self.said.emit(f"{layer.name}: frames turned ({TURNS[flip]}).")

    def _opened(self, layer: Image) -> None:
        self.choice.select(layer)
        self.said.emit(f"Opened {layer.name}.")

    def _layers_changed(self, event: object = None) -> None:
        # Only for new ones, and once napari has done with them: what is there stays
        # where it is when others go.
        if getattr(event, "type", "") == "inserted":
            self._settling.start()
        self._view.set_singles(len(single_frames(self._viewer)))

    def _settle(self) -> None:
        grid.settle(self._viewer)
        self._describe()

    def _stack_singles(self) -> None:
        singles = single_frames(self._viewer)
        paths = [Path(layer.source.path) for layer in singles]
        if paths and self.opener.open(paths):
            for layer in singles:
                self._viewer.layers.remove(layer)
