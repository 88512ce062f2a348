"""One unit for each axis, also where stacks that are open together know unlike much.

napari cannot show pixels beside micrometres, nor numbers of projections beside angles.
There the first stack decides, and others are laid on its grid, pixel on pixel and
projection on projection, so that nothing that is there moves; what they know stays
with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import ProjectionStack
from napari_labdct.plugin import layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

SIZE = "napari-labdct pixel size"
"""Where a layer's metadata keeps its effective pixel size [µm], or None for unknown,
once its scale does not tell."""

AXES = {-3: "angles", -2: "", -1: "a pixel size"}
"""What a stack must know to have its own unit on an axis; rows go with columns."""


def pixel_size_um(layer: Layer) -> float | None:
    """Effective pixel size of a stack [µm], or None where it is unknown."""
    if SIZE in layer.metadata:
        size: float | None = layer.metadata[SIZE]
        return size
    stack = layer.metadata.get(layers.KEY)
    if isinstance(stack, ProjectionStack) and stack.geometry is not None:
        return stack.geometry.detector.pixel_size
    known = str(layer.units[-1]) in ("micrometer", "micron")
    return abs(float(layer.scale[-1])) if known else None


def fit(viewer: ViewerModel, layer: Image) -> None:
    """Lay a stack that is about to be added on the grid of those that are there.

    Afterwards would be too late: napari draws while it adds a layer.
    """
    stacks = _stacks(viewer)
    if stacks:
        _lay(layer, [*stacks, layer])


def settle(viewer: ViewerModel) -> None:
    """Lay all stacks on a grid that they can have, as some come or go."""
    stacks = _stacks(viewer)
    for layer in stacks:
        _lay(layer, stacks)


def set_scan(
    viewer: ViewerModel, layer: Image, start: float, step: float, size_um: float = 0.0
) -> None:
    """Give a stack, and its results with it, what its files do not tell.

    Parameters
    ----------
    viewer
        Where the layers are.
    layer
        The stack's layer.
    start, step
        ω of its first projection, and from one to the next [deg].
    size_um
        Effective pixel size [µm]; 0 leaves it as it is.
    """
    for member in _stacks(viewer):
        if layers.comes_from(member, layer):
            stack, size = layers.stack_of(member), pixel_size_um(member)
            omega = start + step * np.arange(len(stack), dtype=np.float64)
            member.metadata = {
                **member.metadata,
                layers.KEY: replace(stack, omega_deg=omega),
                SIZE: size_um if size_um > 0 else size,
            }
    settle(viewer)


def remark(layer: Image) -> str:
    """What to know of the grid that a stack is shown on; empty if it is its own."""
    own = _Grid.own(layer)
    other = [axis for axis in own.axes if own.counts(axis) != _counts(layer, axis)]
    words = " and ".join(filter(None, (AXES[axis] for axis in other)))
    if not words:
        return ""
    return f"shown on the grid of another stack, as only one of them has {words}"


@dataclass
class _Grid:
    """Scale, translation and units of the axes of a stack's layer."""

    scale: list[float]
    translate: list[float]
    units: list[str]
    labels: Sequence[str]

    @classmethod
    def own(cls, layer: Image) -> _Grid:
        """The one that a stack has by itself."""
        stack, size, count = layers.stack_of(layer), pixel_size_um(layer), layer.ndim
        scale, translate, units, labels = layers.space_of(stack, size)
        return cls(
            list(scale[-count:]),
            list(translate[-count:]),
            list(units[-count:]),
            labels[-count:],
        )

    @property
    def axes(self) -> range:
        """The axes, counted from the last one."""
        return range(-len(self.units), 0)

    def counts(self, axis: int) -> bool:
        """Whether an axis counts pixels or projections."""
        return self.units[axis] == "pixel"

    def take(self, layer: Layer, axis: int) -> None:
        """Take over an axis of another layer."""
        self.scale[axis] = float(layer.scale[axis])
        self.translate[axis] = float(layer.translate[axis])
        self.units[axis] = str(layer.units[axis])

    def hold(self, layer: Image) -> None:
        """Lay a layer here, if it cannot stay where it is or was laid before."""
        clash = any(self.counts(axis) != _counts(layer, axis) for axis in self.axes)
        if not clash and SIZE not in layer.metadata:
            return
        known: dict[str, Any] = {
            layers.KEY: layers.stack_of(layer),
            SIZE: pixel_size_um(layer),
        }
        layer.metadata = {**layer.metadata, **known}
        layer.units = self.units
        layer.scale, layer.translate = self.scale, self.translate
        layer.axis_labels = self.labels


def _counts(layer: Layer, axis: int) -> bool:
    return str(layer.units[axis]) == "pixel"


def _lay(layer: Image, stacks: Sequence[Image]) -> None:
    """Lay one of the stacks on its own grid, as far as the first ones let it."""
    origins = [each for each in stacks if _origin(stacks, each) is each]
    origin = _origin(stacks, layer)
    space = _Grid.own(origin)
    for axis in space.axes:
        first = next(each for each in origins if each.ndim >= -axis)
        if first is not origin and space.counts(axis) != _counts(first, axis):
            space.take(first, axis)
    space.hold(layer)


def _stacks(viewer: ViewerModel) -> list[Image]:
    return [layer for layer in viewer.layers if layers.is_stack(layer)]


def _origin(stacks: Sequence[Image], layer: Image) -> Image:
    """The stack that a layer is a result of, or the layer itself."""
    others = (each for each in stacks if each is not layer)
    return next((o for o in others if layers.comes_from(layer, o)), layer)
