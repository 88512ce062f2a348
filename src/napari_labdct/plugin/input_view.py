"""Choose what to work on: files, a folder, or a layer that is open already."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QMenu, QVBoxLayout, QWidget

from napari_labdct.core.turn import TURNS
from napari_labdct.plugin.choices import Choice
from napari_labdct.plugin.dock import button, form, row
from napari_labdct.plugin.drop import DropBox


class InputView(QWidget):
    """A drop box, the layers, what the chosen one is, and what its files lack.

    Signals: `scan_given` (ω start, ω step [deg], pixel size [µm], 0 when unknown),
    `flip_wanted` (a key of `TURNS`), `stack_wanted`.
    """

    scan_given = Signal(float, float, float)
    flip_wanted = Signal(str)
    stack_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.drop = DropBox()
        self.layers = Choice("no projections yet", "The stack to work on.")
        self.flip = button(
            "Flip",
            "Turn the frames, where they are stored otherwise than they were seen.",
        )
        menu = QMenu(self.flip)
        for key, name in TURNS.items():
            action = menu.addAction(name.capitalize())
            action.triggered.connect(lambda _=False, k=key: self.flip_wanted.emit(k))
        self.flip.setMenu(menu)
        self.info = QLabel()
        self.info.setWordWrap(True)
        self.start = _number(0.0, 720, "°", "Rotation angle ω of the first projection.")
        self.step = _number(2.0, 180, "°", "Angle from one projection to the next.")
        self.pixel = _number(0.0, 1000, " µm", "Effective pixel size; 0 when unknown.")
        self.pixel.setMinimum(0)
        self.pixel.setSpecialValueText("unknown")
        give = button("Set", "Give the projections these angles and this size.")
        give.clicked.connect(
            lambda: self.scan_given.emit(
                self.start.value(), self.step.value(), self.pixel.value()
            )
        )
        self.missing = QWidget()
        lines = QVBoxLayout(self.missing)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(4)
        first = row(QLabel("ω from"), self.start, QLabel("step"), self.step, stretch=1)
        first.setStretch(3, 1)
        lines.addLayout(first)
        lines.addLayout(row(QLabel("pixel size"), self.pixel, give, stretch=1))
        self.singles = button("", "Read the files of these layers as one stack.")
        self.singles.clicked.connect(self.stack_wanted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.drop)
        layout.addLayout(form([("Layer", row(self.layers, self.flip))]))
        for part in (self.info, self.missing, self.singles):
            layout.addWidget(part)
        self.set_info("", incomplete=False)
        self.set_singles(0)

    def set_info(self, text: str, *, incomplete: bool) -> None:
        """Say what the chosen layer is; offer fields for what its files lack."""
        self.info.setText(text)
        self.info.setVisible(bool(text))
        self.missing.setVisible(incomplete)

    def set_singles(self, count: int) -> None:
        """Offer to make one stack of single frames that were opened one by one."""
        self.singles.setText(f"Make one stack of {count} single frames")
        self.singles.setVisible(count > 1)


def _number(value: float, most: float, unit: str, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(-most, most)
    box.setDecimals(3)
    box.setSuffix(unit)
    box.setValue(value)
    box.setToolTip(tip)
    return box
