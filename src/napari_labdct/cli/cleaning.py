"""Verbs that clean: run, clean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_labdct.cli.common import (
    Device,
    Flip,
    Model,
    Stack,
    Start,
    Step,
    bar,
    load_denoiser,
    read,
    say,
    watch,
)
from napari_labdct.cli.window import open_window

if TYPE_CHECKING:
    from napari_labdct.core import ProjectionStack
    from napari_labdct.workflows.main_job import Results


def run(
    stack: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of TIFF frames, one TIFF stack, or a .txrm file; the sample "
            "scan that comes with the package when left out.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for all results.")] = Path("out"),
    model: Model = "default",
    device: Device = "auto",
    show: Annotated[
        int | None,
        typer.Option(
            help="Projection in the figure, counted from 0.", show_default="middle"
        ),
    ] = None,
    omega_start: Start = None,
    omega_step: Step = None,
    flip: Flip = "auto",
    window: Annotated[
        bool, typer.Option(help="Open the results in napari, where there is a screen.")
    ] = True,
) -> None:
    """Clean a scan, find its spots, draw a figure.

    The whole job, results in one folder: writes cleaned.tif and difference.tif
    (float grey values, linear), spots.csv and
    figure.png; then shows the same in napari.
    """
    from napari_labdct.files import sample_path
    from napari_labdct.workflows.main_job import iter_clean_to_folder

    path = stack or sample_path()
    scan = read(path, omega_start, omega_step, flip)
    steps = iter_clean_to_folder(scan, load_denoiser(model, device), out, show=show)
    results = watch(steps, "Cleaning", len(scan) + 1)
    _print_results(scan, results)
    if window:
        open_window(scan, results)


def clean(
    stack: Stack,
    out: Annotated[Path, typer.Option(help="TIFF stack to write.")] = Path(
        "cleaned.tif"
    ),
    difference: Annotated[
        Path | None,
        typer.Option(help="TIFF stack for what was taken away.", show_default="none"),
    ] = None,
    model: Model = "default",
    device: Device = "auto",
    omega_start: Start = None,
    omega_step: Step = None,
    flip: Flip = "auto",
) -> None:
    """Clean a scan: spots stay, on a background of zero."""
    from napari_labdct.workflows.main_job import iter_clean_to_files

    scan = read(stack, omega_start, omega_step, flip)
    denoiser = load_denoiser(model, device)
    for _ in bar(
        iter_clean_to_files(scan, denoiser, out, difference), "Cleaning", len(scan)
    ):
        pass
    say(f"{out}: {len(scan)} cleaned projections")


def _print_results(scan: "ProjectionStack", results: "Results") -> None:
    count, rows, columns = scan.shape
    say(f"\n{count} projections of {rows} × {columns} px from {scan.source}\n")
    table = results.summary
    wide = [max(map(len, [name, *table[name]])) for name in table]
    first = max(map(len, table.index))
    say(" " * first + "".join(f"  {n:>{w}}" for n, w in zip(table, wide, strict=True)))
    for name, row in table.iterrows():
        cells = (f"  {v:>{w}}" for v, w in zip(row, wide, strict=True))
        say(f"{name:<{first}}" + "".join(cells))
    say("")
    for file in (
        results.cleaned,
        results.difference,
        results.spots_file,
        results.figure,
    ):
        say(f"{file}")
