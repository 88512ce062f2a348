"""Pictures of what each way to spots finds, misses and cannot explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.match import pair_up
from napari_labdct.calibration import statistics_of
from napari_labdct.files import replacing
from napari_labdct.workflows.routes import ROUTES

if TYPE_CHECKING:
    from pathlib import Path

    from napari_labdct.core import ProjectionStack, SpotTable

FOUND, MISSED, STRANGE = "#00b050", "#ff3b30", "#2fa8ff"
"""Colours of a true spot found, one missed, and a find that nothing explains."""

LEAST = 3.0
"""Expected SNR above which a true spot that was not found is marked."""


def crowded_part(
    truth: SpotTable, projection: int, shape: tuple[int, int], side: int
) -> tuple[int, int]:
    """First row and column of the part of a frame with most spots of middling SNR."""
    frame = truth.frame
    here = frame[(frame["projection"] == projection) & frame["snr"].between(3, 20)]
    step = max(side // 4, 1)
    rows = range(0, max(shape[0] - side, 0) + 1, step)
    columns = range(0, max(shape[1] - side, 0) + 1, step)
    row, column = here["row_px"].to_numpy(), here["column_px"].to_numpy()
    counts = {
        (top, left): np.count_nonzero(
            (row >= top)
            & (row < top + side)
            & (column >= left)
            & (column < left + side)
        )
        for top in rows
        for left in columns
    }
    return max(counts, key=lambda place: counts[place])


def draw_failures(
    path: Path,
    stack: ProjectionStack,
    truth: SpotTable,
    tables: dict[str, SpotTable],
    *,
    projection: int | None = None,
    part: tuple[int, int] | None = None,
    side: int = 300,
    tolerance: float = 2.5,
    least_snr: float = LEAST,
    across: int = 3,
) -> Path:
    """Draw a part of one frame, in units of its noise, once for each way.

    Parameters
    ----------
    path
        The picture to write (PNG).
    stack, truth
        The scan and its true spots with expected SNR.
    tables
        Spots by way, as many as the way is to be judged by.
    projection
        The frame; the middle one by default.
    part
        First row and column of the part; where it is crowded by default.
    side
        Rows and columns of the part [px].
    tolerance
        Largest distance between a spot and a true one [px].
    least_snr
        Expected SNR above which a true spot that was not found is marked.
    across
        Pictures side by side.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = len(stack) // 2 if projection is None else projection
    top, left = part or crowded_part(truth, shown, stack.shape[1:], side)
    known = statistics_of(stack).of(shown)
    units = (stack.frame(shown) - known.background) / known.sigma
    real = truth.frame[truth.frame["projection"] == shown].reset_index(drop=True)
    across = min(across, len(tables))
    down = -(-len(tables) // across)
    with mpl.rc_context({"font.size": 10}):
        figure = Figure(figsize=(4.1 * across, 4.5 * down + 0.4), dpi=100)
        FigureCanvasAgg(figure)
        grid = figure.subplots(down, across, squeeze=False)
        for axis in grid.flat:
            axis.set_axis_off()
        for axis, (way, table) in zip(grid.flat, tables.items(), strict=False):
            spots = table.frame[table.frame["projection"] == shown].reset_index()
            own, hit, _ = pair_up(spots, real, tolerance)
            lost = ~np.isin(np.arange(len(real)), hit)
            missed = real[lost & (real["snr"] >= least_snr)]
            strange = spots[~np.isin(np.arange(len(spots)), own)]
            inside = units[top : top + side, left : left + side]
            axis.imshow(
                inside,
                cmap="gray",
                vmin=-2,
                vmax=8,
                extent=(left - 0.5, left + side - 0.5, top + side - 0.5, top - 0.5),
            )
            for points, colour, marker, name in (
                (spots.iloc[own], FOUND, "o", "found"),
                (missed, MISSED, "x", "missed"),
                (strange, STRANGE, "s", "unexplained"),
            ):
                visible = points["row_px"].between(top, top + side) & points[
                    "column_px"
                ].between(left, left + side)
                paint = (
                    {"c": colour}
                    if marker == "x"
                    else {
                        "facecolors": "none",
                        "edgecolors": colour,
                    }
                )
                axis.scatter(
                    points["column_px"],
                    points["row_px"],
                    s=70,
                    marker=marker,
                    label=f"{name} ({visible.sum()})",
                    **paint,
                )
            axis.set(
                xlim=(left - 0.5, left + side - 0.5), ylim=(top + side - 0.5, top - 0.5)
            )
            axis.set_title(ROUTES.get(way, way), fontsize=9)
            axis.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.01),
                ncols=3,
                fontsize=8,
                frameon=False,
                handletextpad=0.2,
                columnspacing=1,
            )
        figure.tight_layout()
        with replacing(path) as file:
            figure.savefig(file, format="png")
    return path
