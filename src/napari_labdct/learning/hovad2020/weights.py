"""ImageNet weights: found on this machine, or fetched with consent; never replaced."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from torch import nn

PUBLISHED = {
    "resnet34": ("resnet34-b627a593.pth", 83),
    "vgg16": ("vgg16-397923af.pth", 528),
    "vgg16_bn": ("vgg16_bn-6c64b313.pth", 528),
}
"""File that torchvision publishes for each network, and its size [MB].

The name holds the beginning of the file's SHA-256.
"""

ADDRESS = "https://download.pytorch.org/models/"
"""Where torchvision publishes them."""

VARIABLE = "LABDCT_WEIGHTS"
"""Environment variable that names a folder with such files, or one of them."""

_CLASSIFIER = ("classifier.", "fc.")


def load_imagenet(
    module: nn.Module,
    name: str,
    path: Path | str | None = None,
    *,
    download: bool = False,
) -> Path:
    """Give a network the weights it learned from ImageNet.

    Parameters
    ----------
    module
        A `ResNetEncoder` or `VggFeatures`; the weights' classifier is left out.
    name
        Key of `PUBLISHED`.
    path
        The weights' file, or the folder that holds it. By default the one that the
        environment variable LABDCT_WEIGHTS names, else PyTorch's own cache.
    download
        Consent to fetch the file to there when it is missing.

    Returns
    -------
    file
        What was read.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another network.
    """
    file = _find(name, path or os.environ.get(VARIABLE), download)
    _check(file)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        kept = {k: v for k, v in state.items() if not k.startswith(_CLASSIFIER)}
        module.load_state_dict(kept)
    except (RuntimeError, AttributeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"{file} does not hold the weights of {name}: get {PUBLISHED[name][0]} "
            f"from {ADDRESS}."
        ) from error
    return file


def _find(name: str, given: Path | str | None, download: bool) -> Path:
    """Path of the file: where it was said to be, or fetched to there."""
    published, size = PUBLISHED[name]
    place = Path(given) if given else Path(torch.hub.get_dir()) / "checkpoints"
    file = place if place.is_file() else place / published
    if file.is_file():
        return file
    if download:
        return _fetch(file)
    raise InputError(
        f"The ImageNet weights {published} ({size} MB) are not at {place}: allow the "
        f"download, or get the file from {ADDRESS} and name its folder in {VARIABLE}, "
        "or choose random weights."
    )


def _fetch(file: Path) -> Path:
    """Download a published file; it gets its name only when its hash is right."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            ADDRESS + file.name, str(file), hash_prefix=_prefix(file)
        )
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{file.name} could not be fetched from {ADDRESS} ({error}): get it by "
            f"other means and name its folder in {VARIABLE}, or choose random weights."
        ) from error
    return file


def _prefix(file: Path) -> str | None:
    """Beginning of the SHA-256 that a file's name promises."""
    found = re.search(r"-([0-9a-f]{8,})\.", file.name)
    return found[1] if found else None


def _check(file: Path) -> None:
    promised = _prefix(file)
    if promised is None:
        return
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if not digest.startswith(promised):
        raise InputError(
            f"{file} is damaged (its SHA-256 begins with {digest[:8]}, not "
            f"{promised}): delete it and get it again."
        )
