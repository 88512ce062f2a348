"""Named, coloured lines in a Shapes layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.plugin.layers import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image, Layer, Shapes

MARK = "lines"
"""Marks the layer of the lines in its metadata."""

COLOURS = ("#ffb000", "#3ddc97", "#4cc9f0", "#f783ac", "#c0a8ff", "#d8f55d")
"""Colours of lines A, B, C …, as in the figures that the package writes."""


@dataclass(frozen=True)
class Line:
    """A line: its name, its colour, and its ends (row, column) [px]."""

    name: str
    colour: str
    start: tuple[float, float]
    stop: tuple[float, float]


def is_lines(layer: Layer) -> bool:
    """Whether a layer holds profile lines."""
    return bool(layer.metadata.get(KEY) == MARK)


def find_lines(viewer: ViewerModel) -> Shapes | None:
    """The layer of the lines, or None."""
    return next((layer for layer in viewer.layers if is_lines(layer)), None)


def add_lines(viewer: ViewerModel, image: Image, lines: Sequence[Line] = ()) -> Shapes:
    """Add a layer of lines that lies on a stack's layer and is drawn in its pixels."""
    layer = new_layer(image, "Lines", MARK)
    viewer.add_layer(layer)
    set_lines(layer, lines)
    return layer


def lay_on(layer: Shapes, image: Image) -> None:
    """Let lines lie on another stack's layer, at the same pixels."""
    for name in ("units", "scale", "translate"):
        wanted = getattr(image, name)[-2:]
        if not np.array_equal(getattr(layer, name), wanted):
            setattr(layer, name, wanted)


def new_layer(image: Image, name: str, mark: str) -> Shapes:
    """An empty layer for lines on a stack's layer."""
    from napari.layers import Shapes

    return Shapes(
        ndim=2,
        name=name,
        scale=image.scale[-2:],
        translate=image.translate[-2:],
        units=image.units[-2:],
        axis_labels=image.axis_labels[-2:],
        metadata={KEY: mark},
        features=_features([]),
        text={
            "string": "{name}",
            "size": 12,
            "color": {"feature": "colour", "fallback": "white"},
            "anchor": "center",
            # Beside lines along rows and columns, which are drawn most.
            "translation": [
                -0.03 * image.data.shape[-2],
                -0.025 * image.data.shape[-2],
            ],
        },
        face_color="transparent",
        edge_width=max(1.0, image.data.shape[-2] / 300),
        opacity=1.0,
    )


def set_lines(layer: Shapes, lines: Sequence[Line]) -> None:
    """Put other lines into the layer."""
    layer.data = []
    if lines:
        layer.add_lines(
            [np.array([line.start, line.stop]) for line in lines],
            edge_color=[line.colour for line in lines],
            edge_width=layer.current_edge_width,
        )
        layer.features = _features([(line.name, line.colour) for line in lines])
    prepare_next(layer)


def get_lines(layer: Shapes) -> list[Line]:
    """The lines of a layer, in the order in which they were drawn."""
    names = list(layer.features.get("name", []))
    found = []
    for number, (ends, kind) in enumerate(
        zip(layer.data, layer.shape_type, strict=True)
    ):
        if kind in ("line", "path") and len(ends) >= 2:
            first, last = np.asarray(ends)[[0, -1], -2:].tolist()
            name = str(names[number]) if number < len(names) else ""
            colour = hex_colour(layer.edge_color[number])
            found.append(Line(name, colour, (first[0], first[1]), (last[0], last[1])))
    return found


def prepare_next(layer: Shapes) -> None:
    """Give lines without a name of their own one, and the next one its colour."""
    names = [str(name) for name in layer.features.get("name", [])]
    fresh = list(names)
    for number, name in enumerate(names):
        if name in ("", "nan", "None") or name in fresh[:number]:
            fresh[number] = next_name(fresh)
    if fresh != names:
        colours = [hex_colour(colour) for colour in layer.edge_color]
        layer.features = _features(list(zip(fresh, colours, strict=True)))
    upcoming = next_name(fresh)
    colour = COLOURS[_number(upcoming) % len(COLOURS)]
    layer.feature_defaults = {"name": upcoming, "colour": colour}
    # Setting the current colour recolours what is selected, and selecting a line
    # makes its colour the current one: nothing stays selected.
    layer.selected_data = set()
    layer.current_edge_color = colour


def next_name(taken: Sequence[str]) -> str:
    """The first of A, B, … Z, A2, B2 … that is not taken."""
    number = 0
    while True:
        turn, letter = divmod(number, 26)
        name = chr(ord("A") + letter) + (str(turn + 1) if turn else "")
        if name not in taken:
            return name
        number += 1


def hex_colour(rgba: Any) -> str:
    """An RGBA colour from 0 to 1 as #rrggbb."""
    red, green, blue = (round(255 * float(part)) for part in rgba[:3])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _features(rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Names and colours of lines, as the layer keeps them for its text."""
    names, colours = [row[0] for row in rows], [row[1] for row in rows]
    return pd.DataFrame(
        {
            "name": pd.Series(names, dtype=object),
            "colour": pd.Series(colours, dtype=object),
        }
    )


def _number(name: str) -> int:
    """0 for A, 1 for B …"""
    turn = int(name[1:]) - 1 if len(name) > 1 else 0
    return ord(name[0]) - ord("A") + 26 * turn
