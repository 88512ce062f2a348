"""Curves in panels, drawn with QPainter: quick, and needing no OpenGL.

The same lines paint a window, an image file and an SVG.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_labdct.plugin.scale import Axis, label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Curve:
    """One curve: x and y, shape (N,), a colour (any CSS name) and its legend."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: str
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """Curves over a common x axis, with a title.

    Attributes
    ----------
    title, colour
        Heading, and the colour of the bar before it; none where it is empty.
    curves
        What is drawn, the first one at the back.
    marks
        Points (x, y, words) marked by a small triangle; the words tell about the
        mark under the mouse.
    log_x, log_y
        Whether an axis is logarithmic.
    share
        How high the panel is, compared with the others.
    """

    title: str = ""
    colour: str = ""
    curves: tuple[Curve, ...] = ()
    marks: tuple[tuple[float, float, str], ...] = ()
    log_x: bool = False
    log_y: bool = False
    share: float = 1.0


@dataclass(frozen=True)
class Plot:
    """All that a plot shows.

    Attributes
    ----------
    panels
        Drawn below each other.
    x_label, y_label
        Names of the axes.
    together
        Whether all panels reach over the same x, that of the longest.
    empty
        What to do, said as long as there are no panels.
    """

    panels: tuple[Panel, ...] = ()
    x_label: str = ""
    y_label: str = ""
    together: bool = False
    empty: str = ""


@dataclass
class Frame:
    """Where a panel lies and how its axes map."""

    panel: Panel
    box: QRectF
    x: Axis
    y: Axis

    def point(self, x: float, y: float) -> QPointF:
        """Where a point of the data lies, in pixels of the painter."""
        (across,), (up,) = self.x.place(np.array([x])), self.y.place(np.array([y]))
        return QPointF(
            self.box.left() + across * self.box.width(),
            self.box.bottom() - up * self.box.height(),
        )

    def heading(self, line: float) -> QRectF:
        """The strip above the panel, one line of text high."""
        return QRectF(
            self.box.left(), self.box.top() - line - 2, self.box.width(), line
        )


@dataclass(frozen=True)
class Inks:
    """Colours of text, lines and ground."""

    text: QColor = field(default_factory=lambda: QColor("black"))
    ground: QColor = field(default_factory=lambda: QColor("white"))

    @property
    def faint(self) -> QColor:
        """The text's colour, a quarter as strong on the ground.

        Mixed here, because Qt takes ten times as long for a line that is seen through.
        """
        text, ground = self.text.getRgb()[:3], self.ground.getRgb()[:3]
        mixed = (0.22 * a + 0.78 * b for a, b in zip(text, ground, strict=True))
        return QColor(*(round(part) for part in mixed))


def draw(painter: QPainter, area: QRectF, plot: Plot, inks: Inks) -> list[Frame]:
    """Draw a plot into a rectangle, on a screen, an image or an SVG.

    Returns where every panel came to lie.
    """
    painter.fillRect(area, inks.ground)
    painter.setPen(inks.text)
    if not plot.panels:
        words = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
        painter.drawText(area.adjusted(16, 16, -16, -16), words, plot.empty)
        return []
    line = painter.fontMetrics().height()
    legend = _draw_legend(painter, area, plot, inks)
    left, foot = 5.2 * line * 0.62 + line, 1.2 * line
    room = area.height() - legend - foot - 4
    across = _x_axes(plot)
    below = line + 2 if len(set(across)) > 1 else 0
    if not below:
        room -= line
    shares = sum(panel.share for panel in plot.panels)
    frames: list[Frame] = []
    end = area.top() + legend
    for number, (panel, x) in enumerate(zip(plot.panels, across, strict=True)):
        top = end + (line + 4 if panel.title else 6)
        end += room * panel.share / shares
        height = max(12.0, end - 4 - below - top)
        box = QRectF(area.left() + left, top, area.width() - left - 10, height)
        y = Axis.around((curve.y for curve in panel.curves), log=panel.log_y)
        frame = Frame(panel, box, x, y)
        # Panels over one and the same axis need its numbers only once.
        last = number == len(plot.panels) - 1
        _draw_axes(painter, frame, inks, named=last or bool(below))
        _draw_curves(painter, frame, inks)
        frames.append(frame)
    painter.setPen(inks.text)
    base = QRectF(
        area.left() + left, area.bottom() - line - 3, area.width() - left, line
    )
    painter.drawText(base, int(Qt.AlignmentFlag.AlignCenter), plot.x_label)
    painter.save()
    painter.translate(area.left() + line, area.top() + legend + room / 2)
    painter.rotate(-90)
    side = QRectF(-room / 2, -line, room, line)
    painter.drawText(side, int(Qt.AlignmentFlag.AlignCenter), plot.y_label)
    painter.restore()
    return frames


def _x_axes(plot: Plot) -> list[Axis]:
    """For every panel, from the first to the last x of the curves, without a margin."""
    if plot.together:
        curves = tuple(curve for panel in plot.panels for curve in panel.curves)
        return [_x_axis(curves, panel.log_x) for panel in plot.panels]
    return [_x_axis(panel.curves, panel.log_x) for panel in plot.panels]


