"""The main job: a scan in; clean frames, spots and a figure in one folder out."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_labdct.analysis.scan import line_profile
from napari_labdct.core import InputError, Progress, SpotTable, counted, drained
from napari_labdct.files import StackWriter, make_folder, replacing, write_spots
from napari_labdct.workflows.cleanup import history_line, iter_clean
from napari_labdct.workflows.figure import INPUT, OUTPUT, Comparison, write_figure
from napari_labdct.workflows.lines import choose_lines
from napari_labdct.workflows.scan_word import iter_word
from napari_labdct.workflows.spot_finding import chosen, iter_candidates, spots_of
from napari_labdct.workflows.suited import (
    centre_of,
    loosened,
    settings_for,
    shadow_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_labdct.analysis.agreement import Heard
    from napari_labdct.core import LineProfile, ProjectionStack
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.cleanup import CleanFrame


@dataclass(frozen=True)
class Results:
    """What the main job leaves behind.

    Attributes
    ----------
    folder
        Where all files are.
    cleaned, difference
        TIFF stacks of float32 grey values, linear: spots on a background of 0, and
        input minus cleaned.
    spots_file, figure
        Spot table (CSV) and picture of one projection (PNG).
    spots
        The spot table.
    profiles
        Line profiles of the projection in the figure.
    summary
        Input and output side by side: columns `input` and `output`, one row a
        quantity.
    """

    folder: Path
    spots: SpotTable
    profiles: tuple[LineProfile, ...]
    summary: pd.DataFrame

    @property
    def cleaned(self) -> Path:
        """Cleaned stack."""
        return self.folder / "cleaned.tif"

    @property
    def difference(self) -> Path:
        """Input minus cleaned."""
        return self.folder / "difference.tif"

    @property
    def spots_file(self) -> Path:
        """Spot table."""
        return self.folder / "spots.csv"

    @property
    def figure(self) -> Path:
        """Picture of one projection before and after."""
        return self.folder / "figure.png"


def iter_clean_to_files(
    stack: ProjectionStack,
    denoiser: Denoiser,
    cleaned: Path,
    difference: Path | None = None,
    word: Sequence[Heard] = (),
) -> Iterator[CleanFrame]:
    """Clean frame by frame, from disk to disk.

    Parameters
    ----------
    stack
        The scan.
    denoiser
        The network.
    cleaned, difference
        TIFF stacks to write (float32); they appear when the last frame is done.
    word
        As in `iter_clean`.

    Yields
    ------
    clean
        Each frame, already written.

    Raises
    ------
    InputError
        If a frame cannot be read or a file not be written.
    """
    line = history_line(stack, denoiser, asked=bool(word))
    with ExitStack() as writers:
        clean_writer = writers.enter_context(
            StackWriter(cleaned, stack, "cleaned", line)
        )
        rest_writer = difference and writers.enter_context(
            StackWriter(difference, stack, "difference", f"Taken away: {line}")
        )
        for done in iter_clean(stack, denoiser, word=word):
            clean_writer.write(done.image)
            if rest_writer:
                rest_writer.write(done.difference)
            yield done


def iter_clean_to_folder(
    stack: ProjectionStack,
    denoiser: Denoiser,
    folder: Path | str,
    *,
    show: int | None = None,
) -> Generator[Progress, None, Results]:
    """Do the main job step by step.

    Parameters
    ----------
    stack
        The scan.
    denoiser
        The network.
    folder
        Where everything is written; made if needed.
    show
        0-based index of the projection in the figure; the middle one by default.

    Yields
    ------
    progress
        After every projection, and after the figure.

    Returns
    -------
    results
        As the generator's value.

    Raises
    ------
    InputError
        If a frame cannot be read, `show` is not in the stack, or `folder` not to
        be written to.
    """
    count = len(stack)
    show = count // 2 if show is None else show
    if not 0 <= show < count:
        raise InputError(
            f"Projection {show} cannot be shown: the scan has {count}, counted from 0."
        )
    files = Results(make_folder(folder), SpotTable(), (), pd.DataFrame())
    tables, levels, kept = [], _Levels(), {}
    settings, shadow = settings_for(stack, denoiser), shadow_of(stack)
    centre = centre_of(stack)
    loose = loosened(settings, stack)
    # Wide spots are found on binned frames, small ones on those cleaned anyway.
    wide = settings.binning > 1
    binned = iter_candidates(stack, denoiser, settings) if wide else None
    word = yield from counted(iter_word(stack, denoiser), 2 * count + 1, "candidates")
    asked, total = len(word), len(word) + count + 1
    for done in iter_clean_to_files(
        stack, denoiser, files.cleaned, files.difference, word
    ):
        omega = float(stack.omega[done.index])
        if binned:
            tables.append(next(binned))
        else:
            tables.append(spots_of(done, omega, loose, shadow, centre))
        levels.add(done)
        if done.index == show:
            kept[show] = done
        yield Progress(asked + done.index + 1, total, f"projection {done.index + 1}")
    spots = chosen(SpotTable.concatenate(tables), stack, settings)
    write_spots(spots, files.spots_file)
    shown = kept[show]
    profiles = _profiles(shown, spots.of(show))
    title = _title(stack, show, denoiser)
    with replacing(files.figure) as part:
        write_figure(Comparison(shown.frame, shown.image, profiles, title), part)
    yield Progress(total, total, "figure")
    return Results(files.folder, spots, profiles, levels.summary(spots, count))


def clean_to_folder(
    stack: ProjectionStack,
    denoiser: Denoiser,
    folder: Path | str,
    *,
    show: int | None = None,
) -> Results:
    """Do the main job; parameters and errors as in `iter_clean_to_folder`."""
    return drained(iter_clean_to_folder(stack, denoiser, folder, show=show))


def _profiles(shown: CleanFrame, spots: SpotTable) -> tuple[LineProfile, ...]:
    lines = choose_lines(spots, shown.statistics.background, shown.image)
    layers = {INPUT: shown.frame, OUTPUT: shown.image}
    return tuple(
        line_profile(layers, *ends, name=name, projection=shown.index)
        for name, ends in lines.items()
    )


def _title(stack: ProjectionStack, index: int, denoiser: Denoiser) -> str:
    name = Path(stack.source).name or "scan"
    omega = float(stack.omega[index])
    angle = f", ω = {omega:g}°" if np.isfinite(omega) else ""
    return (
        f"{name}: projection {index + 1} of {len(stack)}{angle}, "
        f"cleaned by the model {denoiser.name!r}"
    )


@dataclass
class _Levels:
    """Grey levels and noise of every frame, before and after."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, done: CleanFrame) -> None:
        """Take in one frame; a 16th of its pixels is enough."""
        row = {}
        for side, image in (("input", done.frame), ("output", done.image)):
            part = image[::4, ::4]
            for share in (5, 50, 95):
                row[f"{side} {share}"] = float(np.percentile(part, share))
        row["input noise"] = float(np.median(done.statistics.sigma[::4, ::4]))
        rest = np.abs(done.image[::4, ::4] - row["output 50"])
        row["output noise"] = 1.4826 * float(np.median(rest))
        self.rows.append(row)

    def summary(self, spots: SpotTable, count: int) -> pd.DataFrame:
        """Medians over the scan, as text."""
        typical = pd.DataFrame(self.rows).median()
        columns = {}
        for side in ("input", "output"):
            low, level, high = (typical[f"{side} {share}"] for share in (5, 50, 95))
            columns[side] = {
                "grey value, median": f"{level:.4g}",
                "grey value, 5 to 95 %": f"{low:.4g} to {high:.4g}",
                "noise of a pixel, σ": f"{typical[f'{side} noise']:.3g}",
            }
        columns["output"]["spots"] = str(len(spots))
        columns["output"]["spots per projection"] = f"{len(spots) / count:.4g}"
        return pd.DataFrame(columns).fillna("")
