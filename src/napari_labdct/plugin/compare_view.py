"""How to compare: the buttons below the results."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QSlider, QVBoxLayout, QWidget

from napari_labdct.plugin.dock import button, form, row

MODES = {
    "overlay": ("Overlay", "Cleaned on top of the input; hide it to see the input."),
    "side": ("Side by side", "Input, cleaned and difference beside each other."),
    "flicker": ("Flicker", "Input and cleaned in turn, twice a second."),
    "swipe": ("Swipe", "Cleaned on the right of a line that the slider moves."),
}


class CompareView(QWidget):
    """Signals: `mode_chosen` (key of `MODES`), `swiped` (0 … 1), `absolute_wanted`
    and `linked_wanted` (bool).
    """

    mode_chosen = Signal(str)
    swiped = Signal(float)
    absolute_wanted = Signal(bool)
    linked_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons = {key: button(name, tip) for key, (name, tip) in MODES.items()}
        for made in self.buttons.values():
            made.setCheckable(True)
            made.clicked.connect(self._pressed)
        modes = row(*self.buttons.values(), even=True)
        self.swipe = QSlider(Qt.Orientation.Horizontal)
        self.swipe.setRange(0, 1000)
        self.swipe.setValue(500)
        self.swipe.setToolTip("Input on the left of the line, cleaned on the right.")
        self.swipe.valueChanged.connect(lambda value: self.swiped.emit(value / 1000))
        self.signed = QComboBox()
        self.signed.addItems(["signed", "absolute"])
        self.signed.setToolTip(
            "Input minus cleaned; its colours tell which way it differs from the level "
            "that was taken away, or only how much."
        )
        self.signed.currentIndexChanged.connect(
            lambda index: self.absolute_wanted.emit(index == 1)
        )
        self.linked = QCheckBox("Same grey range in all three")
        self.linked.setToolTip(
            "One step in grey value is equally bright in input, cleaned and difference."
        )
        self.linked.setChecked(True)
        self.linked.toggled.connect(self.linked_wanted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(modes)
        layout.addWidget(self.swipe)
        layout.addLayout(form([("Difference", self.signed)]))
        layout.addWidget(self.linked)
        self.show_mode("overlay")

    @property
    def mode(self) -> str:
        """The way of comparing that is chosen."""
        return next(key for key, made in self.buttons.items() if made.isChecked())

    def show_mode(self, mode: str) -> None:
        """Let the buttons show a way of comparing, without telling."""
        for key, made in self.buttons.items():
            made.setChecked(key == mode)
        self.swipe.setVisible(mode == "swipe")

    def _pressed(self) -> None:
        chosen = next(
            key for key, made in self.buttons.items() if made is self.sender()
        )
        self.show_mode(chosen)
        self.mode_chosen.emit(chosen)
