"""The command `labdct`: the package's verbs for a terminal."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from napari_labdct.core import InputError, Progress
from napari_labdct.core.geometry import Parameters
from napari_labdct.options import validated, with_options

if TYPE_CHECKING:
    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.lines import Line
    from napari_labdct.workflows.main_job import Results

T = TypeVar("T")
Values = dict[str, Any]
"""What the options of a parameter model were given, nested as the model is."""

Stack = Annotated[
    Path,
    typer.Argument(
        help="Folder of TIFF frames, or one TIFF stack.", show_default=False
    ),
]
Start = Annotated[
    float | None, typer.Option(help="Rotation angle of the first projection [deg].")
]
Step = Annotated[float | None, typer.Option(help="Angle between projections [deg].")]
Flip = Annotated[
    Literal["auto", "yes", "no"],
    typer.Option(
        help="Turn the frames upside down; auto follows the files' Orientation tag."
    ),
]
Model = Annotated[
    str, typer.Option(help="A model folder, or the name of a built-in model.")
]
Device = Annotated[
    str, typer.Option(help="Where the network runs: auto, cpu, cuda, cuda:1, mps.")
]


def run(
    stack: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of TIFF frames, or one TIFF stack; the sample scan that "
            "comes with the package when left out.",
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
    scan = _read(path, omega_start, omega_step, flip)
    steps = iter_clean_to_folder(scan, _denoiser(model, device), out, show=show)
    results = _watch(steps, "Cleaning", len(scan) + 1)
    _print_results(scan, results)
    if window:
        _open_window(path, results)


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

    scan = _read(stack, omega_start, omega_step, flip)
    denoiser = _denoiser(model, device)
    for _ in _bar(
        iter_clean_to_files(scan, denoiser, out, difference), "Cleaning", len(scan)
    ):
        pass
    _say(f"{out}: {len(scan)} cleaned projections")


def spots(
    stack: Stack,
    find: Values,
    out: Annotated[Path, typer.Option(help="Spot table to write (CSV).")] = Path(
        "spots.csv"
    ),
    model: Annotated[
        str,
        typer.Option(
            help="Cleans every frame first; a model folder, the name of a built-in "
            "model, or none."
        ),
    ] = "default",
    device: Device = "auto",
    omega_start: Start = None,
    omega_step: Step = None,
    flip: Flip = "auto",
) -> None:
    """Find and measure the diffraction spots of a scan.

    Give the scan as measured: it is cleaned on the way, and intensities are summed
    on what was measured.
    """
    from napari_labdct.analysis.find import FindSettings
    from napari_labdct.core import SpotTable
    from napari_labdct.files import write_spots
    from napari_labdct.workflows.spot_finding import iter_spots

    settings = validated(FindSettings, find)
    scan = _read(stack, omega_start, omega_step, flip)
    denoiser = None if model == "none" else _denoiser(model, device)
    steps = iter_spots(scan, denoiser, settings)
    table = SpotTable.concatenate(list(_bar(steps, "Finding spots", len(scan))))
    write_spots(table, out)
    _say(f"{out}: {len(table)} spots, {len(table) / len(scan):.4g} a projection")


def profile(
    stack: Stack,
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
    flip: Flip = "auto",
) -> None:
    """Take grey values along lines, through one stack or several."""
    from napari_labdct.files import write_profiles
    from napari_labdct.workflows.profiles import profiles_of

    paths = [stack, *(against or [])]
    alike = len({path.stem for path in paths}) < len(paths)
    stacks = {str(p) if alike else p.stem: _read(p, flip=flip) for p in paths}
    lines = [_line(text) for text in line]
    found = profiles_of(stacks, lines, projection=projection, width=width)
    write_profiles(found, out)
    _say(f"{out}: {len(found)} line(s) through projection {projection}")


def info(
    path: Annotated[
        Path | None,
        typer.Argument(help="A scan; the installation itself when left out."),
    ] = None,
) -> None:
    """Tell what a scan's files say, or what this installation can do."""
    if path is None:
        _print_installation()
        return
    scan = _read(path)
    count, rows, columns = scan.shape
    middle = scan.frame(count // 2)
    omega = scan.omega
    _say(f"source       {scan.source}")
    _say(f"projections  {count} of {rows} × {columns} px, {scan.images.dtype}")
    known = bool((omega == omega).all())
    _say(f"omega        {f'{omega[0]:g}° to {omega[-1]:g}°' if known else 'unknown'}")
    _say(f"kind         {scan.kind}")
    _say(f"grey values  {middle.min():g} to {middle.max():g} in the middle projection")
    if scan.geometry:
        geometry = scan.geometry
        _say(
            f"geometry     source to sample {geometry.source_to_sample:g} mm, sample "
            f"to detector {geometry.sample_to_detector:g} mm, pixel "
            f"{geometry.detector.pixel_size:g} µm"
        )
    for line in scan.history:
        _say(f"history      {line}")


def _line(text: str) -> "Line":
    try:
        row, column, last_row, last_column = (float(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"The line {text!r} cannot be understood: give row,column,row,column in "
            "pixels, such as 10,20,200,300."
        ) from None
    return (row, column), (last_row, last_column)


def _read(
    path: Path,
    omega_start: float | None = None,
    omega_step: float | None = None,
    flip: Literal["auto", "yes", "no"] = "auto",
) -> "ProjectionStack":
    from napari_labdct.files import read_stack

    return read_stack(path, omega_start=omega_start, omega_step=omega_step, flip=flip)


def _denoiser(model: str, device: str) -> "Denoiser":
    from napari_labdct.learning import Denoiser

    return Denoiser.load(model, device)


def _bar(steps: Iterable[T], what: str, total: int) -> Iterable[T]:
    from tqdm import tqdm

    return tqdm(steps, what, total, unit="frame", dynamic_ncols=True)


def _watch(steps: Generator[Progress, None, T], what: str, total: int) -> T:
    """Drain a job under a progress bar and return its value."""
    value: list[T] = []

    def steps_then_value() -> Iterable[Progress]:
        value.append((yield from steps))

    for _ in _bar(steps_then_value(), what, total):
        pass
    return value[0]


def _say(text: str) -> None:
    typer.echo(text)


def _print_results(scan: "ProjectionStack", results: "Results") -> None:
    count, rows, columns = scan.shape
    _say(f"\n{count} projections of {rows} × {columns} px from {scan.source}\n")
    table = results.summary
    wide = [max(map(len, [name, *table[name]])) for name in table]
    first = max(map(len, table.index))
    _say(" " * first + "".join(f"  {n:>{w}}" for n, w in zip(table, wide, strict=True)))
    for name, row in table.iterrows():
        cells = (f"  {v:>{w}}" for v, w in zip(row, wide, strict=True))
        _say(f"{name:<{first}}" + "".join(cells))
    _say("")
    for file in (
        results.cleaned,
        results.difference,
        results.spots_file,
        results.figure,
    ):
        _say(f"{file}")


def _print_installation() -> None:
    from importlib.metadata import version

    from napari_labdct.files import sample_path
    from napari_labdct.learning import available_devices, model_folders

    for name in ("napari-labdct", "napari", "torch", "numpy"):
        _say(f"{name:<13}  {version(name)}")
    _say(f"{'devices':<13}  {', '.join(available_devices())}")
    _say(f"{'models':<13}  {', '.join(model_folders()) or 'none'}")
    _say(f"{'sample scan':<13}  {sample_path()}")


def _has_screen() -> bool:
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_window(path: Path, results: "Results") -> None:
    """Show input and results as layers, until the window is closed."""
    later = f'later: napari --plugin napari-labdct "{path}" "{results.cleaned}"'
    if not _has_screen():
        _say(f"\nThere is no screen here, so no window opens; {later}")
        return
    try:
        import napari
        import qtpy.QtWidgets  # noqa: F401  # napari itself tells too late
    except ImportError as error:
        _say(f"\nNo window opens ({error}); install napari[pyqt6], or {later}")
        return
    viewer = napari.Viewer(title="LabDCT")
    for file in (path, results.cleaned, results.difference):
        viewer.open(str(file), plugin="napari-labdct")
    napari.run()


_HELP = """Spot cleanup in laboratory X-ray diffraction contrast tomography (LabDCT).

A scan is a folder of TIFF frames, or one TIFF stack. Try "labdct run" without
anything else to see what the package does with its own sample scan."""


def _find_settings() -> type[Parameters]:
    from napari_labdct.analysis.find import FindSettings

    return FindSettings


_VERBS: tuple[Callable[..., None], ...] = (run, clean, spots, profile, info)
_MODELS: dict[str, tuple[str, Callable[[], type[Parameters]]]] = {
    "spots": ("find", _find_settings),
}
"""Verbs with a parameter model: the keyword it fills, and how to import it."""


def build(asked: str = "") -> typer.Typer:
    """The command with all its verbs.

    Parameters
    ----------
    asked
        The verb that will run. Only its parameter model is imported and turned
        into options: the others may bring whole libraries with them.
    """
    app = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # units in brackets would pass for markup
    )
    for verb in _VERBS:
        name = verb.__name__
        if name in _MODELS:
            keyword, model = _MODELS[name]
            verb = with_options(verb, keyword, model() if name == asked else Parameters)
        app.command(name)(verb)
    return app


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"labdct: warning: {message}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; errors a user can mend are one sentence and exit status 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Its remarks on damaged files come on top of our own sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    asked = next((word for word in given if not word.startswith("-")), "")
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            build(asked)(args=given, prog_name="labdct")
        except InputError as error:
            print(f"labdct: {error}", file=sys.stderr)
            raise SystemExit(1) from None
