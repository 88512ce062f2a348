"""The grains of a sample as a layer in three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_labdct.physics import Polycrystal

VIEW_DEG = (0.0, 25.0, 60.0)
"""Camera angles from which a sample looks solid [deg]."""

MOST_VOXELS = 3e6
"""Voxels that a graphics card draws without effort."""


def grains_to_layer(sample: Polycrystal, name: str) -> tuple[Any, dict[str, Any], str]:
    """Grains as napari's layer data: labels coloured by orientation.

    The axes are those of a projection at ω = 0, from the rotation axis on: along
    the beam, down as its rows and right as its columns.

    Parameters
    ----------
    sample
        The grains.
    name
        Name of the layer.
    """
    from napari.utils import DirectLabelColormap

    from napari_labdct.physics import ipf_colours

    extent = np.ptp(sample.centre, axis=0) * 1000
    edge = float(np.cbrt(np.median(sample.volume))) * 1000
    edge = max(edge, float(np.cbrt(extent.prod() / MOST_VOXELS)))
    grain, origin = sample.grain_map(edge)
    # rows run against z, columns against y
    volume = (grain + 1).transpose(0, 2, 1)[:, ::-1, ::-1]
    ny, nz = grain.shape[1:]
    first = np.array(
        [
            origin[0] * 1000,
            -(origin[2] * 1000 + (nz - 1) * edge),
            -(origin[1] * 1000 + (ny - 1) * edge),
        ]
    )
    colour = ipf_colours(sample.orientation, sample.crystal)
    table: dict[int | None, Any] = {
        number + 1: (*rgb, 1.0) for number, rgb in enumerate(colour.tolist())
    }
    table |= {None: (0.0, 0.0, 0.0, 0.0), 0: (0.0, 0.0, 0.0, 0.0)}
    keywords = {
        "name": name,
        "scale": (edge,) * 3,
        "translate": first,
        "units": ("micrometer",) * 3,
        "axis_labels": ("beam", "row", "column"),
        "features": _features(sample),
        "colormap": DirectLabelColormap(color_dict=table),
        "opacity": 1.0,
    }
    return np.ascontiguousarray(volume, np.int32), keywords, "labels"


def _features(sample: Polycrystal) -> pd.DataFrame:
    """What napari tells of the grain under the mouse, by label; 0 is no grain."""
    euler = sample.orientation.as_euler("ZXZ", degrees=True).round(1)
    told = pd.DataFrame(
        {
            "index": np.arange(1, len(sample) + 1),
            "grain": np.arange(len(sample)),
            "size_um": sample.grain_size_um.round(1),
            "Euler ZXZ [deg]": [" ".join(map(str, row)) for row in euler],
        }
    )
    nothing = {"index": 0, "grain": -1, "size_um": 0.0, "Euler ZXZ [deg]": ""}
    return pd.concat([pd.DataFrame([nothing]), told], ignore_index=True)


def show_grains(sample: Polycrystal, name: str, viewer: ViewerModel) -> Layer:
    """Show grains in three dimensions, in a viewer that shows nothing else.

    Projections and grains have no axis in common: ω is none of the sample's.
    """
    from napari.layers import Layer

    layer = viewer.add_layer(Layer.create(*grains_to_layer(sample, name)))
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    viewer.scene.camera.angles = VIEW_DEG
    viewer.scene.camera.zoom *= 0.7  # a cylinder is longest along its diagonal
    return layer


def new_viewer(title: str) -> ViewerModel:
    """A window of its own."""
    import napari

    return napari.Viewer(title=title, ndisplay=3)
