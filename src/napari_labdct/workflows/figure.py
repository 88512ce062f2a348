"""One figure that shows what cleaning did to a projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.core import LineProfile

INPUT, OUTPUT = "input", "output"
"""Layer names of the profiles."""

COLOURS = {INPUT: "#8a8f98", OUTPUT: "#c1121f"}
LINES = ("#ffb000", "#3ddc97", "#4cc9f0")


@dataclass(frozen=True)
class Comparison:
    """A projection before and after, with line profiles over both.

    Attributes
    ----------
    before, after
        Grey values, shape (rows, columns).
    profiles
        Lines with the layers `INPUT` and `OUTPUT`.
    title
        What is shown: scan, projection, model.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    profiles: Sequence[LineProfile]
    title: str


def write_figure(shown: Comparison, path: Path) -> None:
    """Draw input, output, difference and line profiles into a PNG.

    All three pictures have a grey range of one width, so that a grey step means
    the same everywhere; the output's starts at 0, where its background lies. In
    each plot the output's axis is the input's, shifted by the background.

    Parameters
    ----------
    shown
        What to draw.
    path
        The PNG to write.
    """
    # No pyplot: it would choose a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = max(1, len(shown.profiles))
    figure = Figure(figsize=(13, 8.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(shown.title, fontsize=11)
    rows = figure.add_gridspec(2, 1, height_ratios=(1.7, 1))
    above, below = rows[0].subgridspec(1, 3), rows[1].subgridspec(1, count)
    low, high = grey_range(shown.before)
    span = high - low
    pictures = (
        ("Input", shown.before, low),
        ("Output", shown.after, 0.0),
        ("Difference (input − output)", shown.before - shown.after, low),
    )
    for place, (name, image, start) in enumerate(pictures):
        axes = figure.add_subplot(above[place])
        _draw_picture(axes, image, start, start + span)
        axes.set_title(name, fontsize=11)
        for profile, colour in zip(shown.profiles, LINES, strict=False):
            _draw_line(axes, profile, colour)
    for place, profile in enumerate(shown.profiles):
        _draw_profile(figure.add_subplot(below[place]), profile)
    figure.savefig(path, dpi=150, format="png")


def grey_range(image: NDArray[np.float32]) -> tuple[float, float]:
    """Grey values that a picture of a measured frame should run between."""
    low, high = (float(value) for value in np.percentile(image, (0.5, 99.5)))
    return low, high if high > low else low + 1.0


def _draw_picture(axes: Any, image: NDArray[Any], low: float, high: float) -> None:
    shown = axes.imshow(image, cmap="gray", vmin=low, vmax=high)
    axes.set_xticks([])
    axes.set_yticks([])
    bar = axes.figure.colorbar(
        shown, ax=axes, location="bottom", shrink=0.9, pad=0.01, aspect=40
    )
    bar.ax.tick_params(labelsize=8)
    bar.set_label("grey value", fontsize=8)


def _draw_line(axes: Any, profile: LineProfile, colour: str) -> None:
    (row, column), (last_row, last_column) = profile.start, profile.stop
    axes.plot([column, last_column], [row, last_row], color=colour, lw=1.4)
    # Beside the left end, but never outside of the picture.
    left = column > 0.06 * axes.get_xlim()[1]
    axes.annotate(
        profile.name,
        (column, row) if left else (last_column, last_row),
        xytext=(-3 if left else 3, 0),
        textcoords="offset points",
        color=colour,
        ha="right" if left else "left",
        va="center",
        fontsize=11,
        fontweight="bold",
    )


def _draw_profile(axes: Any, profile: LineProfile) -> None:
    before, after = profile.values[INPUT], profile.values[OUTPUT]
    level = float(np.nanmedian(before - after))
    highest = float(np.nanmax([before - level, after]))
    lowest = float(np.nanmin([before - level, after]))
    margin = 0.06 * max(highest - lowest, 1e-6)
    limits = np.array([lowest - margin, highest + margin])
    twin = axes.twinx()
    for side, values, name, ends in (
        (axes, before, INPUT, limits + level),
        (twin, after, OUTPUT, limits),
    ):
        side.plot(profile.distance_px, values, color=COLOURS[name], lw=1.2)
        side.set_ylim(*ends)
        side.set_ylabel(f"{name} [grey value]", color=COLOURS[name], fontsize=9)
        side.tick_params(axis="y", colors=COLOURS[name], labelsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlim(0, profile.length_px)
    axes.set_xlabel("distance along the line [px]", fontsize=9)
    axes.set_title(f"Line {profile.name}", fontsize=11)
