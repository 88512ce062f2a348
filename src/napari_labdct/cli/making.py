"""Verbs that make: simulate, train."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_labdct.cli.common import Device, Values, bar, read, say
from napari_labdct.cli.jobs import Scheduler, do, place
from napari_labdct.cli.options import merged, validated
from napari_labdct.cli.stopping import Stopping
from napari_labdct.core import InputError

if TYPE_CHECKING:
    from napari_labdct.learning import EpochReport
    from napari_labdct.workflows.virtual_scan import VirtualScan


def simulate(
    scan: Values,
    run: Annotated[
        Path | None,
        typer.Argument(
            help="Run file to simulate (JSON or YAML), as simulate writes it; a "
            "preset when left out.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="Virtual scan to start from: hovad2020, versa-13-si, magnified, "
            "simap, farfield-100. All other options change it."
        ),
    ] = "hovad2020",
    out: Annotated[
        Path,
        typer.Option(
            help="Stack to write (TIFF or HDF5). Beside it, named after it, go the "
            "label images, the table of true spots, the run file and, with --noise, "
            "the clean photons."
        ),
    ] = Path("simulated.tif"),
    resumable: Annotated[
        bool,
        typer.Option(
            help="Keep unfinished work beside the output, so that the same command "
            "goes on after a stop or a kill."
        ),
    ] = False,
    scheduler: Scheduler = None,
) -> None:
    """Simulate the projections of a virtual sample.

    Ctrl-C ends the scan early: projections done so far are kept.

    Defaults below are those of the preset hovad2020.
    """
    from napari_labdct.workflows.simulation_run import RunFiles, iter_to_files
    from napari_labdct.workflows.virtual_scan import VirtualScan

    start = VirtualScan.read(run) if run else VirtualScan.preset(preset)
    virtual = validated(VirtualScan, merged(start.model_dump(), scan))
    if resumable or scheduler:
        _simulate_job(virtual, out, scheduler)
        return
    sample = virtual.polycrystal()
    say(f"Sample: {sample.summary}")
    done = found = 0
    total, files = virtual.plan.count, RunFiles(out)
    with Stopping() as stopping, closing(iter_to_files(virtual, out, sample)) as steps:
        for spots in bar(steps, "Simulating", total):
            done, found = done + 1, found + len(spots)
            stopping.holds_off = True
            if stopping.wanted:
                break
    counted = f"{done} projection{'s' if done != 1 else ''}, {found} spots"
    if done < total:
        say(f"Stopped early: {done} of {total} projections are kept.")
    say(f"{out}: {counted}")
    names = [files.clean] * virtual.noise + [files.labels, files.spots, files.run]
    say(f"Beside it: {', '.join(path.name for path in names)}")
    if done < total:
        raise SystemExit(130)  # what a shell expects of an interrupted program


def _simulate_job(virtual: "VirtualScan", out: Path, scheduler: str | None) -> None:
    from napari_labdct.workflows.simulate_job import SimulateJob
    from napari_labdct.workflows.simulation_run import RunFiles

    files = RunFiles(out)
    images = {"scan": out, "labels": files.labels}
    images |= {"clean": files.clean} if virtual.noise else {}
    job = SimulateJob(scan=virtual)
    with place(1, scheduler) as pool:
        count, spots = do(job, images, "Simulating", table=files.spots, pool=pool)
    virtual.write(files.run)
    say(f"{out}: {count} projections, {spots} spots")


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
    from napari_labdct.learning.distributed import joined

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
    with (
        joined() as share,
        tqdm(
            epochs, "Training", most, unit="epoch", disable=not share.leads
        ) as progress,
    ):
        if recipe == "hovad2020" and share.count > 1:
            raise InputError(
                "The recipe hovad2020 trains on batches of 1, as published: start it "
                "in one process, without torchrun."
            )
        for report in progress:
            done = report.epoch
            progress.set_postfix(
                training=f"{report.train_loss:.4f}",
                validation=f"{report.validation_loss:.4f}",
            )
    if share.leads:
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
