"""Choose a network and where it runs: the view, and its wiring to the shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_labdct.core import InputError
from napari_labdct.plugin import settings
from napari_labdct.plugin.choices import Choice
from napari_labdct.plugin.dock import Dock, button, form, row
from napari_labdct.plugin.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_labdct.learning import Denoiser
    from napari_labdct.plugin.models import ModelShelf


class ModelView(QWidget):
    """Model and device; signals `browse_wanted` and `card_wanted`."""

    browse_wanted = Signal()
    card_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = Choice("loading…", "The network that leaves nothing but spots.")
        self.device = Choice("looking…", "Where the network runs.")
        browse = button("Browse…", "Use a model folder of your own.")
        card = button("About", "What the model was trained on and how well it does.")
        browse.clicked.connect(self.browse_wanted)
        card.clicked.connect(self.card_wanted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        rows = [("Model", row(self.model, browse, card)), ("Device", self.device)]
        layout.addLayout(form(rows))


class ModelChoice(QObject):
    """Fills a `ModelView` from the shelf; signals `chosen` and `failed` (sentence).

    Parameters
    ----------
    dock
        The widget that the view is part of; it shows file dialogs and model cards.
    view
        What the user sees.
    models
        The networks to choose from.
    """

    chosen = Signal()
    failed = Signal(str)

    def __init__(self, dock: Dock, view: ModelView, models: ModelShelf) -> None:
        super().__init__(dock)
        self._dock, self._view, self._models = dock, view, models
        self.task = Task("Load the model", urgent=True)
        self.task.failed.connect(self.failed)
        self.task.ended.connect(self._list)
        models.changed.connect(self._list)
        view.model.chosen.connect(self.chosen)
        view.device.chosen.connect(self.chosen)
        view.browse_wanted.connect(self._browse)
        view.card_wanted.connect(self._card)
        self.chosen.connect(self._keep)
        self.task.start(models.look)

    @property
    def key(self) -> tuple[str, str]:
        """Name of the model and of the device; empty while they are unknown."""
        return self._view.model.name, self._view.device.name

    @property
    def ready(self) -> bool:
        """Whether there is a model to work with."""
        return all(self.key)

    def getter(self) -> Callable[[], Denoiser]:
        """A function that gets the chosen network, to be called in a thread."""
        models, (name, device) = self._models, self.key
        return lambda: models.get(name, device)

    def add(self, folder: Path) -> None:
        """Put a model folder on the shelf and choose it."""
        try:
            name = self._models.add(folder)
        except InputError as error:
            self.failed.emit(str(error))
        else:
            self._view.model.setCurrentText(name)
            settings.keep_model_folder(folder)

    def _list(self) -> None:
        last = [str(settings.recall("cleaning", key)) for key in ("model", "device")]
        begun = self.ready
        # Only at first: later the user's choice stands.
        model, device = ("", "") if begun else last
        self._view.model.set_names(list(self._models.folders), model)
        self._view.device.set_names(self._models.devices, device)
        self.chosen.emit()

    def _keep(self) -> None:
        """Remember the choice for the next start."""
        if self.ready:
            for key, value in zip(("model", "device"), self.key, strict=True):
                if settings.recall("cleaning", key) != value:
                    settings.keep("cleaning", key, value)

    def _browse(self) -> None:
        folder = self._dock.ask_folder("Choose a model folder")
        if folder is not None:
            self.add(folder)

    def _card(self) -> None:
        name, _ = self.key
        if name:
            self._dock.show_text(name, self._models.card(name), markdown=True)
