"""From files that were dropped or chosen to one layer, without a dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_labdct.plugin.adding import add_stack
from napari_labdct.plugin.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_labdct.core import ProjectionStack


def read(paths: list[Path]) -> ProjectionStack:
    """All paths as one stack, frames in natural order."""
    from napari_labdct.files import read_stack
    from napari_labdct.files.tiff import natural_order

    in_order: list[Path] = sorted(paths, key=natural_order)
    return read_stack(in_order if len(paths) > 1 else paths[0])


def title(paths: list[Path]) -> str:
    """Name of the layer for these paths."""
    first = paths[0]
    if len(paths) > 1:
        return first.parent.name
    return first.name if first.is_dir() else first.stem


class Opener(QObject):
    """Opens paths in the background and adds them to the viewer as one layer.

    Signals: `opened` (layer), `failed` (one sentence), `warned` (one sentence).
    """

    opened = Signal(object)
    failed = Signal(str)
    warned = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        self._title = ""
        self.task = Task("Open projections", urgent=True)
        self.task.reported.connect(self._add)
        self.task.failed.connect(self.failed)
        self.task.warned.connect(self.warned)

    def open(self, paths: list[Path]) -> bool:
        """Read paths that belong together; False when others are still being read."""
        if self.task.state.is_busy:
            self.failed.emit("Still opening the last files: drop these again later.")
            return False
        self._title = title(paths)

        def job() -> Iterator[Any]:
            yield read(paths)

        self.task.start(job)
        return True

    def _add(self, found: list[ProjectionStack]) -> None:
        self.opened.emit(add_stack(self._viewer, found[0], self._title))
