"""Verbs that look at scans: spots, profile, info."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_labdct.cli.common import (
    Device,
    Stack,
    Values,
    read,
    say,
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
from napari_labdct.core import InputError

if TYPE_CHECKING:
    from napari_labdct.workflows.lines import Line


def spots(
    stack: Scans,
    reading: Values,
    find: Values,
    out: Annotated[
        Path,
        typer.Option(help="Spot table to write (.csv, .h5, or .mat for GrainRecon)."),
    ] = Path("spots.csv"),
    model: Annotated[
        str,
        typer.Option(
            help="Cleans every frame first; a model folder, the name of a built-in "
            "model, or none."
        ),
    ] = "default",
    device: Device = "auto",
    workers: Workers = 1,
    scheduler: Scheduler = None,
) -> None:
    """Find and measure the diffraction spots of a scan.

    Give the scan as measured: it is cleaned on the way, and intensities are summed
    on what was measured. Stopped or killed, the same command goes on where it was.
    """
    from napari_labdct.analysis.find import FindSettings
    from napari_labdct.files.grainrecon import step_of
    from napari_labdct.files.spots import MATLAB
    from napari_labdct.workflows.jobs import SpotsJob

    settings = validated(FindSettings, find)
    files = outputs_of(stack, out, "_spots.csv")
    for path, file in zip(stack, files, strict=True):
        if file.suffix.lower() in MATLAB:  # better now than after all frames
            step_of(read(path, reading))
    with place(workers, scheduler) as pool:
        for path, file in zip(stack, files, strict=True):
            job = SpotsJob(
                source=source_of(path, reading),
                model=model_of(model),
                device=device,
                settings=settings,
            )
            count, found = do(job, {}, "Finding spots", table=file, pool=pool)
            say(f"{file}: {found} spots, {found / count:.4g} a projection")


def profile(
    stack: Stack,
    reading: Values,
    line: Annotated[
        list[str],
        typer.Option(
            help="Ends of a line in pixels: row,column,row,column. Give several "
            "lines by repeating it; they are named A, B, C, …",
            show_default=False,
        ),
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another stack of the same scan, such as the cleaned one; repeat "
            "for more.",
            show_default=False,
        ),
    ] = None,
    projection: Annotated[
        int, typer.Option(help="Projection, counted from 0.", min=0)
    ] = 0,
    width: Annotated[
        int, typer.Option(help="Width averaged across the line [px].", min=1)
    ] = 1,
    out: Annotated[Path, typer.Option(help="Grey values to write (CSV).")] = Path(
        "profiles.csv"
    ),
) -> None:
    """Take grey values along lines, through one stack or several."""
    from napari_labdct.files import write_profiles
    from napari_labdct.workflows.profiles import profiles_of

    paths = [stack, *(against or [])]
    alike = len({path.stem for path in paths}) < len(paths)
    others = {"flip": reading.get("flip", "auto")}
    stacks = {
        str(path) if alike else path.stem: read(path, others if number else reading)
        for number, path in enumerate(paths)
    }
    lines = [_line(text) for text in line]
    found = profiles_of(stacks, lines, projection=projection, width=width)
    write_profiles(found, out)
    say(f"{out}: {len(found)} line(s) through projection {projection}")


def info(
    reading: Values,
    path: Annotated[
        Path | None,
        typer.Argument(help="A scan; the installation itself when left out."),
    ] = None,
) -> None:
    """Tell what a scan's files say, or what this installation can do."""
    if path is None:
        _print_installation()
        return
    scan = read(path, reading)
    count, rows, columns = scan.shape
    middle = scan.frame(count // 2)
    omega = scan.omega
    say(f"source       {scan.source}")
    say(f"projections  {count} of {rows} × {columns} px, {scan.images.dtype}")
    known = bool((omega == omega).all())
    say(f"omega        {f'{omega[0]:g}° to {omega[-1]:g}°' if known else 'unknown'}")
    say(f"kind         {scan.kind}")
    say(f"grey values  {middle.min():g} to {middle.max():g} in the middle projection")
    if scan.geometry:
        geometry = scan.geometry
        say(
            f"geometry     source to sample {geometry.source_to_sample:g} mm, sample "
            f"to detector {geometry.sample_to_detector:g} mm, pixel "
            f"{geometry.detector.pixel_size:g} µm"
        )
    if scan.exposure_s is not None:
        low, high = scan.exposure_s.min(), scan.exposure_s.max()
        say(f"exposure     {low:g} s" + (f" to {high:g} s" if high > low else ""))
    if scan.voltage_kv:
        say(f"voltage      {scan.voltage_kv:g} kV")
    for line in scan.history:
        say(f"history      {line}")


def _line(text: str) -> "Line":
    try:
        row, column, last_row, last_column = (float(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"The line {text!r} cannot be understood: give row,column,row,column in "
            "pixels, such as 10,20,200,300."
        ) from None
    return (row, column), (last_row, last_column)


def _print_installation() -> None:
    from importlib.metadata import version

    from napari_labdct.files import sample_path
    from napari_labdct.learning import available_devices, model_folders

    for name in ("napari-labdct", "napari", "torch", "numpy"):
        say(f"{name:<13}  {version(name)}")
    say(f"{'devices':<13}  {', '.join(available_devices())}")
    say(f"{'models':<13}  {', '.join(model_folders()) or 'none'}")
    say(f"{'sample scan':<13}  {sample_path()}")
