"""The profile through ω: grey value at one pixel in all projections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_labdct.plugin import layers
from napari_labdct.plugin.drawing import Curve, Panel, Plot
from napari_labdct.plugin.profiling import through
from napari_labdct.plugin.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

    from napari_labdct.plugin.profiles import ProfilesController


class Through(QObject):
    """Takes a profile through ω wherever the user clicks, while it is active.

    Signals: `changed` and `failed` (one sentence).
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, profiles: ProfilesController) -> None:
        super().__init__(profiles)
        self._viewer, self._profiles = viewer, profiles
        self._panel: Panel | None = None
        self._label = ""
        self.task = Task("Profile through ω", urgent=True)
        self.task.reported.connect(self._done)
        self.task.failed.connect(self.failed)

    def set_active(self, active: bool) -> None:
        """Listen to clicks on the image, or stop listening."""
        callbacks = self._viewer.mouse_drag_callbacks
        if self._on_press in callbacks:
            callbacks.remove(self._on_press)
        if active:
            callbacks.append(self._on_press)
            image = self._profiles.image
            if image is not None:
                self._viewer.layers.selection.active = image
        else:
            self.clear()

    def clear(self) -> None:
        """Show no profile through ω any more."""
        self._panel = None
        self.changed.emit()

    def close(self) -> None:
        """Stop listening."""
        self.task.cancel()
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def extend(self, plot: Plot, log: bool) -> Plot:
        """The plot with the profile through ω below the lines."""
        if self._panel is None:
            return plot
        label = plot.x_label if plot.panels else self._label
        panels = (*plot.panels, replace(self._panel, log_y=log))
        return replace(plot, panels=panels, x_label=label, y_label="grey value")

    def _on_press(self, viewer: ViewerModel, event: Any) -> None:
        image = self._profiles.image
        if image is None or self.task.state.is_busy:
            return
        row, column = layers.to_pixels(image, np.asarray(event.position[-2:]))
        rows, columns = image.data.shape[-2:]
        if 0 <= round(row) < rows and 0 <= round(column) < columns:
            self.take(float(row), float(column))

    def take(self, row: float, column: float) -> None:
        """Take the profile through ω at a pixel, in the background."""
        sources = [
            (layer.name, layers.stack_of(layer), colour)
            for layer, colour in self._profiles.coloured
        ]
        width = self._profiles.width

        def job() -> Iterator[Any]:
            curves = []
            for name, stack, colour in sources:
                x = stack.omega
                if not np.isfinite(x).all():
                    x = np.arange(len(stack), dtype=np.float64)
                order = np.argsort(x)
                values = through(stack.images, row, column, width)
                curves.append(Curve(x[order], values[order], colour, name))
            known = all(np.isfinite(stack.omega).all() for _, stack, _ in sources)
            label = "ω [deg]" if known else "projection"
            title = f"{label} at row {row:.0f}, column {column:.0f}"
            yield label, Panel(title, "", tuple(curves))

        if sources:
            self.task.start(job)

    def _done(self, found: list[tuple[str, Panel]]) -> None:
        self._label, self._panel = found[-1]
        self.changed.emit()
