"""From lines and frames to the curves of a plot; no viewer, no widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from napari_labdct.core.geometry import Parameters
from napari_labdct.plugin.drawing import Curve, Panel, Plot
from napari_labdct.plugin.imports import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_labdct.core import LineProfile
    from napari_labdct.plugin.lines import Line

AxisName = Literal["normalised", "px", "µm"]

LAYER_COLOURS = {"cleaned": "#e5383b", "difference": "#15aabf"}
"""Colours of curves by kind of stack; inputs and others take `OTHERS` in turn."""

OTHERS = ("#8a8f98", "#9775fa", "#94d82d", "#f76707")


MOST_MARKS, LEAST_MARK = 12, 0.03
"""Most peaks marked on a line, and the lowest, as a share of the highest."""


class ProfileOptions(Parameters):
    """How profiles are taken and shown."""

    axis: AxisName = Field("px", description="Unit of the distance along a line.")
    width: int = Field(
        1, ge=1, le=101, description="Width averaged over, across the line [px]."
    )
    log: bool = Field(False, description="Grey values on a logarithmic axis.")
    level: bool = Field(
        False, description="Shift every curve so that its median lies at zero."
    )
    peaks: bool = Field(True, description="Mark peaks: height, FWHM, SNR, background.")


@dataclass(frozen=True)
class Source:
    """A frame to take profiles from.

    Attributes
    ----------
    name
        Name of its layer.
    frame
        Grey values, shape (rows, columns).
    colour
        Colour of its curves.
    kind
        Kind of its stack.
    """

    name: str
    frame: NDArray[Any]
    colour: str
    kind: str = ""


def get_ready() -> Iterator[None]:
    """Import what profiles need; a job for the background, it takes a second."""
    load("napari_labdct.analysis.scan")
    yield None


def colours(kinds: Mapping[str, str]) -> dict[str, str]:
    """A colour for every layer, by its name, from the kinds of the layers."""
    rest = iter(OTHERS * (1 + len(kinds) // len(OTHERS)))
    return {name: LAYER_COLOURS.get(kind) or next(rest) for name, kind in kinds.items()}


def take(
    lines: Sequence[Line], sources: Sequence[Source], width: int, projection: int
) -> list[LineProfile]:
    """Profiles of every line over all sources."""
    from napari_labdct.analysis.scan import line_profile

    frames = {source.name: source.frame for source in sources}
    return [
        line_profile(
            frames,
            line.start,
            line.stop,
            width=width,
            name=line.name,
            projection=projection,
        )
        for line in lines
    ]


def peak_layer(sources: Sequence[Source]) -> str:
    """The layer whose peaks are marked: the cleaned one if there is one."""
    cleaned = [source.name for source in sources if source.kind == "cleaned"]
    return (cleaned or [source.name for source in sources])[0]


def to_plot(
    profiles: Sequence[LineProfile],
    lines: Sequence[Line],
    sources: Sequence[Source],
    options: ProfileOptions,
    size_um: float | None,
) -> Plot:
    """One panel for each line, one curve in it for each source."""
    panels = []
    for profile, line in zip(profiles, lines, strict=True):
        unit = axis_unit(profile, options.axis, size_um)
        shift = {
            name: _middle(values) if options.level else 0.0
            for name, values in profile.values.items()
        }
        curves = tuple(
            Curve(
                profile.distance_px * unit,
                profile.values[source.name] - shift[source.name],
                source.colour,
                source.name,
            )
            for source in sources
        )
        marks = _marks(profile, sources, unit, shift) if options.peaks else ()
        title = f"{line.name}   {_length(profile, size_um)}"
        panels.append(Panel(title, line.colour, curves, marks, log_y=options.log))
    axis = {
        "px": "distance [px]",
        "µm": "distance [µm]",
        "normalised": "distance / length of the line",
    }
    return Plot(tuple(panels), axis[options.axis], "grey value")


def axis_unit(profile: LineProfile, axis: AxisName, size_um: float | None) -> float:
    """What one pixel of distance is on the axis."""
    if axis == "normalised":
        return 1 / max(profile.length_px, 1e-9)
    return size_um or 1.0 if axis == "µm" else 1.0


def _length(profile: LineProfile, size_um: float | None) -> str:
    text = f"{profile.length_px:.1f} px"
    return text if size_um is None else f"{text}, {profile.length_px * size_um:.0f} µm"


def _middle(values: NDArray[np.float64]) -> float:
    inside = values[np.isfinite(values)]
    return float(np.median(inside)) if inside.size else 0.0


def _marks(
    profile: LineProfile,
    sources: Sequence[Source],
    unit: float,
    shift: Mapping[str, float],
) -> tuple[tuple[float, float, str], ...]:
    """Where peaks are, and their numbers in words."""
    from napari_labdct.analysis.scan import profile_peaks

    if not sources:
        return ()
    layer = peak_layer(sources)
    table = profile_peaks(profile, layer)
    names = ["position_px", "height", "background", "fwhm_px", "snr"]
    peaks = np.stack([table[name].to_numpy(np.float64) for name in names], 1)
    peaks = peaks[np.argsort(-peaks[:, 1])][:MOST_MARKS]
    peaks = peaks[peaks[:, 1] >= LEAST_MARK * peaks[:, 1].max(initial=0.0)]
    return tuple(
        (
            position * unit,
            height + background - shift[layer],
            f"peak {height:.0f}, FWHM {fwhm:.1f} px, SNR {snr:.0f}, "
            f"background {background:.0f}",
        )
        for position, height, background, fwhm, snr in peaks.tolist()
    )


def through(images: Any, row: float, column: float, width: int) -> NDArray[np.float64]:
    """Grey value at a pixel in every projection, shape (P,).

    Parameters
    ----------
    images
        Grey values, shape (P, rows, columns); read frame by frame.
    row, column
        The pixel [px].
    width
        Side of the square of pixels around it that is averaged [px].
    """
    rows, columns = images.shape[1:]
    top = int(np.clip(round(row) - width // 2, 0, rows - 1))
    left = int(np.clip(round(column) - width // 2, 0, columns - 1))
    square = slice(top, top + width), slice(left, left + width)
    means = [np.asarray(images[i][square]).mean() for i in range(len(images))]
    return np.asarray(means, np.float64)
