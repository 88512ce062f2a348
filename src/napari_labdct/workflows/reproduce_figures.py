"""Figures 1, 3, 4 and 5 of Hovad et al. 2020 with our data and both networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_labdct.analysis.scan import line_profile
from napari_labdct.workflows.figure import grey_range

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from napari_labdct.calibration import FrameStatistics
    from napari_labdct.workflows.lines import Line

NAMES = {"paper": "recipe of Hovad et al. 2020", "default": "default model"}
COLOURS = {"input": "#8a8f98", "paper": "#1d70b8", "default": "#c1121f"}
LINE_COLOURS = ("#ffb000", "#3ddc97", "#4cc9f0")


@dataclass(frozen=True)
class Trial:
    """A frame, what is true of it, and what networks make of it.

    Attributes
    ----------
    frame
        What the networks were given, shape (rows, columns) [grey values].
    truth
        Spots alone, same shape and unit.
    statistics
        Background and noise of the frame.
    answers
        Cleaned frames, by the network's name in `NAMES`.
    """

    frame: NDArray[np.float32]
    truth: NDArray[np.float32]
    statistics: FrameStatistics
    answers: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Shown:
    """All that the figures show.

    Attributes
    ----------
    content, applied
        A synthetic input of figure 1, and a frame that looks measured.
    paper, default
        Losses of both trainings, one row an epoch.
    """

    content: Trial
    applied: Trial
    paper: pd.DataFrame
    default: pd.DataFrame


def draw_pairs(shown: Shown, path: Path) -> None:
    """Figure 1: content image, synthetic input, predictions."""
    trial = shown.content
    figure = _figure(13, 3.7)
    axes = figure.subplots(1, 2 + len(trial.answers))
    pictures = {"content": trial.truth, "input": trial.frame}
    for name, answer in trial.answers.items():
        pictures[f"prediction, {NAMES[name]}"] = answer
    for panel, (title, image) in zip(axes, pictures.items(), strict=True):
        _picture(panel, image[_middle(image)], 0, 255, title)
    _save(figure, path, "Figure 1: part of a projection that was not trained on, 8 bit")


def draw_losses(shown: Shown, path: Path) -> None:
    """Figure 3: losses by epoch, the frozen phase shaded."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = _figure(11, 4)
    for panel, (name, table) in zip(
        figure.subplots(1, 2),
        (("paper", shown.paper), ("default", shown.default)),
        strict=True,
    ):
        for column, style in (("train_loss", "o-"), ("validation_loss", "s--")):
            label = column.replace("_loss", "")
            panel.plot(table["epoch"], table[column], style, ms=3, lw=1, label=label)
        if "phase" in table:
            frozen = int((table["phase"] == "frozen").sum())
            panel.axvspan(0.5, frozen + 0.5, color="#dfe7ef", label="encoder frozen")
        panel.set(yscale="log", xlabel="epoch", ylabel="loss", title=NAMES[name])
        # Losses that stay within a decade would get a single tick.
        both = table[["train_loss", "validation_loss"]].to_numpy()
        wide = float(np.nanmax(both)) > 10 * float(np.nanmin(both))
        subs = (1, 2, 5) if wide else (1, 1.2, 1.5, 2, 3, 5, 7)
        panel.yaxis.set_major_locator(LogLocator(subs=subs))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.legend(fontsize=8)
    _save(figure, path, "Figure 3: losses (those of the two networks do not compare)")


def draw_differences(shown: Shown, path: Path) -> None:
    """Figure 4: input, output and difference."""
    trial = shown.applied
    figure = _figure(11, 7.6)
    low, high = grey_range(trial.frame)
    span = high - low
    for row, (name, answer) in zip(
        figure.subplots(len(trial.answers), 3, squeeze=False),
        trial.answers.items(),
        strict=True,
    ):
        rest = trial.frame - answer
        _picture(row[0], trial.frame, low, high, "input")
        _picture(row[1], answer, 0, span, f"output, {NAMES[name]}")
        _picture(row[2], rest, low, high, "difference (input − output)")
        for (label, (start, stop)), colour in zip(
            lines_of(trial).items(), LINE_COLOURS, strict=True
        ):
            row[0].plot(*zip(start[::-1], stop[::-1], strict=True), color=colour)
            row[0].text(*start[::-1], label, color=colour, ha="right", va="center")
    _save(figure, path, "Figure 4: a frame that looks measured")


def draw_lines(shown: Shown, path: Path) -> None:
    """Figure 5: three line scans."""
    trial = shown.applied
    figure = _figure(12, 3.8)
    lines = lines_of(trial)
    layers = {"input": trial.frame, **trial.answers}
    for panel, (name, ends) in zip(
        figure.subplots(1, len(lines)), lines.items(), strict=True
    ):
        profile = line_profile(layers, *ends, name=name)
        for layer, values in profile.values.items():
            label = NAMES.get(layer, layer)
            panel.plot(
                profile.normalised_distance,
                values,
                color=COLOURS[layer],
                lw=1.2,
                label=label,
            )
        panel.set(xlabel="normalised distance", title=f"line {name}")
    panel.legend(fontsize=8)
    figure.supylabel("grey value", fontsize=9)
    _save(figure, path, "Figure 5: line scans over the frame of figure 4")


FIGURES: dict[str, Callable[[Shown, Path], None]] = {
    "fig1.png": draw_pairs,
    "fig3.png": draw_losses,
    "fig4.png": draw_differences,
    "fig5.png": draw_lines,
}
"""What is drawn, by file name; figure 2 of the paper is a drawing of the network."""


def lines_of(trial: Trial) -> dict[str, Line]:
    """Level lines over the strongest spot (A), a weak one (B) and near the top (C)."""
    rows, columns = trial.truth.shape
    half = columns // 8
    top = trial.truth == ndimage.maximum_filter(trial.truth, 15)
    top &= trial.truth > 3 * trial.statistics.sigma
    top[:, : half + 1] = top[:, -half - 1 :] = False
    at = np.argwhere(top)
    order = np.argsort(trial.truth[top])
    chosen = {"A": order[-1], "B": order[len(order) // 3]} if len(at) else {}
    lines: dict[str, Line] = {}
    for name, index in chosen.items():
        row, column = (float(value) for value in at[index])
        lines[name] = (row, column - half), (row, column + half)
    edge = 0.04 * rows
    return lines | {"C": ((edge, edge), (edge, columns - 1 - edge))}


def _middle(image: NDArray[np.float32]) -> tuple[slice, ...]:
    """The part beside the beam stop where spots are large enough to be seen."""
    rows, columns = image.shape
    return slice(rows // 8, rows * 5 // 8), slice(columns // 2, columns)


def _figure(width: float, height: float) -> Any:
    # No pyplot: it would choose a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path, title: str) -> None:
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=130, format="png")


def _picture(
    panel: Any, image: NDArray[np.float32], low: float, high: float, title: str
) -> None:
    panel.imshow(image, cmap="gray", vmin=low, vmax=high)
    panel.set_title(title, fontsize=9)
    panel.set_axis_off()
