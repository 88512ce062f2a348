"""Stacks and results of cleaning become layers of a viewer."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.plugin import grid
from napari_labdct.plugin.layers import (
    KEY,
    index_of,
    is_stack,
    stack_of,
    stack_to_layer,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.utils import Colormap
    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack
    from napari_labdct.core.stack import Kind

IN_MEMORY = 2 * 1024**3
"""Results up to this many bytes stay in memory, larger ones in a temporary file."""


def add_stack(viewer: ViewerModel, stack: ProjectionStack, name: str) -> Image:
    """Add a stack to the viewer as one layer, and centre the view on its middle."""
    from napari.layers import Layer

    first = not any(is_stack(layer) for layer in viewer.layers)
    layer = Layer.create(*stack_to_layer(stack, name))
    grid.fit(viewer, layer)
    viewer.add_layer(layer)
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


def preallocate(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros to be filled frame by frame; beyond `IN_MEMORY` in a temporary file."""
    if 4 * int(np.prod(shape)) <= IN_MEMORY:
        return np.zeros(shape, np.float32)
    with tempfile.TemporaryFile() as file:
        # The map keeps the file open; the system drops it with the array.
        return np.memmap(file, np.float32, "w+", shape=shape)


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
