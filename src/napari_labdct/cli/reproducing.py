"""The verb that reproduces a paper."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_labdct.cli.common import Device, say, watch


def reproduce(
    paper: Annotated[
        Literal["hovad2020"],
        typer.Argument(help="Which paper.", show_default=False),
    ],
    full: Annotated[
        bool,
        typer.Option(
            help="The paper's own size: wants a graphics card and ImageNet weights; "
            "small enough for a processor otherwise."
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for all results.")] = Path(
        "reproduction"
    ),
    resume: Annotated[
        bool, typer.Option(help="Go on with an interrupted training in --out.")
    ] = False,
    device: Device = "auto",
    weights: Annotated[
        Path | None, typer.Option(help="Folder that holds ImageNet weights.")
    ] = None,
    download: Annotated[
        bool, typer.Option(help="Fetch ImageNet weights that are missing.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of the virtual samples and of the noise.", min=0)
    ] = 0,
) -> None:
    """Reproduce a paper with simulated data.

    Writes its figures with our data and the default model beside, and report.md
    with its numbers beside ours.
    """
    from napari_labdct.workflows.reproduce import Size, iter_reproduce

    size = Size.full() if full else Size.small()
    steps = iter_reproduce(
        out,
        size,
        device=device,
        weights=weights,
        download=download,
        resume=resume,
        seed=seed,
    )
    watch(steps, f"Reproducing {paper}", size.steps)
    for file in sorted([*out.glob("fig*.png"), out / "report.md"]):
        say(f"{file}")
