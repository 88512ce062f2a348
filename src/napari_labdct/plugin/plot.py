"""A plot of curves as a widget: themed, with a cursor, saved to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_labdct.plugin.drawing import Frame, Inks, Plot, draw

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent, QPaintEvent


class CurvePlot(QWidget):
    """Panels of curves below each other.

    Signals: `hovered` (number of the panel, x under the mouse) and `left`.
    """

    hovered = Signal(int, float)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setMinimumSize(240, 140)
        self.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding
        )
        self.plot = Plot()
        self._cursor: tuple[int, float] | None = None
        self._frames: list[Frame] = []

    def sizeHint(self) -> QSize:
        """Room for two panels."""
        return QSize(340, 320)

    def show_plot(self, plot: Plot) -> None:
        """Show other curves."""
        self.plot = plot
        self.update()

    def set_cursor_at(self, panel: int, x: float | None) -> None:
        """Draw the cursor line at x in a panel, or none."""
        cursor = None if x is None else (panel, x)
        if cursor != self._cursor:
            self._cursor = cursor
            self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw in the colours of the theme."""
        palette = self.palette()
        inks = Inks(
            palette.color(QPalette.ColorRole.WindowText),
            palette.color(QPalette.ColorRole.Window),
        )
        painter = QPainter(self)
        try:
            self._frames = draw(painter, QRectF(self.rect()), self.plot, inks)
            self._draw_cursor(painter, inks)
        finally:
            painter.end()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell where the mouse is, in the panel's own x."""
        if event is None:
            return
        at = event.position() if hasattr(event, "position") else event.localPos()
        for number, frame in enumerate(self._frames):
            if frame.box.contains(at):
                place = (at.x() - frame.box.left()) / frame.box.width()
                x = frame.x.value(place)
                self.set_cursor_at(number, x)
                self.hovered.emit(number, x)
                return
        self.leaveEvent(None)

    def leaveEvent(self, event: QEvent | None) -> None:
        """Forget the cursor."""
        if self._cursor is not None:
            self.set_cursor_at(0, None)
            self.left.emit()

    def save(self, path: Path) -> None:
        """Write the plot as it is, black on white, as .svg or .png.

        The file appears under its name when it is complete.
        """
        partial = path.with_name(path.name + ".part")
        size = QSize(max(480, self.width()), max(320, self.height()))
        if path.suffix.lower() == ".svg":
            from qtpy.QtSvg import QSvgGenerator

            vectors = QSvgGenerator()
            vectors.setFileName(str(partial))
            vectors.setSize(size)
            vectors.setViewBox(QRectF(0, 0, size.width(), size.height()))
            vectors.setTitle("Line profiles")
            painter = QPainter(vectors)
            draw(painter, QRectF(0, 0, size.width(), size.height()), self.plot, Inks())
            painter.end()
        else:
            image = QImage(size * 2, QImage.Format.Format_RGB32)
            image.fill(QColor("white"))
            painter = QPainter(image)
            painter.scale(2, 2)
            draw(painter, QRectF(0, 0, size.width(), size.height()), self.plot, Inks())
            painter.end()
            image.save(str(partial), "PNG")
        partial.replace(path)

    def _draw_cursor(self, painter: QPainter, inks: Inks) -> None:
        """The cursor line, a dot on every curve, and their values."""
        if self._cursor is None or self._cursor[0] >= len(self._frames):
            return
        frame = self._frames[self._cursor[0]]
        x = self._cursor[1]
        if not frame.x.low <= x <= frame.x.high:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(inks.text, 1, Qt.PenStyle.DashLine))
        foot = frame.point(x, frame.y.low)
        painter.drawLine(QPointF(foot.x(), frame.box.top()), foot)
        reading = [(f"x {x:.4g}", "")]
        for curve in frame.panel.curves:
            if len(curve.x):
                value = float(np.interp(x, curve.x, curve.y))
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(curve.colour))
                if np.isfinite(value):
                    painter.drawEllipse(frame.point(x, value), 3, 3)
                reading.append((f"{value:.4g}", curve.colour))
        near = [
            text
            for mark_x, _, text in frame.panel.marks
            if abs(frame.point(mark_x, frame.y.low).x() - foot.x()) < 6
        ]
        _draw_reading(painter, frame, reading, inks)
        if near:
            _draw_words(painter, frame.box, foot.x(), near[0], inks)


def _draw_reading(
    painter: QPainter, frame: Frame, reading: list[tuple[str, str]], inks: Inks
) -> None:
    """The cursor's x and the values there, each behind a dot of its curve's colour.

    They stand in the heading, on the right, where they hide no curve; of a title
    that leaves no room the first word stays.
    """
    metrics = painter.fontMetrics()
    place = frame.heading(metrics.height())
    need = [metrics.horizontalAdvance(text) + 16.0 for text, _ in reading]
    title, first = frame.panel.title, place.left() + 14
    left = place.right() - sum(need)
    if title and left < first + metrics.horizontalAdvance(title):
        first += metrics.horizontalAdvance(title.split()[0])
        painter.fillRect(place.adjusted(first - place.left(), 0, 0, 0), inks.ground)
    place.setLeft(left)
    for (text, colour), width in zip(reading, need, strict=True):
        if colour:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawEllipse(QPointF(place.left() + 7, place.center().y()), 3, 3)
        painter.setPen(inks.text)
        flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(place.adjusted(14, 0, 0, 0), flags, text)
        place.setLeft(place.left() + width)


def _draw_words(
    painter: QPainter, box: QRectF, x: float, text: str, inks: Inks
) -> None:
    """Words about a mark, on whichever side of the cursor has room for them."""
    flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    # Qt measures nothing without a pen.
    painter.setPen(inks.text)
    need = painter.boundingRect(QRectF(0, 0, 1000, 100), flags, text)
    left = x + 6 if x + 12 + need.width() < box.right() else x - 6 - need.width()
    place = QRectF(max(box.left(), left), box.top() + 3, need.width(), need.height())
    ground = QColor(inks.ground)
    ground.setAlphaF(0.85)
    painter.fillRect(place.adjusted(-3, -1, 3, 1), ground)
    painter.drawText(place, flags, text)
