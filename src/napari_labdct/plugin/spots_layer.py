"""A spot table as a layer of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.core import ProjectionStack, SpotTable
from napari_labdct.plugin.layers import KEY, stack_to_layer

if TYPE_CHECKING:
    from napari.layers import Layer
    from numpy.typing import NDArray

TOLD = ("energy_keV", "grain", "intensity", "snr", "area_px")
"""Columns that napari tells of the spot under the mouse, as far as they are known."""


def spots_to_layer(
    spots: SpotTable, stack: ProjectionStack, name: str
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
        "border_color": "#ffb000",
        "border_width": 0.12,
        "size": size,
        # A spot belongs to its projection alone: no spheres through the others.
        "out_of_slice_display": False,
        "metadata": {KEY: spots},
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
        indices = zip(frame["h"], frame["k"], frame["l"], strict=True)
        columns["hkl"] = [" ".join(map(str, index)) for index in indices]
    for name in TOLD:
        if name in frame.columns:
            column = frame[name]
            columns[name] = column.round(1) if column.dtype.kind == "f" else column
    return pd.DataFrame(columns, index=frame.index)


def is_spots(layer: Layer) -> bool:
    """Whether a layer holds spots."""
    return isinstance(layer.metadata.get(KEY), SpotTable)
