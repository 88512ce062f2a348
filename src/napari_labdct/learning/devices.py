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


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16, and is quicker for it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
