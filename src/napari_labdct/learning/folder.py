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
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_labdct.core.geometry import Parameters
    from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet

FORMAT = 1
"""Version of the model folder's layout."""

DEFAULT_RECIPE = "default"


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
    model: SpotNet | DynamicUNet,
    settings: Parameters,
    history: list[dict[str, Any]],
    about: dict[str, Any],
    *,
    recipe: str = DEFAULT_RECIPE,
    inputs: Sequence[str] = CHANNELS,
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
    recipe
        Name of the recipe, by which `load_model` tells networks apart.
    inputs
        What the network's input channels hold.
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
        "recipe": recipe,
        "name": folder.name,
        "inputs": list(inputs),
        "network": model.settings.model_dump(),
        "training": settings.model_dump(),
        "about": about,
        "written": datetime.now(UTC).strftime("%Y-%m-%d"),
        "package": version("napari-labdct"),
        "torch": str(torch.__version__),
    }
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    if history:
        save_table(folder / "history.csv", history)
    write_text(folder / "README.md", _card(config, history))


def save_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows that share their keys as CSV."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name, then rename it."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def load_model(folder: Path) -> tuple[SpotNet | DynamicUNet, dict[str, Any]]:
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
        # Without memory until the weights are seen to fit: a config may claim any size.
        with torch.device("meta"):
            model = _network(config, config_file)
        model.load_state_dict(load_file(weights_file), assign=True)
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
    return model.float().eval(), config


def _network(config: dict[str, Any], config_file: Path) -> SpotNet | DynamicUNet:
    """The network of a recipe, as initialised."""
    # Folders from before there were two recipes do not name theirs.
    form, recipe = config["format"], config.get("recipe", DEFAULT_RECIPE)
    if form == FORMAT and recipe == "hovad2020":
        from napari_labdct.learning.hovad2020 import dynamic_unet

        shape = dynamic_unet.DynamicUNetSettings(**config["network"])
        return dynamic_unet.DynamicUNet(shape)
    known = recipe == DEFAULT_RECIPE and config["inputs"] == list(CHANNELS)
    if form != FORMAT or not known:
        raise InputError(
            f"{config_file} describes a model of another kind (recipe {recipe}, "
            f"format {form}): use the version of napari-labdct that wrote it."
        )
    return SpotNet(UNetSettings(**config["network"]))


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
