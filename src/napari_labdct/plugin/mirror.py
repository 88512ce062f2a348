"""The same lines in every cell of napari's grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_labdct.plugin.lines import get_lines, new_layer, set_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Shapes

MARK = "lines of another layer"
"""Marks copies in their metadata."""


class Mirror:
    """Copies of a layer of lines that follow it.

    The mouse acts on the original whatever cell it is in, as that is the active layer.

    Parameters
    ----------
    viewer
        Where the copies go.
    source
        The lines.
    images
        One copy is made for each of these.
    """

    def __init__(
        self, viewer: ViewerModel, source: Shapes, images: Sequence[Image]
    ) -> None:
        self._viewer, self._source = viewer, source
        active = viewer.layers.selection.active
        self._copies = [
            viewer.add_layer(new_layer(image, f"Lines on {image.name}", MARK))
            for image in images
        ]
        viewer.layers.selection.active = active
        source.events.set_data.connect(self._follow)
        self._follow()

    @property
    def layers(self) -> list[Shapes]:
        """The original and its copies."""
        return [self._source, *self._copies]

    def close(self) -> None:
        """Take the copies out of the viewer."""
        self._source.events.set_data.disconnect(self._follow)
        for copy in self._copies:
            if copy in self._viewer.layers:
                self._viewer.layers.remove(copy)

    def _follow(self, event: object = None) -> None:
        lines = get_lines(self._source)
        for copy in self._copies:
            known = get_lines(copy)
            if known == lines:
                continue
            if [line.name for line in known] == [line.name for line in lines]:
                copy.data = [ends[-2:] for ends in self._source.data]
            else:
                set_lines(copy, lines)
