"""A box for dropping projections on, with Open buttons for those who do not drop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QPainter, QPalette, QPen
from qtpy.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget

from napari_labdct.plugin.dock import button, row

if TYPE_CHECKING:
    from qtpy.QtCore import QObject
    from qtpy.QtGui import (
        QDragEnterEvent,
        QDragLeaveEvent,
        QDropEvent,
        QPaintEvent,
    )

PATTERN = (
    "Projections (*.tif *.tiff *.txrm *.xrm *.txm *.h5 *.hdf5 *.hdf *.nxs);;"
    "All files (*)"
)


class DropBox(QWidget):
    """Takes one stack, many frames or a folder; signal `paths_given` (list of Path).

    A drop on napari's canvas makes one layer of each file; here all files of a drop
    belong together.
    """

    paths_given = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._words = QLabel("Drop projections here:\na stack, many frames or a folder")
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.files = button("Open files…", "Open a stack, or all frames of one scan.")
        self.folder = button("Open folder…", "Open a folder with one file a frame.")
        self.files.clicked.connect(self._ask_files)
        self.folder.clicked.connect(self._ask_folder)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self._words)
        layout.addLayout(row(self.files, self.folder, even=True))
        self._last, self._hot = "", False

    def also_on(self, other: QWidget) -> None:
        """Take what is dropped on another widget, too."""
        other.setAcceptDrops(True)
        other.installEventFilter(self)

    def eventFilter(self, other: QObject | None, event: QEvent | None) -> bool:
        """Drops on other widgets are drops on this one."""
        kinds = {
            QEvent.Type.DragEnter: self.dragEnterEvent,
            QEvent.Type.DragLeave: self.dragLeaveEvent,
            QEvent.Type.Drop: self.dropEvent,
        }
        take = None if event is None else kinds.get(event.type())
        if take is None:
            return False
        take(event)
        return True

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """A dashed frame, as boxes to drop things on have."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        colour.setAlphaF(0.9 if self._hot else 0.45)
        painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -2, -2), 6, 6)
        painter.end()

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """Show that nothing would be dropped any more."""
        self._glow(False)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files and folders."""
        if event is not None and event.mimeData().hasUrls():
            event.acceptProposedAction()
            self._glow(True)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """All that was dropped is one scan."""
        if event is None:
            return
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        event.acceptProposedAction()
        self._glow(False)
        self._give([path for path in paths if path.name])

    def _glow(self, hot: bool) -> None:
        self._hot = hot
        self.update()

    def _ask_files(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(
            self, "Open projections", self._last, PATTERN
        )
        self._give([Path(name) for name in names])

    def _ask_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(
            self, "Open a folder of projections", self._last
        )
        self._give([Path(name)] if name else [])

    def _give(self, paths: list[Path]) -> None:
        if paths:
            self._last = str(paths[0].parent)
            self.paths_given.emit(paths)
