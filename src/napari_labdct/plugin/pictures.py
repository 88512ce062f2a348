"""Small pictures beside each other, in arcsinh: for previews in the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPalette
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent


class Pictures(QWidget):
    """Pictures of one size with a word below each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: dict[str, QImage] = {}
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)
        self.setMinimumHeight(130)
        self.hide()

    def sizeHint(self) -> QSize:
        """Room for three pictures."""
        return QSize(330, 130)

    def show_pictures(self, pictures: Mapping[str, NDArray[np.float32]]) -> None:
        """Show pictures by their words, on one common grey range."""
        stretched = {name: np.arcsinh(values) for name, values in pictures.items()}
        every = np.concatenate([values.ravel() for values in stretched.values()])
        low, high = (float(part) for part in np.percentile(every, (1, 99.7)))
        span = max(high - low, 1e-6)
        self._images = {}
        for name, values in stretched.items():
            grey = np.clip((values - low) / span * 255, 0, 255).astype(np.uint8)
            grey = np.ascontiguousarray(grey)
            rows, columns = grey.shape
            kind = QImage.Format.Format_Grayscale8
            # The copy owns its pixels; the array goes.
            self._images[name] = QImage(grey.data, columns, rows, columns, kind).copy()
        self.show()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Pictures as large as there is room."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        line = painter.fontMetrics().height()
        width = (self.width() - 4.0 * (len(self._images) - 1)) / max(
            1, len(self._images)
        )
        side = min(width, self.height() - line - 2.0)
        for number, (name, image) in enumerate(self._images.items()):
            left = number * (width + 4) + (width - side) / 2
            painter.drawImage(QRectF(left, 0, side, side), image)
            words = QRectF(number * (width + 4), side + 1, width, line)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignCenter), name)
        painter.end()
