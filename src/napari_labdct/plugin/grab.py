"""Take a line anywhere and drag it: an end alone, or the whole line.

napari's own tools want a line to be selected first, and turn a level line that is
taken at its middle; here what is under the mouse moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Shapes
    from numpy.typing import NDArray

REACH = 10
"""How near the mouse must be to a line or an end to take it [px of the screen]."""


class Grab:
    """Lets the lines of a layer be dragged while its mode is "pan_zoom".

    Parameters
    ----------
    viewer
        Tells how far the picture is zoomed.
    layer
        The lines.
    """

    def __init__(self, viewer: ViewerModel, layer: Shapes) -> None:
        self._viewer, self._layer = viewer, layer
        layer.mouse_drag_callbacks.append(self._on_drag)

    def close(self) -> None:
        """Leave the mouse to napari."""
        if self._on_drag in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._on_drag)

    def _on_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        if str(layer.mode) != "pan_zoom":
            return
        size = abs(float(layer.scale[-1])) * self._viewer.scene.camera.zoom
        first = np.asarray(layer.world_to_data(event.position)[-2:], np.float64)
        data = [np.array(ends, np.float64) for ends in layer.data]
        taken = hit(data, first, REACH / size)
        if taken is None:
            return
        number, ends = taken
        before = data[number].copy()
        layer.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                now = np.asarray(layer.world_to_data(event.position)[-2:], np.float64)
                data[number] = before.copy()
                data[number][ends] += now - first
                layer.data = data
                yield
        finally:
            layer.mouse_pan = True


def hit(
    lines: list[NDArray[np.float64]], at: NDArray[np.float64], reach: float
) -> tuple[int, slice] | None:
    """Number of the line under a point, and which of its ends would move.

    Parameters
    ----------
    lines
        Ends of the lines, each of shape (2, 2), (row, column) [px].
    at
        The point (row, column) [px].
    reach
        How far from it a line may be [px].

    Returns
    -------
    number, ends
        The nearest end goes before the nearest line; None when nothing is near.
    """
    best: tuple[float, int, slice] | None = None
    for number, ends in enumerate(lines):
        start, stop = ends[0], ends[-1]
        along = stop - start
        length = float(np.hypot(*along))
        # On a short line the ends leave a third of it for moving it as a whole.
        near = min(reach, length / 3)
        part = float(np.dot(at - start, along)) / max(length**2, 1e-12)
        foot = start + min(max(part, 0.0), 1.0) * along
        found = [
            (float(np.hypot(*(at - start))), near, 0.0, slice(0, 1)),
            (float(np.hypot(*(at - stop))), near, 0.0, slice(len(ends) - 1, None)),
            (float(np.hypot(*(at - foot))), reach, reach, slice(None)),
        ]
        for distance, limit, handicap, which in found:
            rank = distance + handicap
            if distance <= limit and (best is None or rank < best[0]):
                best = rank, number, which
    return None if best is None else (best[1], best[2])
