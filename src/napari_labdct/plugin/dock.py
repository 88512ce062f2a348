"""What all widgets of the dock have in common: headings, messages, a good end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QShowEvent
    from qtpy.QtWidgets import QLayout

WIDTH = 350
"""Width that a widget asks for in the dock [px]."""


class Dock(QWidget):
    """A scrolling column of sections with a line for messages below.

    Signals: `closed`, when the widget is taken out of its window, `shown`, when it
    comes in sight, and `details_wanted`, when the user asks for more about
    an error.
    """

    closed = Signal()
    shown = Signal()
    details_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        inside = QWidget()
        self.column = QVBoxLayout(inside)
        self.column.setContentsMargins(8, 4, 8, 4)
        self.column.setSpacing(6)
        self._scroll = QScrollArea()
        self._scroll.setWidget(inside)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.details = QPushButton("Details")
        self.details.setToolTip("Show what a developer needs to know.")
        self.details.clicked.connect(self.details_wanted)
        foot = QHBoxLayout()
        foot.setContentsMargins(8, 0, 8, 4)
        foot.addWidget(self._message, 1)
        foot.addWidget(self.details, 0, Qt.AlignmentFlag.AlignTop)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll, 1)
        outer.addLayout(foot)
        self._was_docked = False
        self.say("")

    def sizeHint(self) -> QSize:
        """A column that needs no horizontal scrolling."""
        return QSize(WIDTH, super().sizeHint().height())

    def add_section(self, title: str, *parts: QWidget | QLayout) -> QWidget:
        """Add a headed group of widgets below the others."""
        section = QWidget()
        inner = QVBoxLayout(section)
        inner.setContentsMargins(0, 0, 0, 6)
        inner.setSpacing(4)
        heading = QLabel(f"<b>{title}</b>")
        inner.addWidget(heading)
        for part in parts:
            if isinstance(part, QWidget):
                inner.addWidget(part)
            else:
                inner.addLayout(part)
        self.column.addWidget(section)
        return section

    def say(self, text: str, *, trouble: bool = False, details: bool = False) -> None:
        """Show a sentence below: an event, or trouble and how to mend it."""
        mark = "⚠ " if trouble else ""
        self._message.setText(mark + text)
        self._message.setVisible(bool(text))
        self.details.setVisible(details)

    @property
    def message(self) -> str:
        """The sentence that stands below."""
        return str(self._message.text())

    def ask_folder(self, title: str) -> Path | None:
        """Let the user choose a folder."""
        name = QFileDialog.getExistingDirectory(self, title)
        return Path(name) if name else None

    def ask_save(self, name: str, pattern: str = "TIFF (*.tif)") -> Path | None:
        """Let the user choose where to write a file; the pattern's suffix is added."""
        given, chosen = QFileDialog.getSaveFileName(self, "Save", name, pattern)
        if not given:
            return None
        path = Path(given)
        suffix = chosen.split("*")[-1].split(")")[0] if "*" in chosen else ""
        return path if path.suffix else path.with_suffix(suffix)

    def ask_open(self, title: str, pattern: str) -> Path | None:
        """Let the user choose a file to read."""
        name, _ = QFileDialog.getOpenFileName(self, title, "", pattern)
        return Path(name) if name else None

    def show_text(self, title: str, text: str, *, markdown: bool = False) -> None:
        """Show a longer text in a window of its own that can stay open."""
        window = QDialog(self)
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.setWindowTitle(title)
        page = QTextBrowser()
        page.setOpenExternalLinks(True)
        if markdown:
            page.setMarkdown(text)
        else:
            page.setPlainText(text)
        QVBoxLayout(window).addWidget(page)
        window.resize(720, 600)
        window.show()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Tell that the widget came in sight."""
        super().showEvent(event)
        self.shown.emit()

    def event(self, event: QEvent | None) -> bool:
        """Notice when the widget leaves its window."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            docked = self.parent() is not None
            if self._was_docked and not docked:
                # napari drops a widget that is closed; nobody else deletes it.
                self.closed.emit()
                self.deleteLater()
            self._was_docked = docked
        return bool(super().event(event))


def row(*parts: QWidget, stretch: int = 0, even: bool = False) -> QHBoxLayout:
    """Widgets beside each other.

    The one numbered `stretch` takes the room left, or all share it if `even`.
    """
    line = QHBoxLayout()
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(4)
    for number, part in enumerate(parts):
        line.addWidget(part, 1 if even or number == stretch else 0)
    return line


def form(rows: Sequence[tuple[str, QWidget | QLayout]]) -> QFormLayout:
    """Labels on the left, their widgets on the right."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    for label, part in rows:
        layout.addRow(label, part)
    return layout


def button(text: str, tip: str, shortcut: str = "") -> QPushButton:
    """A push button that shows its shortcut, which works anywhere in the window."""
    made = QPushButton(f"{text}  ({shortcut})" if shortcut else text)
    made.setToolTip(tip)
    if shortcut:
        made.setShortcut(shortcut)
    return made
