"""File → Open Sample: the simulated scan that comes with the package."""

from __future__ import annotations

from typing import Any

from napari_labdct.plugin.reader import shown
from napari_labdct.plugin.spots_layer import spots_to_layer

LayerData = tuple[Any, dict[str, Any], str]

NAME = "sample scan"


def sample_scan() -> list[LayerData]:
    """The scan as a detector would have measured it."""
    from napari_labdct.files import read_stack, sample_path

    return [shown(read_stack(sample_path()), NAME)]


def clean_sample_scan() -> list[LayerData]:
    """The same scan without background and noise, in photons."""
    from napari_labdct.files import read_stack, sample_path

    stack = read_stack(sample_path().with_name("clean.tif"))
    return [shown(stack, f"{NAME} without noise")]


def sample_scan_with_spots() -> list[LayerData]:
    """The scan and its true spots, with grain, hkl and energy of each."""
    from napari_labdct.files import read_spots, read_stack, sample_path

    stack = read_stack(sample_path())
    spots = read_spots(sample_path().with_name("truth.csv"))
    image = shown(stack, NAME)
    points, keywords, kind = spots_to_layer(spots, stack, f"{NAME} true spots")
    keywords |= {key: image[1][key] for key in ("scale", "translate", "units")}
    return [image, (points, keywords, kind)]
