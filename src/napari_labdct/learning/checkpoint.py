"""The checkpoint of a training run: all it needs to go on exactly."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from napari_labdct.core import InputError
from napari_labdct.learning.folder import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    from napari_labdct.core.geometry import Parameters

CHECKPOINT = "last.pt"
"""Name of the checkpoint in a model folder."""


def save_checkpoint(folder: Path, settings: Parameters, state: dict[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all."""
    state = {**state, "settings": settings.model_dump_json()}
    with atomic_write(folder / CHECKPOINT) as temporary:
        torch.save(state, temporary)


def load_checkpoint(
    folder: Path, settings: Parameters, device: torch.device
) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Raises
    ------
    InputError
        If there is none, it is damaged, or it was written under other settings.
    """
    file = folder / CHECKPOINT
    if not file.is_file():
        raise InputError(
            f"{folder} holds no interrupted training (no {CHECKPOINT}): "
            "start a new one, or name the right folder."
        )
    try:
        state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        written = state["settings"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as bad:
        raise InputError(
            f"{file} cannot be read ({type(bad).__name__}): the file is damaged; "
            "start a new training."
        ) from bad
    if written != settings.model_dump_json():
        raise InputError(
            f"{folder} was trained with other settings: resume with the "
            "settings in its config.json, or train into a new folder."
        )
    return state
