"""Hovad et al. 2020 from beginning to end, and the default model beside it.

Simulation, synthetic input, training, application; then the paper's figures with our
data, and its numbers beside ours.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_labdct.calibration import measure_frame, statistics_of
from napari_labdct.core import Progress, ProjectionStack
from napari_labdct.files import make_folder, replacing
from napari_labdct.workflows.measured_scan import MeasuredScan
from napari_labdct.workflows.reproduce_figures import FIGURES, Shown, Trial
from napari_labdct.workflows.reproduce_report import (
    Numbers,
    fidelity,
    quality,
    report,
)
from napari_labdct.workflows.virtual_scan import VirtualScan

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.calibration import FrameStatistics
    from napari_labdct.learning import Denoiser
    from napari_labdct.learning.hovad2020 import Hovad2020Report, Hovad2020Settings
    from napari_labdct.physics import Polycrystal

TRAINED_ON, APPLIED_TO = "hovad2020", "versa-13-si"
"""Virtual scans: what the paper trained on, and its experiment."""

PROJECTIONS = 181

BACKGROUND = 100
"""Grey value (8 bit) of the synthetic input's background in figure 1."""

SMALL_TRAINING = {
    "encoder": "random",
    "frozen_epochs": 2,
    "unfrozen_epochs": 58,
    "cycle": 58,
    "patience": 58,
    "rise": 0.3,
    "batch": 4,
    "unfrozen_rate": 0.005,
    "slowest_rate": 0.002,
    "content": {"size": 96, "white_percentile": 99.9},
    "network": {"width": 8, "blocks": (1, 1, 1, 1)},
    "loss": {"perceptual": "none"},
}
"""What one core of a processor trains within minutes."""


