"""A spot table as a layer of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.core import ProjectionStack, SpotTable
from napari_labdct.plugin.layers import KEY, stack_to_layer

if TYPE_CHECKING:
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

TOLD = ("energy_keV", "grain", "intensity", "snr", "area_px")
"""Columns that napari tells of the spot under the mouse, as far as they are known."""

COLOUR, CHOSEN = "#ffb000", "#00e5ff"
"""Colours of spots, and of those that are chosen."""


def spots_to_layer(
    spots: SpotTable,
    stack: ProjectionStack,
    name: str,
    image: Image | None = None,
) -> tuple[Any, dict[str, Any], str]:
    """Spots as napari's layer data, lying on their stack.

    Parameters
    ----------
    spots
        The table.
    stack
        The stack that the spots are in: it gives the layer its scale.
    name
        Name of the layer.
    image
        The stack's layer, where there is one: it may lie on the grid of others.
    """
    _, space, _ = stack_to_layer(stack, name)
    size = max(6.0, stack.shape[1] / 60)
    keywords: dict[str, Any] = {
        "name": name,
        "scale": space["scale"],
        "translate": space["translate"],
        "units": space["units"],
        "axis_labels": space["axis_labels"],
        "ndim": 3,
        "features": told(spots),
        "face_color": "transparent",
        "border_color": COLOUR,
        "border_width": 0.12,
        "size": size,
        # A spot belongs to its projection alone: no spheres through the others.
        "out_of_slice_display": False,
        "metadata": {KEY: spots},
    }
    if image is not None and image.ndim == 3:
        keywords |= {
            key: getattr(image, key) for key in ("scale", "translate", "units")
        }
    return coordinates(spots), keywords, "points"


def coordinates(spots: SpotTable) -> NDArray[np.float64]:
    """Places of spots, shape (N, 3): projection, row and column [px]."""
    columns = ["projection", "row_px", "column_px"]
    return spots.frame[columns].to_numpy(np.float64)


def told(spots: SpotTable) -> pd.DataFrame:
    """What napari tells of each spot under the mouse, rounded for reading."""
    frame = spots.frame
    columns: dict[str, Any] = {}
    if {"h", "k", "l"} <= set(frame.columns):
        columns["hkl"] = hkl(frame)
    for name in TOLD:
        if name in frame.columns:
            column = frame[name]
            columns[name] = column.round(1) if column.dtype.kind == "f" else column
    return pd.DataFrame(columns, index=frame.index)


def hkl(frame: pd.DataFrame) -> list[str]:
    """Indices of every spot as a word; empty where no grain is known."""
    grain = frame["grain"] if "grain" in frame.columns else [0] * len(frame)
    indices = zip(frame["h"], frame["k"], frame["l"], strict=True)
    pairs = zip(indices, grain, strict=True)
    return [" ".join(map(str, index)) if of >= 0 else "" for index, of in pairs]


def in_words(spot: pd.Series) -> str:
    """What is known of a spot, in a line."""
    words = []
    grain = spot.get("grain", -1)
    if grain >= 0:
        words.append("hkl " + " ".join(f"{spot[name]:.0f}" for name in "hkl"))
        words.append(f"grain {grain:.0f}")
    for name, text in (
        ("energy_keV", "{:.1f} keV"),
        ("snr", "SNR {:.0f}"),
        ("area_px", "{:.0f} px"),
    ):
        if np.isfinite(spot.get(name, np.nan)):
            words.append(text.format(spot[name]))
    if spot.get("companions", 0) > 0:
        words.append(f"confirmed by {spot['companions']:.0f} of 4 neighbours")
    return " · ".join(words) or "added by hand"


def is_spots(layer: Layer) -> bool:
    """Whether a layer holds spots."""
    return isinstance(layer.metadata.get(KEY), SpotTable)
