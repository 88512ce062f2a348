"""What is kept between starts, on the plugin's own page of napari's preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLUGIN = "napari-labdct"

SEPARATOR = ";"
"""Stands between folders in a setting that lists them: settings are plain text."""


def recall(category: str, key: str) -> Any:
    """The value of a setting; None where napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    try:
        settings = get_plugin_settings(PLUGIN)
    except (KeyError, ValueError):
        return None
    return getattr(getattr(settings, category), key)


def keep(category: str, key: str, value: Any) -> None:
    """Write a setting; napari saves it at once."""
    from napari.settings import get_plugin_settings

    try:
        settings = get_plugin_settings(PLUGIN)
    except (KeyError, ValueError):
        return
    setattr(getattr(settings, category), key, value)


def model_folders() -> list[Path]:
    """Model folders of the user's own that still exist."""
    text = str(recall("models", "own") or "")
    return [
        Path(part) for part in text.split(SEPARATOR) if part and Path(part).is_dir()
    ]


def keep_model_folder(folder: Path) -> None:
    """List a model folder for the next start."""
    folders = [str(path) for path in model_folders() if path != folder]
    keep("models", "own", SEPARATOR.join([*folders, str(folder)]))


def new_models_folder() -> Path:
    """Where new models are written."""
    return Path(str(recall("models", "new") or "~/labdct-models")).expanduser()