@dataclass(frozen=True)
class Size:
    """How large the reproduction is.

    Attributes
    ----------
    binning
        Pixels of the detector that are joined, along rows and columns.
    projections, frames
        Projections to train on, and of the scan that is cleaned.
    training
        The recipe.
    """

    binning: int
    projections: int
    frames: int
    training: Hovad2020Settings

    @classmethod
    def small(cls) -> Size:
        """For a processor: binned frames, a small network of random weights."""
        from napari_labdct.learning.hovad2020 import Hovad2020Settings

        recipe = Hovad2020Settings.model_validate(SMALL_TRAINING)
        return cls(2, PROJECTIONS, 15, recipe)

    @classmethod
    def full(cls) -> Size:
        """The paper's, for a graphics card."""
        from napari_labdct.learning.hovad2020 import Hovad2020Settings

        return cls(1, PROJECTIONS, PROJECTIONS, Hovad2020Settings())

    @property
    def steps(self) -> int:
        """Steps of the whole job, at most."""
        trained = self.projections + self.training.epochs
        return trained + self.frames + 1 + len(FIGURES)

    def scan(self, name: str, count: int, seed: int) -> VirtualScan:
        """A preset with binned pixels and `count` projections over a full turn."""
        scan = VirtualScan.preset(name)
        detector = scan.geometry.detector
        rows, columns = (n // self.binning for n in detector.shape)
        pixel = detector.pixel_size * detector.rows / rows
        binned = {"rows": rows, "columns": columns, "pixel_size": pixel}
        geometry = scan.geometry.model_copy(
            update={"detector": detector.model_copy(update=binned)}
        )
        plan = scan.plan
        if count != plan.count:
            turn = {"count": count, "omega_step": 360 / count}
            plan = plan.model_copy(update=turn)
        parts = {"geometry": geometry, "plan": plan, "seed": seed}
        return scan.model_copy(update=parts)


def iter_reproduce(
    folder: Path | str,
    size: Size | None = None,
    *,
    device: str = "auto",
    weights: Path | str | None = None,
    download: bool = False,
    resume: bool = False,
    seed: int = 0,
) -> Generator[Progress, None, Numbers]:
    """Reproduce the paper step by step.

    Parameters
    ----------
    folder
        Gets ``report.md``, the figures ``fig1.png``, ``fig3.png``, ``fig4.png`` and
        ``fig5.png``, and the trained network in ``model``.
    size
        Small by default.
    device
        Where networks run, such as ``"cpu"``, ``"cuda"`` or ``"auto"``.
    weights, download
        As in `learning.hovad2020.iter_epochs`.
    resume
        Go on with the training in `folder`.
    seed
        Seed of the virtual samples and of the noise.

    Yields
    ------
    progress
        After every projection, epoch and figure.

    Returns
    -------
    numbers
        As the generator's value: what the report says.

    Raises
    ------
    InputError
        If ImageNet weights are wanted and missing, or the folder is not to be
        written to.
    """
    from napari_labdct.learning import Denoiser, hovad2020

    size = size or Size.small()
    folder = make_folder(folder)
    total = size.steps
    steps = iter(range(1, total + 1))
    numbers = Numbers(size.training, size.binning)

    scan = size.scan(TRAINED_ON, size.projections, seed)
    sample = scan.polycrystal()
    numbers.grains = len(sample.orientation)
    clean = []
    for projection in scan.iter_projections(sample):
        clean.append(projection.image)
        numbers.spots.append(len(projection.spots))
        yield Progress(next(steps), total, "simulating")

    epochs = hovad2020.iter_epochs(
        clean,
        size.training,
        folder / "model",
        device=device,
        resume=resume,
        about={"samples": f"virtual scan {TRAINED_ON}, binned {size.binning} ×"},
        weights=weights,
        download=download,
    )
    losses = []
    for done in epochs:
        losses.append(done)
        at = size.projections + done.epoch
        yield Progress(at, total, f"training, {done.phase}")
    steps = iter(range(size.projections + size.training.epochs + 1, total + 1))

    paper, default = Denoiser.load(folder / "model", device), Denoiser.default(device)
    history = _history(folder / "model", losses)
    numbers.of_model(paper.config, history)
    measured = size.scan(APPLIED_TO, size.frames, seed)
    frames, show, truth, detector = [], size.frames // 2, None, None
    for projection in measured.iter_projections():
        image = projection.image
        if detector is None:
            detector = MeasuredScan.draw(image, measured.geometry, seed=seed)
        frames.append(detector.expose(image, projection.index))
        if projection.index == show:
            truth = image * np.float32(detector.scale * detector.look.gain)
        yield Progress(next(steps), total, "simulating the experiment")
    stack = ProjectionStack(
        np.stack(frames), measured.plan.omega_deg, measured.geometry, "corrupted"
    )
    applied = _trial(stack.frame(show), truth, statistics_of(stack).of(show))
    networks = {"paper": paper, "default": default}
    for name, denoiser in networks.items():
        applied.answers[name], numbers.cleaning[name] = _timed(
            denoiser, applied.frame, applied.statistics
        )
        numbers.quality[name] = quality(applied, name)
    yield Progress(next(steps), total, "cleaning")

    content = _content(scan, sample, size.training, networks)
    numbers.fidelity = fidelity(content, BACKGROUND)
    shown = Shown(content, applied, history, _history(default.folder, []))
    for name, draw in FIGURES.items():
        with replacing(folder / name) as part:
            draw(shown, part)
        yield Progress(next(steps), total, name)
    with replacing(folder / "report.md") as part:
        part.write_text(report(numbers), encoding="utf-8")
    return numbers


def _history(folder: Path | None, reports: Sequence[Hovad2020Report]) -> pd.DataFrame:
    """Losses of every epoch: those of this run, and what the folder knows before."""
    new = pd.DataFrame([vars(report) for report in reports])
    file = folder / "history.csv" if folder else None
    if file is None or not file.is_file():
        return new
    old: pd.DataFrame = pd.read_csv(file)
    if not len(new):
        return old
    before: pd.DataFrame = old[old["epoch"] < new["epoch"].min()]
    return pd.concat([before, new], ignore_index=True)


def _trial(
    frame: NDArray[np.float32],
    truth: NDArray[np.float32] | None,
    known: FrameStatistics,
) -> Trial:
    """A frame that no network has cleaned yet."""
    return Trial(frame, np.zeros_like(frame) if truth is None else truth, known, {})


def _timed(
    denoiser: Denoiser, frame: NDArray[np.float32], known: FrameStatistics
) -> tuple[NDArray[np.float32], float]:
    """A cleaned frame, and how long it took the second time [s]."""
    denoiser.clean_frame(frame, known)
    started = time.perf_counter()
    image = denoiser.clean_frame(frame, known).image
    return image, time.perf_counter() - started


def _content(
    scan: VirtualScan,
    sample: Polycrystal,
    recipe: Hovad2020Settings,
    networks: dict[str, Denoiser],
) -> Trial:
    """A projection between those trained on, its synthetic input, and the answers.

    The recipe's network gets the grey values as in training; frames in other units
    are brought to 8 bit by their percentiles first, which moves the spots that are
    darker than the background.
    """
    from napari_labdct.learning.hovad2020.apply import predicted_grey
    from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet
    from napari_labdct.learning.hovad2020.grey import content_image

    between = scan.plan.omega_start + scan.plan.omega_step / 2
    photons = scan.simulator(sample).project(between).image
    pedestal, white = recipe.network.scaling.pedestal, recipe.content.white_percentile
    content = content_image(photons, pedestal, white)
    grey = np.where(content < recipe.content.threshold, BACKGROUND, content)
    grey = grey.astype(np.uint8)
    frame = grey.astype(np.float32)
    trial = _trial(frame, content.astype(np.float32), measure_frame(frame))
    for name, denoiser in networks.items():
        if isinstance(denoiser.model, DynamicUNet):
            answer = predicted_grey(denoiser.model, grey, denoiser.device)
        else:
            answer = denoiser.clean_frame(frame, trial.statistics).image
        trial.answers[name] = answer
    return trial
