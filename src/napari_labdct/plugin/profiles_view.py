"""What the widget *Line profiles* looks like; it does not know the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSpinBox,
    QWidget,
)

from napari_labdct.plugin.dock import Dock, button, form, row
from napari_labdct.plugin.plot import CurvePlot
from napari_labdct.plugin.profiling import ProfileOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS = {
    "draw": ("Draw", "Draw a line: press, drag, release.", "Ctrl+D"),
    "move": ("Move", "Drag a line as a whole, or take it at one end.", "Ctrl+Shift+D"),
}

EXPORTS = {
    "csv": "Curves as CSV…",
    "png": "Plot as PNG…",
    "svg": "Plot as SVG…",
    "json": "Lines and options as session…",
}


class ProfilesView(Dock):
    """Tools for drawing, the layers to take profiles from, the plot, its options.

    Signals: `tool_chosen` (key of `TOOLS`), `layers_changed`, `options_changed`,
    `clear_wanted`, `through_wanted` (bool), `export_wanted` (key of `EXPORTS`),
    `load_wanted`.
    """

    tool_chosen = Signal(str)
    layers_changed = Signal()
    options_changed = Signal()
    clear_wanted = Signal()
    through_wanted = Signal(bool)
    export_wanted = Signal(str)
    load_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tools = {key: button(*words) for key, words in TOOLS.items()}
        for key, made in self.tools.items():
            made.setCheckable(True)
            made.setObjectName(key)
            made.clicked.connect(self._choose_tool)
        self.clear = button("Clear", "Remove all lines.")
        self.clear.clicked.connect(self.clear_wanted)
        tools = row(*self.tools.values(), self.clear, even=True)
        self.through = button(
            "Through ω at a point",
            "Click on the image: grey value at that pixel in all projections.",
        )
        self.through.setCheckable(True)
        self.through.toggled.connect(self.through_wanted)
        self.layers = QListWidget()
        self.layers.setToolTip("Layers whose grey values are plotted.")
        self.layers.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.layers.itemChanged.connect(lambda: self.layers_changed.emit())
        self.add_section("Lines", tools, self.through)
        self.add_section("Layers", self.layers)
        self.plot = CurvePlot()
        self.column.addWidget(self.plot, 1)
        self._make_options()
        self._make_files()

    def _make_options(self) -> None:
        self.axis = QComboBox()
        self.axis.addItems(["px", "µm", "normalised"])
        self.width_px = QSpinBox()
        self.width_px.setRange(1, 101)
        self.width_px.setSuffix(" px")
        self.log = QCheckBox("Log")
        self.level = QCheckBox("Level")
        self.peaks = QCheckBox("Peaks")
        self.show_options(ProfileOptions())
        fields = ProfileOptions.model_fields
        for part, name in (
            (self.axis, "axis"),
            (self.width_px, "width"),
            (self.log, "log"),
            (self.level, "level"),
            (self.peaks, "peaks"),
        ):
            part.setToolTip(fields[name].description or "")
        self.axis.currentIndexChanged.connect(lambda: self.options_changed.emit())
        self.width_px.valueChanged.connect(lambda: self.options_changed.emit())
        for box in (self.log, self.level, self.peaks):
            box.toggled.connect(lambda: self.options_changed.emit())
        line = row(self.axis, QLabel("Width"), self.width_px, even=False)
        checks = row(self.log, self.level, self.peaks, even=True)
        self.add_section("Plot", form([("Distance", line)]), checks)

    def _make_files(self) -> None:
        self.export = button("Save…", "Write curves, plot or session to a file.")
        menu = QMenu(self.export)
        for key, name in EXPORTS.items():
            action = menu.addAction(name)
            action.setObjectName(key)
            action.triggered.connect(self._choose_export)
        self.export.setMenu(menu)
        load = button("Load session…", "Draw the lines of a session on this stack.")
        load.clicked.connect(self.load_wanted)
        self.column.addLayout(row(self.export, load, even=True))

    @property
    def options(self) -> ProfileOptions:
        """What is set."""
        return ProfileOptions(
            axis=self.axis.currentText(),
            width=self.width_px.value(),
            log=self.log.isChecked(),
            level=self.level.isChecked(),
            peaks=self.peaks.isChecked(),
        )

    def show_options(self, options: ProfileOptions) -> None:
        """Set the options without telling."""
        parts = (self.axis, self.width_px, self.log, self.level, self.peaks)
        blockers = [QSignalBlocker(part) for part in parts]
        self.axis.setCurrentText(options.axis)
        self.width_px.setValue(options.width)
        self.log.setChecked(options.log)
        self.level.setChecked(options.level)
        self.peaks.setChecked(options.peaks)
        del blockers

    def set_layers(self, colours: Mapping[str, str], unchecked: set[str]) -> None:
        """List layers with the colours of their curves."""
        with QSignalBlocker(self.layers):
            self.layers.clear()
            for name, colour in colours.items():
                swatch = QPixmap(12, 12)
                swatch.fill(QColor(colour))
                item = QListWidgetItem(QIcon(swatch), name)
                item.setFlags(
                    Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled
                )
                checked = name not in unchecked
                item.setCheckState(
                    Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked
                )
                self.layers.addItem(item)
        rows = max(1, min(5, len(colours)))
        line = self.layers.fontMetrics().height() + 4
        self.layers.setFixedHeight(rows * line + 8)

    @property
    def unchecked(self) -> set[str]:
        """Names of the layers that are not plotted."""
        items = [self.layers.item(number) for number in range(self.layers.count())]
        return {
            item.text() for item in items if item.checkState() != Qt.CheckState.Checked
        }

    def show_tool(self, tool: str) -> None:
        """Let the buttons show which tool is in hand, "" for none."""
        for key, made in self.tools.items():
            made.setChecked(key == tool)

    def _choose_tool(self) -> None:
        tool = self.sender().objectName()
        self.show_tool(tool)
        self.tool_chosen.emit(tool)

    def _choose_export(self) -> None:
        self.export_wanted.emit(self.sender().objectName())
