"""Verbs that clean: run, clean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_labdct.cli.common import (
    Device,
    Model,
    Stack,
    Values,
    load_denoiser,
    read,
    say,
    watch,
)
from napari_labdct.cli.jobs import (
    Scans,
    Scheduler,
    Workers,
    do,
    model_of,
    outputs_of,
    place,
    source_of,
)
from napari_labdct.cli.options import validated
from napari_labdct.cli.window import open_window

if TYPE_CHECKING:
    from napari_labdct.core import ProjectionStack
    from napari_labdct.workflows.main_job import Results


def run(
    reading: Values,
    stack: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of TIFF frames, one TIFF or HDF5 stack, or a .txrm file; the "
            "sample scan that comes with the package when left out.",
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
    scan = read(path, reading)
    steps = iter_clean_to_folder(scan, load_denoiser(model, device), out, show=show)
    results = watch(steps, "Cleaning", len(scan) + 1)
    _print_results(scan, results)
    if window:
        open_window(scan, results)


def clean(
    stack: Scans,
    reading: Values,
    out: Annotated[
        Path, typer.Option(help="Stack to write (TIFF, or HDF5 by its suffix).")
    ] = Path("cleaned.tif"),
    difference: Annotated[
        Path | None,
        typer.Option(help="Stack for what was taken away.", show_default="none"),
    ] = None,
    companions: Annotated[
        bool,
        typer.Option(
            help="Ask the projections before and after which faint light is "
            "diffraction; it takes a pass over the whole scan first."
        ),
    ] = True,
    model: Model = "default",
    device: Device = "auto",
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Clean a scan: spots stay, on a background of zero.

    Stopped or killed, the same command goes on where it was.
    """
    from napari_labdct.workflows.jobs import CleanJob

    files = outputs_of(stack, out, "_cleaned.tif")
    rest = outputs_of(stack, difference, "_difference.tif") if difference else []
    with place(workers, scheduler) as pool:
        for number, (path, file) in enumerate(zip(stack, files, strict=True)):
            job = CleanJob(
                source=source_of(path, reading),
                model=model_of(model),
                device=device,
                difference=bool(rest),
                companions=companions,
            )
            images = {"cleaned": file} | ({"difference": rest[number]} if rest else {})
            count, _ = do(job, images, "Cleaning", pool=pool)
            say(f"{file}: {count} cleaned projections")


def prepare(
    stack: Stack,
    reading: Values,
    steps: Values,
    dark: Annotated[
        Path | None, typer.Option(help="Frames without a beam; their mean is taken.")
    ] = None,
    flat: Annotated[
        Path | None,
        typer.Option(help="Frames of the open beam; their mean is taken."),
    ] = None,
    defects: Annotated[
        Path | None,
        typer.Option(help="Image that is not 0 where pixels do not work."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Stack to write (TIFF, or HDF5 by its suffix).")
    ] = Path("prepared.tif"),
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Correct what the detector and the tube did: dark and flat field, defects, drift.

    Crop and bin too; the geometry follows. Every step is told in the history.
    """
    from napari_labdct.preparation import Preparation
    from napari_labdct.workflows.prepare_job import PrepareJob

    fields = {"dark": dark, "flat": flat, "defects": defects}
    job = PrepareJob(
        source=source_of(stack, reading),
        steps=validated(Preparation, steps),
        **{name: str(path.absolute()) for name, path in fields.items() if path},
    )
    with place(workers, scheduler) as pool:
        count, _ = do(job, {"prepared": out}, "Preparing", pool=pool)
    say(f"{out}: {count} prepared projections")


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
