"""A combo box that always lists the viewer's layers of one kind."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer


def bare(viewer: Any) -> Any:
    """The viewer itself, out of the proxy in which napari hands it to widgets.

    The proxy makes a new proxy of a layer whenever one is asked for, so that no layer
    is ever the same as before, and a weak reference to one is dead at once.
    """
    return getattr(viewer, "__wrapped__", viewer)


class Choice(QComboBox):
    """Names to choose one of; signal `chosen` (name, "" when there is none)."""

    chosen = Signal(str)

    def __init__(self, empty: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(tip)
        self._empty = empty
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.setMinimumContentsLength(8)
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Expanding, policy.Fixed)
        self.set_names([])
        self.currentIndexChanged.connect(lambda: self.chosen.emit(self.name))

    @property
    def name(self) -> str:
        """What is chosen; empty when there is nothing to choose."""
        return str(self.currentText()) if self.isEnabled() else ""

    def set_names(self, names: Sequence[str], select: str = "") -> None:
        """List other names; what was chosen stays chosen where it still is there."""
        before = self.name
        with QSignalBlocker(self):
            self.clear()
            self.setEnabled(bool(names))
            self.addItems(list(names) if names else [self._empty])
            wanted = select if select in names else before
            if wanted in names:
                self.setCurrentIndex(list(names).index(wanted))
        if self.name != before:
            self.chosen.emit(self.name)


class LayerChoice:
    """Keeps a `Choice` in step with the viewer's layers of one kind.

    Parameters
    ----------
    viewer
        Whose layers are listed, the topmost first.
    choice
        The combo box.
    accept
        Which layers are listed.
    other
        A first entry that stands for no layer.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        choice: Choice,
        accept: Callable[[Layer], bool],
        other: str = "",
    ) -> None:
        self._viewer, self._choice, self._accept = viewer, choice, accept
        self._other = other
        self._chosen: Any = None
        choice.chosen.connect(self._remember)
        for event in self._events():
            event.connect(self._refresh)
        self._refresh()

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        name = self._choice.name
        if name == self._other:
            return None
        found = [layer for layer in self._viewer.layers if layer.name == name]
        return found[0] if found and name else None

    def select(self, layer: Layer) -> None:
        """Choose a layer."""
        self._chosen = weakref.ref(layer)
        self._refresh()

    def close(self) -> None:
        """Leave the viewer's events alone."""
        for event in self._events():
            event.disconnect(self._refresh)

    def _events(self) -> list[Any]:
        events = self._viewer.layers.events
        return [events.inserted, events.removed, events.reordered, events.renamed]

    def _remember(self, name: str) -> None:
        layer = self.layer
        self._chosen = None if layer is None else weakref.ref(layer)

    def _refresh(self, event: object = None) -> None:
        # A chosen layer that is renamed stays chosen.
        chosen = None if self._chosen is None else self._chosen()
        names, select = [self._other] if self._other else [], ""
        for layer in reversed(self._viewer.layers):
            if self._accept(layer):
                names.append(layer.name)
                if layer is chosen:
                    select = names[-1]
        self._choice.set_names(names, select)
        self._remember(self._choice.name)
