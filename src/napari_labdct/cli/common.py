"""What the verbs share: arguments, opening a scan, progress bars."""

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

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
        help="Folder of TIFF frames, one TIFF stack, or a .txrm file.",
        show_default=False,
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


def read(
    path: Path,
    omega_start: float | None = None,
    omega_step: float | None = None,
    flip: Literal["auto", "yes", "no"] = "auto",
) -> "ProjectionStack":
    """Open a scan."""
    from napari_labdct.files import read_stack

    return read_stack(path, omega_start=omega_start, omega_step=omega_step, flip=flip)


def load_denoiser(model: str, device: str) -> "Denoiser":
    """Load a model folder or a built-in model."""
    from napari_labdct.learning import Denoiser

    return Denoiser.load(model, device)


def bar(steps: Iterable[T], what: str, total: int) -> Iterable[T]:
    """The same steps under a progress bar."""
    from tqdm import tqdm

    return tqdm(steps, what, total, unit="frame", dynamic_ncols=True)


def watch(steps: Generator[Progress, None, T], what: str, total: int) -> T:
    """Drain a job under a progress bar and return its value."""
    value: list[T] = []

    def steps_then_value() -> Iterable[Progress]:
        value.append((yield from steps))

    for _ in bar(steps_then_value(), what, total):
        pass
    return value[0]


def say(text: str) -> None:
    """One line on the terminal."""
    typer.echo(text)
