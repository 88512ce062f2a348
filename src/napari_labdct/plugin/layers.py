"""The one place where nouns become layers, and layers nouns.

A stack's layer lies in physical space: the first axis is ω in degrees where ω
grows evenly and the number of the projection where it does not, rows and columns
are µm where the pixel size is known and pixels where it is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError, ProjectionStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

KEY = "napari-labdct"
"""Where a layer's metadata keeps its `ProjectionStack` (or another noun)."""

PART = "part"
"""Stands in place of the stack in layers that only show a part of another one."""


def stack_to_layer(
    stack: ProjectionStack, name: str
) -> tuple[Any, dict[str, Any], str]:
    """A stack as napari's layer data: (images, keywords of the layer, "image")."""
    scale, translate, units, labels = space_of(stack)
    images = stack.images
    limits = grey_range(np.asarray(images[len(stack) // 2]))
    keywords: dict[str, Any] = {
        "name": name,
        "scale": scale,
        "translate": translate,
        "units": units,
        "axis_labels": labels,
        "contrast_limits": limits,
        "metadata": {KEY: stack},
        "rgb": False,
        "multiscale": False,
    }
    return images, keywords, "image"


def is_stack(layer: Layer) -> bool:
    """Whether a layer can be read as a projection or a stack of them."""
    from napari.layers import Image

    return (
        isinstance(layer, Image)
        and layer.metadata.get(KEY) != PART
        and not layer.rgb
        and not layer.multiscale
        and layer.ndim in (2, 3)
        and np.dtype(layer.dtype).kind in "uif"
    )


def kind_of(layer: Layer) -> str:
    """Kind of the layer's stack, such as "cleaned"; empty when unknown."""
    return str(getattr(layer.metadata.get(KEY), "kind", ""))


def stack_of(layer: Layer) -> ProjectionStack:
    """The stack that a layer shows.

    Raises
    ------
    InputError
        If the layer is not a grey image with 2 or 3 axes.
    """
    if not is_stack(layer):
        raise InputError(
            f"Layer {layer.name} is not a stack of projections: choose a grey image "
            "with the axes (projection, row, column)."
        )
    known = layer.metadata.get(KEY)
    images = layer.data if layer.ndim == 3 else layer.data[None]
    if isinstance(known, ProjectionStack) and known.shape == images.shape:
        return known if known.images is images else replace(known, images=images)
    omega = None
    if layer.ndim == 3 and str(layer.units[0]) == "degree":
        omega = layer.translate[0] + layer.scale[0] * np.arange(len(images))
    return ProjectionStack(images, omega, source=layer.name)


def comes_from(layer: Image, origin: Image) -> bool:
    """Whether a layer is another one's result, or that one itself."""
    kind = kind_of(layer)
    result = kind in ("cleaned", "difference")
    return layer is origin or (result and layer.name == f"{origin.name} {kind}")


def describe(stack: ProjectionStack) -> str:
    """A stack in a line, for people."""
    count, rows, columns = stack.shape
    omega = stack.omega
    if not np.isfinite(omega).all():
        angles = "rotation angles unknown"
    elif count == 1:
        angles = f"ω = {omega[0]:g}°"
    else:
        angles = f"ω = {omega[0]:g}° to {omega[-1]:g}°"
    frames = "1 projection" if count == 1 else f"{count} projections"
    return f"{frames} of {rows} × {columns} px, {angles}"


def index_of(viewer: ViewerModel, layer: Layer) -> int:
    """0-based index of the layer's projection that the viewer shows."""
    if layer.ndim < 3:
        return 0
    index = round(float(layer.world_to_data(viewer.dims.point)[-3]))
    return int(np.clip(index, 0, layer.data.shape[-3] - 1))


def show_index(viewer: ViewerModel, layer: Layer, index: int) -> None:
    """Let the viewer show the layer's projection `index`."""
    if layer.ndim >= 3:
        axis = viewer.dims.ndim - 3
        world = layer.data_to_world((index, *(0,) * (layer.ndim - 1)))[-3]
        viewer.dims.set_point(axis, float(world))


def frame_of(layer: Layer, index: int) -> NDArray[Any]:
    """Grey values of the layer's projection `index`, shape (rows, columns)."""
    images = layer.data if layer.ndim == 3 else layer.data[None]
    return np.asarray(images[index])


def to_pixels(layer: Layer, world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (…, row, column) of the world in pixels of a stack's layer."""
    scale, translate = np.asarray(layer.scale[-2:]), np.asarray(layer.translate[-2:])
    return np.asarray((world - translate) / scale, np.float64)


def to_world(layer: Layer, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (…, row, column) in pixels of a layer in the world."""
    scale, translate = np.asarray(layer.scale[-2:]), np.asarray(layer.translate[-2:])
    return np.asarray(pixels * scale + translate, np.float64)


def grey_range(frame: NDArray[Any]) -> tuple[float, float]:
    """Limits that show background and spots of a frame, without its extremes."""
    part = np.asarray(frame[::2, ::2], np.float32)
    part = part[np.isfinite(part)]
    if not part.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(part, (0.5, 99.8)))
    return low, high if high > low else low + 1.0


def space_of(
    stack: ProjectionStack, size_um: float | None = None
) -> tuple[Sequence[float], Sequence[float], Sequence[str], Sequence[str]]:
    """Scale, translation, units and axis labels of a stack's layer.

    A pixel size given [µm] comes before that of the stack's geometry.
    """
    omega = stack.omega
    step, start = 1.0, 0.0
    label, unit = "projection", "pixel"
    if len(omega) > 1 and np.isfinite(omega).all():
        steps = np.diff(omega)
        # A slider that ran against the order of the files would confuse.
        if steps[0] > 0 and np.ptp(steps) < 1e-3 * steps[0]:
            step, start = float(steps.mean()), float(omega[0])
            label, unit = "ω", "degree"
    if size_um is None and stack.geometry is not None:
        size_um = stack.geometry.detector.pixel_size
    size, length = (1.0, "pixel") if size_um is None else (size_um, "micrometer")
    return (
        (step, size, size),
        (start, 0.0, 0.0),
        (unit, length, length),
        (label, "row", "column"),
    )
