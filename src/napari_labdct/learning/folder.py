"""A model folder: `config.json`, `weights.safetensors`, `history.csv`, `README.md`.

Nothing in it is code: weights are safetensors, the rest is text.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_labdct.core import InputError
from napari_labdct.learning.inputs import CHANNELS
from napari_labdct.learning.unet import SpotNet, UNetSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_labdct.core.geometry import Parameters

FORMAT = 1
"""Version of the model folder's layout."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; rename it to `path` when that went well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_model(
    folder: Path,
    model: SpotNet,
    settings: Parameters,
    history: list[dict[str, Any]],
    about: dict[str, Any],
) -> None:
    """Write a model folder.

    Parameters
    ----------
    folder
        Where; made if needed.
    model
        The network.
    settings
        What it was trained with.
    history
        One row an epoch.
    about
        Further facts for the model card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    with atomic_write(folder / "weights.safetensors") as temporary:
        save_file(weights, temporary)
    config = {
        "format": FORMAT,
        "name": folder.name,
        "inputs": list(CHANNELS),
        "network": model.settings.model_dump(),
        "training": settings.model_dump(),
        "about": about,
        "written": datetime.now(UTC).strftime("%Y-%m-%d"),
        "package": version("napari-labdct"),
        "torch": str(torch.__version__),
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    if history:
        text = io.StringIO()
        table = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(history)
        write_text(folder / "history.csv", text.getvalue())
    card = folder / "README.md"
    if not card.exists():
        write_text(card, _card(config, history))


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_model(folder: Path) -> tuple[SpotNet, dict[str, Any]]:
    """Read a model folder.

    Returns
    -------
    model
        The network, on the CPU.
    config
        What `config.json` says.

    Raises
    ------
    InputError
        If the folder is not a model folder, or its files do not fit together.
    """
    config_file, weights_file = folder / "config.json", folder / "weights.safetensors"
    for file in (config_file, weights_file):
        if not file.is_file():
            raise InputError(
                f"{folder} is no model folder (no {file.name}): choose a folder "
                "written by training."
            )
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
        settings = UNetSettings(**config["network"])
        if config["format"] != FORMAT or config["inputs"] != list(CHANNELS):
            raise InputError(
                f"{config_file} describes a model of another kind "
                f"(format {config['format']}): use the version of napari-labdct "
                "that wrote it."
            )
        model = SpotNet(settings)
        model.load_state_dict(load_file(weights_file))
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{config_file} cannot be understood ({type(error).__name__}): "
            "the file is damaged; get the model folder again."
        ) from error
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(
            f"{weights_file} does not hold the weights that config.json describes: "
            "the file is damaged; get the model folder again."
        ) from error
    return model.eval(), config


def _card(config: dict[str, Any], history: list[dict[str, Any]]) -> str:
    """A model card of what training itself knows."""
    lines = [f"# {config['name']}", ""]
    lines += [f"Trained with napari-labdct {config['package']}, {config['written']}."]
    if history:
        best = min(history, key=lambda row: row["validation_loss"])
        lines.append(
            f"Best validation loss {best['validation_loss']:.4f} "
            f"after epoch {best['epoch']}."
        )
    lines += ["", "| fact | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in config["about"].items()]
    lines += [
        f"| network | {config['network']} |",
        f"| seed | {config['training'].get('seed')} |",
    ]
    lines += [
        "",
        "All settings are in `config.json`, every epoch in `history.csv`.",
        "",
    ]
    return "\n".join(lines)
