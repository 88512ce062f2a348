"""Verbs that make: simulate, train."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_labdct.cli.common import Device, Values, bar, read, say
from napari_labdct.cli.options import merged, validated


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
    projections: Annotated[
        int, typer.Option(help="Random projections when no stack is given.", min=2)
    ] = 48,
    resume: Annotated[
        bool, typer.Option(help="Go on with an interrupted training in --out.")
    ] = False,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = Path("model"),
) -> None:
    """Train a network that cleans frames.

    The best model so far always stands in the folder: interrupting costs one epoch.
    """
    from tqdm import tqdm

    from napari_labdct.learning import TrainingSettings, iter_epochs

    settings = validated(TrainingSettings, training)
    images, about = _clean_projections(clean, projections, settings.seed)
    epochs = iter_epochs(
        images, settings, out, device=device, resume=resume, about=about
    )
    with tqdm(epochs, "Training", settings.epochs, unit="epoch") as bar:
        for report in bar:
            bar.set_postfix(
                training=f"{report.train_loss:.4f}",
                validation=f"{report.validation_loss:.4f}",
            )
    say(f"{out}: trained for {settings.epochs} epochs")


def _clean_projections(
    path: Path | None, count: int, seed: int
) -> tuple[list[Any], dict[str, Any]]:
    """Clean projections to train on, and what the model card says of them."""
    if path is None:
        from napari_labdct.workflows.training_scans import iter_clean_projections

        drawn = iter_clean_projections(count, seed)
        return list(bar(drawn, "Simulating", count)), {"samples": f"{count} drawn"}
    scan = read(path)
    if scan.kind != "simulated":
        warnings.warn(
            f"{path} is {scan.kind}, not simulated without noise: a network trained "
            "on it learns to keep its background.",
            stacklevel=2,
        )
    return list(bar(scan.frames(), "Reading", len(scan))), {"samples": scan.source}