def _x_axis(curves: Iterable[Curve], log: bool) -> Axis:
    ends = [curve.x for curve in curves if len(curve.x)]
    if not ends:
        return Axis(0.0, 1.0)
    low = min(float(end[0]) for end in ends)
    high = max(float(end[-1]) for end in ends)
    return Axis(low, high if high > low else low + 1, log)


def _draw_legend(painter: QPainter, area: QRectF, plot: Plot, inks: Inks) -> float:
    """Names of the curves in their colours, wrapped; returns the height."""
    names: dict[str, str] = {}
    for panel in plot.panels:
        names |= {curve.name: curve.colour for curve in panel.curves if curve.name}
    metrics = painter.fontMetrics()
    line = metrics.height()
    x, y = area.left() + 10.0, area.top() + 4.0
    if not names:
        return 4.0
    for name, colour in names.items():
        short = metrics.elidedText(
            name, Qt.TextElideMode.ElideMiddle, int(area.width() - 50)
        )
        width = metrics.horizontalAdvance(short) + 24
        if x + width > area.right() - 6 and x > area.left() + 10:
            x, y = area.left() + 10.0, y + line
        painter.setPen(QPen(QColor(colour), 2.5))
        painter.drawLine(QPointF(x, y + line / 2), QPointF(x + 14, y + line / 2))
        painter.setPen(inks.text)
        painter.drawText(QPointF(x + 18, y + metrics.ascent()), short)
        x += width + 12
    return float(y + line + 2 - area.top())


def _draw_axes(painter: QPainter, frame: Frame, inks: Inks, *, named: bool) -> None:
    """Frame, grid, ticks and title of a panel."""
    box, line = frame.box, painter.fontMetrics().height()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    grid = QPen(inks.faint, 1)
    for value in frame.y.ticks(max(2, min(6, int(box.height() / (2.2 * line))))):
        at = frame.point(frame.x.low, value)
        painter.setPen(grid)
        painter.drawLine(at, QPointF(box.right(), at.y()))
        painter.setPen(inks.text)
        place = QRectF(at.x() - 104, at.y() - line / 2, 100, line)
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(place, right, label(value))
    for value in frame.x.ticks(max(2, min(8, int(box.width() / (4.5 * line))))):
        at = frame.point(value, frame.y.low)
        painter.setPen(grid)
        painter.drawLine(at, QPointF(at.x(), box.top()))
        if named:
            painter.setPen(inks.text)
            place = QRectF(at.x() - 40, box.bottom() + 2, 80, line)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), label(value))
    painter.setPen(QPen(inks.faint, 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box)
    if frame.panel.title:
        place = frame.heading(line)
        if frame.panel.colour:
            # Text in the line's own colour would be hard to read on a light ground.
            chip = QRectF(place.left(), place.top() + 0.2 * line, 4, 0.7 * line)
            painter.fillRect(chip, QColor(frame.panel.colour))
            place.setLeft(place.left() + 9)
        painter.setPen(inks.text)
        painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft), frame.panel.title)


def _draw_curves(painter: QPainter, frame: Frame, inks: Inks) -> None:
    """The curves of a panel, cut at its frame, and the marks."""
    box = frame.box
    painter.save()
    painter.setClipRect(box)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for curve in frame.panel.curves:
        x, y = thin(curve.x, curve.y, int(box.width()))
        across = box.left() + frame.x.place(x) * box.width()
        down = box.bottom() - frame.y.place(y) * box.height()
        keep = np.isfinite(across) & np.isfinite(down)
        across, down = across[keep], down[keep]
        painter.setPen(QPen(QColor(curve.colour), 1.0))
        # As one polyline it would take Qt a hundred times as long, as it joins them;
        # as QLineF twice as long, as they are made one by one.
        points = list(map(QPointF, across.tolist(), down.tolist()))
        pairs = [point for pair in pairwise(points) for point in pair]
        painter.drawLines(pairs)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(inks.text)
    for x_mark, y_mark, _ in frame.panel.marks:
        tip = frame.point(x_mark, y_mark)
        tip.setY(max(box.top() + 8, tip.y() - 3))
        wings = [QPointF(tip.x() - 4, tip.y() - 6), QPointF(tip.x() + 4, tip.y() - 6)]
        painter.drawPolygon(QPolygonF([tip, *wings]))
    painter.restore()


def thin(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Leave out samples that no screen can show, keeping every extreme.

    Of each column of pixels only the lowest and the highest sample stay.

    Parameters
    ----------
    x, y
        Samples, shape (N,), x increasing.
    columns
        Width of the plot [px].
    """
    if len(x) <= 2 * max(1, columns):
        return x, y
    size, last = -(-len(x) // max(1, columns)), len(x) - 1
    padded = np.pad(np.where(np.isfinite(y), y, 0.0), (0, -len(y) % size), mode="edge")
    blocks = padded.reshape(-1, size)
    both = np.stack([blocks.argmin(1), blocks.argmax(1)], 1)
    both.sort(axis=1)
    both += np.arange(0, len(padded), size)[:, None]
    keep = np.concatenate([[0], np.minimum(both.ravel(), last), [last]])
    keep = keep[np.diff(keep, prepend=-1) > 0]
    return x[keep], y[keep]
