"""The reader for napari's own Open menu and for drops on its canvas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_labdct.core import InputError
from napari_labdct.plugin.grid import fit
from napari_labdct.plugin.layers import stack_to_layer
from napari_labdct.plugin.opening import read, title

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_labdct.core import ProjectionStack

    LayerData = tuple[Any, dict[str, Any], str]

SUFFIXES = (".tif", ".tiff", ".txrm", ".xrm", ".txm")
CONTAINERS = (".h5", ".hdf5", ".hdf", ".nxs")
"""HDF5 holds anything: these are looked into before they are claimed."""


def get_reader(
    path: str | list[str],
) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader, for paths that can be projections; None for others.

    HDF5 without a stack of projections is left to plugins that may know what it
    is; where there are none, the reader says what is missing.

    Parameters
    ----------
    path
        A file, a folder, or the files of one scan.
    """
    paths = [path] if isinstance(path, str) else list(path)
    fits = all(
        Path(each).suffix.lower() in SUFFIXES + CONTAINERS or Path(each).is_dir()
        for each in paths
    )
    if not paths or not fits:
        return None
    foreign = any(
        Path(each).suffix.lower() in CONTAINERS and not _holds_stack(each)
        for each in paths
    )
    return None if foreign and _others_read(paths) else read_layers


def _holds_stack(path: str) -> bool:
    try:
        read([Path(path)])
    except InputError:
        return False
    return True


def _others_read(paths: list[str]) -> bool:
    """Whether another plugin claims the files too."""
    from npe2 import PluginManager

    readers = PluginManager.instance().iter_compatible_readers(paths)
    return any(reader.plugin_name != "napari-labdct" for reader in readers)


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Read one scan as one lazy layer."""
    paths = [Path(each) for each in ([path] if isinstance(path, str) else path)]
    return [shown(read(paths), title(paths))]


def shown(stack: ProjectionStack, name: str) -> LayerData:
    """A stack as layer data that go with the stacks that are open already."""
    from napari import current_viewer
    from napari.layers import Layer

    images, keywords, kind = stack_to_layer(stack, name)
    viewer = current_viewer()
    if viewer is not None and len(viewer.layers):
        layer = Layer.create(images, keywords, kind)
        fit(viewer, layer)
        places = ("scale", "translate", "units", "axis_labels", "metadata")
        keywords |= {key: getattr(layer, key) for key in places}
    return images, keywords, kind
