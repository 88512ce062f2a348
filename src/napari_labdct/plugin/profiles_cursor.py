"""The cursor of the plot marked on the image, and the mouse there in the plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_labdct.plugin import layers

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Points

    from napari_labdct.plugin.plot import CurvePlot
    from napari_labdct.plugin.profiles import ProfilesController

MARK = "cursor"
"""Marks the layer of the cursor in its metadata."""

REACH = 12
"""How near the mouse must be to a line to count as on it [px of the screen]."""


class Cursor(QObject):
    """Links the plot's cursor with a point on the image, both ways.

    Parameters
    ----------
    viewer
        Where the lines are.
    plot
        Where the curves are.
    profiles
        Knows the lines and their profiles.
    """

    def __init__(
        self, viewer: ViewerModel, plot: CurvePlot, profiles: ProfilesController
    ) -> None:
        super().__init__(profiles)
        self._viewer, self._plot, self._profiles = viewer, plot, profiles
        self._point: Points | None = None
        plot.hovered.connect(self._mark)
        plot.left.connect(self._unmark)
        viewer.mouse_move_callbacks.append(self._on_move)

    def close(self) -> None:
        """Take the point off the image."""
        if self._on_move in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._on_move)
        if self._point in self._viewer.layers:
            self._viewer.layers.remove(self._point)
        self._point = None

    def _mark(self, panel: int, x: float) -> None:
        """Mark the place on the image that the plot's cursor is at."""
        profiles, image = self._profiles.profiles, self._profiles.image
        if panel >= len(profiles) or image is None:
            return
        profile = profiles[panel]
        curve = self._plot.plot.panels[panel].curves[0].x
        fraction = x / curve[-1] if len(curve) and curve[-1] > 0 else 0.0
        ends = np.array([profile.start, profile.stop])
        place = ends[0] + fraction * (ends[1] - ends[0])
        point = self._show_point()
        point.data = layers.to_world(image, place)[None]
        point.visible = True

    def _unmark(self) -> None:
        if self._point is not None and self._point in self._viewer.layers:
            self._point.visible = False

    def _show_point(self) -> Points:
        """The layer of the point, made where there is none."""
        if self._point is None or self._point not in self._viewer.layers:
            from napari.layers import Points

            image = self._profiles.image
            size = 1.0 if image is None else image.data.shape[-2] / 60
            scale = 1.0 if image is None else abs(float(image.scale[-1]))
            active = self._viewer.layers.selection.active
            self._point = Points(
                ndim=2,
                name="Profile cursor",
                units=None if image is None else image.units[-2:],
                size=size * scale,
                face_color="transparent",
                border_color="white",
                border_width=0.15,
                metadata={layers.KEY: MARK},
            )
            self._viewer.add_layer(self._point)
            self._viewer.layers.selection.active = active
        return self._point

    def _on_move(self, viewer: ViewerModel, event: Any) -> None:
        """Show the mouse's place on the nearest line as the plot's cursor."""
        image, profiles = self._profiles.image, self._profiles.profiles
        if image is None or not profiles or not self._plot.isVisible():
            return
        at = layers.to_pixels(image, np.asarray(viewer.cursor.position[-2:]))
        size = abs(float(image.scale[-1])) * viewer.scene.camera.zoom
        number, along, distance = nearest(profiles, at)
        if distance * size <= REACH and len(self._plot.plot.panels) > number:
            x = self._plot.plot.panels[number].curves[0].x
            self._plot.set_cursor_at(number, float(along * x[-1]))
        else:
            self._plot.set_cursor_at(0, None)


def nearest(profiles: list[Any], at: Any) -> tuple[int, float, float]:
    """Number of the line nearest to a point, how far along it, and the distance."""
    best = (0, 0.0, float("inf"))
    for number, profile in enumerate(profiles):
        start, stop = np.array(profile.start), np.array(profile.stop)
        along = stop - start
        part = float(np.dot(at - start, along) / max(np.dot(along, along), 1e-12))
        part = min(max(part, 0.0), 1.0)
        distance = float(np.hypot(*(start + part * along - at)))
        if distance < best[2]:
            best = (number, part, distance)
    return best
