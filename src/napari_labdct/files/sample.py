"""The sample scan that comes with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def sample_path() -> Path:
    """TIFF stack of a small simulated scan with noise and background."""
    root = resources.files("napari_labdct")
    return Path(str(root / "assets" / "sample" / "scan.tif"))
