"""Verbs that make: simulate, train."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_labdct.cli.common import Device, Values, bar, read, say
from napari_labdct.cli.options import merged, validated

if TYPE_CHECKING:
    from napari_labdct.learning import EpochReport


def simulate(
    scan: Values,
    preset: Annotated[
        str,
        typer.Option(
            help="Virtual scan to start from: hovad2020, versa-13-si, magnified, "
            "simap, farfield-100. All other options change it."
        ),
    ] = "hovad2020",
    noise: Annotated[
        bool,
        typer.Option(
            help="Make it look measured: background, streaks, noise, zingers."
        ),
    ] = False,
    out: Annotated[Path, typer.Option(help="TIFF stack to write.")] = Path(
        "simulated.tif"
    ),
    truth: Annotated[
        Path | None,
        typer.Option(help="Table of the true spots to write (CSV)."),
    ] = None,
) -> None:
    """Simulate the projections of a virtual sample.

    Defaults below are those of the preset hovad2020.
    """
    from napari_labdct.core import SpotTable
    from napari_labdct.files import write_spots
    from napari_labdct.workflows.measured_scan import iter_to_file
    from napari_labdct.workflows.virtual_scan import VirtualScan

    start = VirtualScan.preset(preset).model_dump()
    virtual = validated(VirtualScan, merged(start, scan))
    steps = iter_to_file(virtual, out, noise=noise)
    tables = list(bar(steps, "Simulating", virtual.plan.count))
    spots = SpotTable.concatenate(tables)
    if truth:
        write_spots(spots, truth)
    say(f"{out}: {virtual.plan.count} projections, {len(spots)} spots")


def train(
    training: Values,
    clean: Annotated[
        Path | None,
        typer.Argument(
            help="Stack of clean projections, as labdct simulate writes them; drawn "
            "from random virtual samples when left out.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Literal["default", "hovad2020"],
        typer.Option(
            help="The package's own, or the network of Hovad et al. 2020 as published; "
            "--recipe hovad2020 --help lists its settings."
        ),
    ] = "default",
    projections: Annotated[
        int | None,
        typer.Option(
            help="Projections to simulate when no stack is given: 48 of random "
            "samples, or for hovad2020 the 181 of its sample.",
            min=2,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with an interrupted training in --out.")
    ] = False,
    device: Device = "auto",
    weights: Annotated[
        Path | None,
        typer.Option(help="For hovad2020: folder that holds ImageNet weights."),
    ] = None,
    download: Annotated[
        bool,
        typer.Option(help="For hovad2020: fetch ImageNet weights that are missing."),
    ] = False,
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = Path("model"),
) -> None:
    """Train a network that cleans frames.

    The best model so far always stands in the folder: interrupting costs one epoch.
    """
    from tqdm import tqdm

    from napari_labdct.learning import TrainingSettings, hovad2020, iter_epochs

    epochs: Iterator[EpochReport]
    if recipe == "hovad2020":
        paper = validated(hovad2020.Hovad2020Settings, training)
        images, about = _clean_projections(clean, projections, paper.seed, _of_paper)
        most = paper.epochs
        epochs = hovad2020.iter_epochs(
            images,
            paper,
            out,
            device=device,
            resume=resume,
            about=about,
            weights=weights,
            download=download,
        )
    else:
        settings = validated(TrainingSettings, training)
        images, about = _clean_projections(clean, projections, settings.seed, _random)
        most = settings.epochs
        epochs = iter_epochs(
            list(images), settings, out, device=device, resume=resume, about=about
        )
    done = 0
    with tqdm(epochs, "Training", most, unit="epoch") as progress:
        for report in progress:
            done = report.epoch
            progress.set_postfix(
                training=f"{report.train_loss:.4f}",
                validation=f"{report.validation_loss:.4f}",
            )
    say(f"{out}: trained for {done} epochs")


Images = tuple[Iterable[Any], dict[str, Any]]
"""Clean projections to train on, and what the model card says of them."""


def _clean_projections(
    path: Path | None,
    count: int | None,
    seed: int,
    simulated: Callable[[int | None, int], Images],
) -> Images:
    """Those of a stack, or simulated ones."""
    if path is None:
        return simulated(count, seed)
    scan = read(path)
    if scan.kind != "simulated":
        warnings.warn(
            f"{path} is {scan.kind}, not simulated without noise: a network trained "
            "on it learns to keep its background.",
            stacklevel=2,
        )
    return bar(scan.frames(), "Reading", len(scan)), {"samples": scan.source}


def _random(count: int | None, seed: int) -> Images:
    """Of random samples and set-ups."""
    from napari_labdct.workflows.training_scans import iter_clean_projections

    count = count or 48
    drawn = iter_clean_projections(count, seed)
    return bar(drawn, "Simulating", count), {"samples": f"{count} drawn"}


def _of_paper(count: int | None, seed: int) -> Images:
    """Of the virtual sample of Hovad et al. 2020."""
    from napari_labdct.workflows.hovad2020 import PROJECTIONS, iter_paper_projections

    count = count or PROJECTIONS
    views = iter_paper_projections(count, seed)
    about = {"samples": f"virtual scan hovad2020, {count} projections, seed {seed}"}
    return bar(views, "Simulating", count), about
