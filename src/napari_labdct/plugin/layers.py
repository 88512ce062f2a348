"""The one place where nouns become layers, and layers nouns.

A stack's layer lies in physical space: the first axis is ω in degrees where ω
grows evenly and the number of the projection where it does not, rows and columns
are µm where the pixel size is known and pixels where it is not.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError, ProjectionStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from napari.utils import Colormap
    from numpy.typing import NDArray

    from napari_labdct.core.stack import Kind

KEY = "napari-labdct"
"""Where a layer's metadata keeps its `ProjectionStack` (or another noun)."""

PART = "part"
"""Stands in place of the stack in layers that only show a part of another one."""

IN_MEMORY = 2 * 1024**3
"""Results up to this many bytes stay in memory, larger ones in a temporary file."""


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


def add_stack(viewer: ViewerModel, stack: ProjectionStack, name: str) -> Image:
    """Add a stack to the viewer as one layer, and centre the view on its middle."""
    from napari.layers import Layer

    first = not any(is_stack(layer) for layer in viewer.layers)
    layer = viewer.add_layer(Layer.create(*stack_to_layer(stack, name)))
    _widen(layer)
    if first:
        viewer.dims.set_current_step(0, 0)
        viewer.reset_view()
    return layer


def show_stack(layer: Image, stack: ProjectionStack) -> None:
    """Let a stack's layer show another stack; its grey range stays."""
    limits = tuple(layer.contrast_limits)
    data, keywords, _ = stack_to_layer(stack, layer.name)
    layer.data = data
    for name in ("scale", "translate", "units", "axis_labels", "metadata"):
        setattr(layer, name, keywords[name])
    set_range(layer, *limits)


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


def preallocate(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros to be filled frame by frame; beyond `IN_MEMORY` in a temporary file."""
    if 4 * int(np.prod(shape)) <= IN_MEMORY:
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        # The map keeps the file open; the system drops it with the array.
        return np.memmap(file, np.float32, "w+", shape=shape)


def grey_range(frame: NDArray[Any]) -> tuple[float, float]:
    """Limits that show background and spots of a frame, without its extremes."""
    part = np.asarray(frame[::2, ::2], np.float32)
    part = part[np.isfinite(part)]
    if not part.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(part, (0.5, 99.8)))
    return low, high if high > low else low + 1.0


def set_range(layer: Image, low: float, high: float) -> None:
    """Set the grey range that is shown; the slider reaches three times as far."""
    layer.contrast_limits_range = (low, high)
    layer.contrast_limits = (low, high)
    _widen(layer)


def add_results(
    viewer: ViewerModel,
    layer: Image,
    cleaned: NDArray[np.float32],
    difference: NDArray[np.float32],
) -> tuple[Image, Image]:
    """Put a cleaned stack and its difference beside their input.

    Parameters
    ----------
    viewer
        Where the layers go, right above `layer`.
    layer
        The input.
    cleaned, difference
        Shape (P, rows, columns), grey values; they may still be filled.

    Returns
    -------
    cleaned, difference
        The layers: same scale and place as the input, the cleaned one with the
        input's grey span from zero, the difference hidden and symmetric about the
        level that was taken away.
    """
    stack = stack_of(layer)
    low, high = layer.contrast_limits
    span = float(high - low)
    level = float(np.median(np.asarray(difference[index_of(viewer, layer)])[::4, ::4]))
    made = []
    results: list[tuple[Any, Kind, tuple[float, float]]] = [
        (cleaned, "cleaned", (0.0, span)),
        (difference, "difference", (level - span, level + span)),
    ]
    for images, kind, limits in results:
        result = stack.with_images(images, kind, f"{kind} by napari-labdct")
        data, keywords, _ = stack_to_layer(result, f"{layer.name} {kind}")
        keywords |= {
            "contrast_limits": limits,
            "metadata": {**layer.metadata, KEY: result},
        }
        if layer.ndim == 2:
            data = data[0]
            keywords |= {
                key: tuple(keywords[key])[1:]
                for key in ("scale", "translate", "units", "axis_labels")
            }
        keywords |= {"scale": layer.scale, "translate": layer.translate}
        keywords |= {"units": layer.units}
        made.append(viewer.add_image(data, **keywords))
    made[1].colormap = diverging()
    made[1].visible = False
    place = viewer.layers.index(layer) + 1
    for offset, result_layer in enumerate(made):
        viewer.layers.move(viewer.layers.index(result_layer), place + offset)
        _widen(result_layer)
    return made[0], made[1]


def diverging() -> Colormap:
    """Blue below the middle, white in it, red above."""
    from napari.utils import Colormap

    blue, white, red = (0.02, 0.19, 0.53), (0.97, 0.97, 0.97), (0.55, 0.02, 0.05)
    between = (0.36, 0.6, 0.85), (0.92, 0.47, 0.36)
    colours = [blue, between[0], white, between[1], red]
    return Colormap([(*rgb, 1.0) for rgb in colours], name="signed difference")


def magnitude() -> Colormap:
    """Black in the middle, white at both ends: shows the absolute difference."""
    from napari.utils import Colormap

    white, black = (1.0, 1.0, 1.0, 1.0), (0.0, 0.0, 0.0, 1.0)
    return Colormap([white, black, white], name="absolute difference")


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


def _widen(layer: Image) -> None:
    """Let the contrast slider reach beyond the limits that are set."""
    low, high = layer.contrast_limits
    span = high - low
    below = low - span if low < 0 else min(0.0, low)
    layer.contrast_limits_range = (below, high + 3 * span)


def remember(layer: Image, step: str) -> None:
    """Replace the last line of a result layer's history: how it came to be."""
    stack = stack_of(layer)
    history = (*stack.history[:-1], step)
    layer.metadata = {**layer.metadata, KEY: replace(stack, history=history)}
