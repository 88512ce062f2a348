"""What the verbs share: arguments, opening a scan, progress bars."""

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from napari_labdct.core import Progress

if TYPE_CHECKING:
    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser

T = TypeVar("T")

Values = dict[str, Any]
"""What the options of a parameter model were given, nested as the model is."""

Stack = Annotated[
    Path,
    typer.Argument(
        help="Folder of TIFF frames, one TIFF or HDF5 stack, or a .txrm file.",
        show_default=False,
    ),
]
Model = Annotated[
    str, typer.Option(help="A model folder, or the name of a built-in model.")
]
Device = Annotated[
    str, typer.Option(help="Where the network runs: auto, cpu, cuda, cuda:1, mps.")
]


def read(path: Path, reading: Values | None = None) -> "ProjectionStack":
    """Open a scan, with what the options say of it."""
    from napari_labdct.workflows.scan_source import ScanSource

    return ScanSource(path=str(path), **(reading or {})).open()


def load_denoiser(model: str, device: str) -> "Denoiser":
    """Load a model folder or a built-in model."""
    from napari_labdct.learning import Denoiser

    return Denoiser.load(model, device)


def bar(steps: Iterable[T], what: str, total: int) -> Iterable[T]:
    """The same steps under a progress bar."""
    from tqdm import tqdm

    return tqdm(steps, what, total, unit="frame", dynamic_ncols=True)


def watch(steps: Generator[Progress, None, T], what: str, total: int) -> T:
    """Drain a job under a progress bar and return its value.

    The bar is as long as the job's steps say, and `total` before the first.
    """
    value: list[T] = []

    def steps_then_value() -> Iterable[Progress]:
        value.append((yield from steps))

    shown: Any = bar(steps_then_value(), what, total)
    for step in shown:
        shown.total = step.total or total
    return value[0]


def say(text: str) -> None:
    """One line on the terminal."""
    typer.echo(text)
