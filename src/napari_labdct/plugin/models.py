"""The networks there are to choose from; one shelf for all widgets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_labdct.learning import Denoiser


class ModelShelf(QObject):
    """Models by name, and the one in use, loaded once.

    Signal `changed`, when a model was added.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.folders: dict[str, Path] = {}
        self.devices: list[str] = []
        self._lock = threading.Lock()
        self._loaded: tuple[Path, str, Any] | None = None

    def look(self) -> Iterator[str]:
        """Find models and devices; a job for the background: it imports PyTorch."""
        from napari_labdct.plugin.imports import load
        from napari_labdct.plugin.tasks import leave_a_core

        load("napari_labdct.learning", "napari_labdct.learning.denoiser")
        from napari_labdct.learning import available_devices, model_folders

        leave_a_core()
        own = {name: path for name, path in self.folders.items() if path.is_dir()}
        self.folders = {**model_folders(), **own}
        self.devices = available_devices()
        yield "models"
        if self.folders:
            self.get(next(iter(self.folders)), self.devices[0])

    def add(self, folder: Path) -> str:
        """Put a model folder on the shelf; returns its name.

        Raises
        ------
        InputError
            If the folder holds no model.
        """
        if not (folder / "config.json").is_file():
            raise InputError(
                f"{folder} is no model folder (no config.json): choose a folder "
                "written by training."
            )
        others = {name for name, path in self.folders.items() if path != folder}
        name = folder.name
        while name in others:
            name += "'"
        self.folders[name] = folder
        self.changed.emit()
        return name

    def get(self, name: str, device: str) -> Denoiser:
        """The model of that name on a device; loaded when it is not at hand."""
        from napari_labdct.learning import Denoiser
        from napari_labdct.plugin.tasks import leave_a_core

        leave_a_core()
        folder = self.folders[name]
        with self._lock:
            if self._loaded is None or self._loaded[:2] != (folder, device):
                self._loaded = folder, device, Denoiser.load(folder, device)
            network: Denoiser = self._loaded[2]
            return network

    def card(self, name: str) -> str:
        """The model card, Markdown; a sentence when there is none."""
        card = self.folders[name] / "README.md"
        if card.is_file():
            return card.read_text(encoding="utf-8")
        return f"The model folder of {name} holds no model card (README.md)."


_shelf: list[ModelShelf] = []


def shelf() -> ModelShelf:
    """The shelf that all widgets share."""
    if not _shelf:
        from napari_labdct.plugin.settings import model_folders

        made = ModelShelf()
        made.folders = {folder.name: folder for folder in model_folders()}
        _shelf.append(made)
    return _shelf[0]
