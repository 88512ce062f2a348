"""Where a network can run."""

from __future__ import annotations

import torch

from napari_labdct.core import InputError


def available_devices() -> list[str]:
    """Devices this machine has, the quickest first; the last is always ``"cpu"``."""
    devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def resolve_device(name: str = "auto") -> torch.device:
    """Device for a name; ``"auto"`` takes the quickest there is.

    Raises
    ------
    InputError
        If this machine has no such device.
    """
    devices = available_devices()
    if name == "auto":
        return torch.device(devices[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in devices:
        raise InputError(
            f"This machine has no device {name!r}: choose one of "
            f"{', '.join(['auto', *devices])}."
        )
    return torch.device(wanted)
