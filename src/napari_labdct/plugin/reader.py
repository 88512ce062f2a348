"""The reader for napari's own Open menu and for drops on its canvas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_labdct.plugin.layers import stack_to_layer
from napari_labdct.plugin.opening import read, title

if TYPE_CHECKING:
    from collections.abc import Callable

    LayerData = tuple[Any, dict[str, Any], str]

SUFFIXES = (".tif", ".tiff", ".txrm", ".xrm")


def get_reader(
    path: str | list[str],
) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader, for paths that can be projections; None for others.

    Parameters
    ----------
    path
        A file, a folder, or the files of one scan.
    """
    paths = [path] if isinstance(path, str) else list(path)
    fits = all(
        Path(each).suffix.lower() in SUFFIXES or Path(each).is_dir() for each in paths
    )
    return read_layers if paths and fits else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Read one scan as one lazy layer."""
    paths = [Path(each) for each in ([path] if isinstance(path, str) else path)]
    return [stack_to_layer(read(paths), title(paths))]
