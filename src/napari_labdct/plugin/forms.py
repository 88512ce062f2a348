"""Forms from parameter models: every field's label, unit, bounds and help come from it.

magicgui builds forms of flat models; these are nested, and show few fields first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic.fields import FieldInfo

MOST = 2**31 - 1
"""Largest integer that a spin box can hold."""


@dataclass(frozen=True)
class Editor:
    """A widget for one value, how to read and write it, and its signal."""

    widget: QWidget
    get: Callable[[], Any]
    set: Callable[[Any], None]
    changed: Any


class Number(QDoubleSpinBox):
    """A number without trailing zeros."""

    def textFromValue(self, value: float) -> str:
        """As short as the number allows."""
        return f"{value:.10g}"


class Form(QWidget):
    """A form of a parameter model; signal `changed`, with every edit.

    Fields of a kind that no widget can show keep the value they came with.

    Parameters
    ----------
    parameters
        The values to begin with, to which `reset` returns.
    shown
        Paths of the fields in sight, such as ``"plan.count"``; all others are folded,
        by model. When empty, all fields of the outermost model are in sight.
    """

    changed = Signal()

    def __init__(
        self,
        parameters: Parameters,
        shown: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._given = self._base = parameters
        self._shown = tuple(shown)
        self._editors: dict[str, Editor] = {}
        self._untouched: dict[str, Any] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._build()

    @property
    def parameters(self) -> Parameters:
        """What the form says.

        Raises
        ------
        InputError
            If the values do not go together.
        """
        values = self._base.model_dump()
        for path, editor in self._editors.items():
            *models, name = path.split(".")
            inner = values
            for model in models:
                inner = inner[model]
            # A spin box rounds: what nobody has touched stays as it came.
            if editor.get() != self._untouched[path]:
                inner[name] = editor.get()
        try:
            return type(self._base).model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            where = " ".join(str(part) for part in first["loc"]).replace("_", " ")
            raise InputError(f"{where}: {first['msg']}: correct this entry.") from error

    def show_parameters(self, parameters: Parameters) -> None:
        """Show other values; tells once. Fields change where the models differ."""
        alike = _paths(parameters) == _paths(self._base)
        self._base = parameters
        if not alike:
            self._clear()
            self._build()
        for path, editor in self._editors.items():
            blocker = QSignalBlocker(editor.widget)
            editor.set(_value(parameters, path))
            self._untouched[path] = editor.get()
            del blocker
        self.changed.emit()

    def reset(self) -> None:
        """Go back to the values that the form began with."""
        self.show_parameters(self._given)

    def editor(self, path: str) -> QWidget:
        """The widget of a field."""
        return self._editors[path].widget

    def _clear(self) -> None:
        self._editors.clear()
        self._untouched.clear()
        while self._layout.count():
            item = self._layout.takeAt(0)
            layout, widget = item.layout(), item.widget()
            while layout is not None and layout.count():
                _drop(layout.takeAt(0).widget())
            if widget is not None:
                _drop(widget)

    def _build(self) -> None:
        groups: dict[str, QFormLayout] = {}
        self._inside: QVBoxLayout | None = None
        self._fold: QCollapsible | None = None
        top = _new_layout()
        self._layout.addLayout(top)
        for path, field in _fields(self._base):
            editor = make_editor(field, _value(self._base, path))
            if editor is None:
                continue
            self._editors[path] = editor
            self._untouched[path] = editor.get()
            editor.changed.connect(lambda *_: self.changed.emit())
            editor.widget.setToolTip(field.description or "")
            model = path.rpartition(".")[0]
            if path in self._shown or (not self._shown and not model):
                layout = top
            else:
                if model not in groups:
                    groups[model] = self._new_group(model)
                layout = groups[model]
            layout.addRow(label(path, field), editor.widget)
        if self._fold is not None:
            self._fold.collapse(animate=False)

    def _new_group(self, model: str) -> QFormLayout:
        """A headed group in the fold, for the fields of one model."""
        if self._inside is None:
            fold = QCollapsible(
                "All parameters" if self._shown else "More",
                expandedIcon="▾",
                collapsedIcon="▸",
            )
            fold.layout().setContentsMargins(0, 0, 0, 0)
            inside = QWidget()
            self._inside = QVBoxLayout(inside)
            self._inside.setContentsMargins(8, 4, 0, 4)
            fold.setContent(inside)
            self._layout.addWidget(fold)
            self._fold = fold
        title = model.replace(".", ", ").replace("_", " ")
        if title:
            self._inside.addWidget(QLabel(f"<i>{title.capitalize()}</i>"))
        layout = _new_layout()
        self._inside.addLayout(layout)
        return layout


def make_editor(field: FieldInfo, value: Any) -> Editor | None:
    """A widget for a field, within its bounds; None when there is none for its kind."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        options = [str(option) for option in get_args(kind)]
        if len(options) < 2:
            return None
        combo = QComboBox()
        combo.addItems(options)
        combo.setCurrentText(str(value))
        return Editor(
            combo, combo.currentText, combo.setCurrentText, combo.currentTextChanged
        )
    if kind is bool:
        box = QCheckBox()
        box.setChecked(value)
        return Editor(box, box.isChecked, box.setChecked, box.toggled)
    if kind is int or kind is float:
        spin = QSpinBox() if kind is int else Number()
        low, high = bounds(field)
        if kind is float:
            spin.setDecimals(8)
            spin.setStepType(Number.StepType.AdaptiveDecimalStepType)
            spin.setRange(low, high)
        else:
            spin.setRange(int(max(low, -MOST)), int(min(high, MOST)))
        spin.setValue(value)
        return Editor(spin, spin.value, spin.setValue, spin.valueChanged)
    if kind is str:
        line = QLineEdit(value)
        return Editor(line, line.text, line.setText, line.textChanged)
    return None


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Lowest and highest value of a field; excluded ends are cut by a hair."""
    low, high = -1e9, 1e9
    hair = 1e-8 if field.annotation is float else 1
    for rule in field.metadata:
        if isinstance(rule, Ge):
            low = float(rule.ge)  # type: ignore[arg-type]  # typed as any comparable
        elif isinstance(rule, Gt):
            low = float(rule.gt) + hair  # type: ignore[arg-type]  # as above
        elif isinstance(rule, Le):
            high = float(rule.le)  # type: ignore[arg-type]  # as above
        elif isinstance(rule, Lt):
            high = float(rule.lt) - hair  # type: ignore[arg-type]  # as above
    return low, high


def label(path: str, field: FieldInfo) -> str:
    """Name of a field with its unit, which its description ends with."""
    name = field.title or path.rpartition(".")[2].replace("_", " ")
    name = re.sub(r"\bomega\b", "ω", name)
    if not name.startswith("ω"):
        name = name[:1].upper() + name[1:]
    unit = re.search(r"\[([^\]]+)\]", field.description or "")
    return f"{name} [{unit.group(1)}]" if unit else name


def _fields(
    parameters: Parameters, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Path and description of every field, inner models after the outer one's own."""
    inner = []
    for name, field in type(parameters).model_fields.items():
        value = getattr(parameters, name)
        if isinstance(value, Parameters):
            inner.append((name, value))
        else:
            yield prefix + name, field
    for name, value in inner:
        yield from _fields(value, f"{prefix}{name}.")


def _paths(parameters: Parameters) -> list[str]:
    return [path for path, _ in _fields(parameters)]


def _value(parameters: Any, path: str) -> Any:
    for name in path.split("."):
        parameters = getattr(parameters, name)
    return parameters


def _drop(widget: QWidget) -> None:
    """Delete a widget; until Qt comes to it, it is not to be seen."""
    widget.hide()
    widget.deleteLater()


def _new_layout() -> QFormLayout:
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout
