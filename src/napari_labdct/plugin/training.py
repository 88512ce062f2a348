"""The jobs behind *Train a denoiser*."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_labdct.core import InputError, Progress
from napari_labdct.plugin.imports import load_training
from napari_labdct.plugin.tasks import PACE, leave_a_core, time_left

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from napari_labdct.core import ProjectionStack
    from napari_labdct.core.geometry import Parameters
    from napari_labdct.learning import EpochReport
    from napari_labdct.learning.run import StepReport
    from napari_labdct.plugin.tasks import Task

RECIPES = ("default", "Hovad et al. 2020")
"""Ways to train, by name; the second is the paper's."""

COUNTS = {RECIPES[0]: 48, RECIPES[1]: 181}
"""Projections that a recipe simulates when there are none."""


def is_paper(settings: Parameters) -> bool:
    """Whether settings belong to the paper's recipe."""
    return type(settings).__name__ == "Hovad2020Settings"


def settings_of(recipe: str) -> Parameters:
    """The settings that a recipe begins with."""
    if recipe == RECIPES[1]:
        from napari_labdct.learning.hovad2020 import Hovad2020Settings

        return Hovad2020Settings()
    from napari_labdct.learning import TrainingSettings

    # Threads that draw examples would fight with the window for the last core.
    return TrainingSettings(threads=max(1, (os.cpu_count() or 2) - 1))


def epochs_of(settings: Parameters) -> Callable[..., Iterator[EpochReport]]:
    """The training loop that goes with the settings."""
    from napari_labdct.learning import TrainingSettings

    if isinstance(settings, TrainingSettings):
        from napari_labdct.learning import iter_epochs

        return iter_epochs
    from napari_labdct.learning.hovad2020 import iter_epochs as iter_hovad

    return iter_hovad


@dataclass(frozen=True)
class Training:
    """What is trained on what, and where the model goes.

    Attributes
    ----------
    settings
        Settings of a recipe.
    folder
        The model folder.
    stack
        Clean projections; None simulates `count` virtual ones, of random samples or,
        for the paper's recipe, of its sample.
    count
        How many projections to simulate.
    device
        Where to train.
    resume
        Whether to go on with what the folder holds.
    weights
        Folder of ImageNet weights for the paper's recipe; None is PyTorch's cache.
    download
        Consent to fetch ImageNet weights that are missing.
    """

    settings: Parameters
    folder: Path
    stack: ProjectionStack | None = None
    count: int = 48
    device: str = "auto"
    resume: bool = False
    weights: Path | None = None
    download: bool = False

    def check(self) -> None:
        """Refuse what cannot be trained before anything is computed.

        Raises
        ------
        InputError
            If the folder holds another model, or nothing to go on with.
        """
        begun = (self.folder / "last.pt").is_file()
        if self.resume and not begun:
            raise InputError(
                f"{self.folder} holds no training to go on with: press Train to begin "
                "one, or choose the folder of an earlier one."
            )
        if not self.resume and (begun or (self.folder / "config.json").is_file()):
            raise InputError(
                f"{self.folder} holds a model already: give the new one another name, "
                "or press Resume to go on with it."
            )

    def steps(self, task: Task) -> Iterator[Any]:
        """Train; yields the progress and the report of every epoch.

        Tells the task of the batches in between, and ends inside an epoch when the
        task is in a hurry to stop.
        """
        images, about = yield from self._images()
        yield Progress(0, 0, "first batch")
        more = self._imagenet() | {"each_step": teller(task)}
        reports = epochs_of(self.settings)(
            images,
            self.settings,
            self.folder,
            device=self.device,
            resume=self.resume,
            about=about,
            **more,
        )
        try:
            for report in reports:
                yield report
                yield Progress(
                    report.epoch,
                    report.epochs,
                    f"epoch {report.epoch} of {report.epochs}",
                )
        except StopNow:
            return

    def search(self) -> Iterator[Any]:
        """Search a learning rate; yields the progress and `RatePoint`s."""
        from napari_labdct.learning.rate_search import iter_rate_search

        images, _ = yield from self._images()
        yield Progress(0, 0, "trying learning rates")
        yield from iter_rate_search(
            images,
            self.settings,  # type: ignore[arg-type]  # settings of either recipe
            device=self.device,
            **self._imagenet(),
        )

    def _imagenet(self) -> dict[str, Any]:
        """What only the paper's recipe asks for."""
        if not is_paper(self.settings):
            return {}
        return {"weights": self.weights, "download": self.download}

    def _images(self) -> Generator[Progress, None, tuple[list[Any], dict[str, Any]]]:
        """Clean projections, and what the model card says of them."""
        load_training()
        leave_a_core()
        if self.stack is not None:
            return list(self.stack.frames()), {"samples": self.stack.source}
        seed = int(getattr(self.settings, "seed", 0))
        if is_paper(self.settings):
            from napari_labdct.workflows.hovad2020 import iter_paper_projections

            drawn = iter_paper_projections(self.count, seed)
            words = f"virtual scan hovad2020, {self.count} projections, seed {seed}"
        else:
            from napari_labdct.workflows.training_scans import iter_clean_projections

            drawn = iter_clean_projections(self.count, seed)
            words = f"{self.count} drawn"
        images = []
        for image in drawn:
            images.append(image)
            yield Progress(len(images), self.count, "simulating what to train on")
        return images, {"samples": words}


class StopNow(Exception):
    """Ends a training inside an epoch."""


def teller(task: Task) -> Callable[[Any], None]:
    """What a training calls after every batch; tells the task lists at its pace.

    It raises `StopNow` when the task is in a hurry to stop.
    """
    batch: list[Any] = []
    last = [0.0]

    def tell(item: Any) -> None:
        if task.hurry.is_set():
            raise StopNow
        batch.append(item)
        if time.monotonic() - last[0] >= PACE:
            task.told.emit(list(batch))
            batch.clear()
            last[0] = time.monotonic()

    return tell


class Clock:
    """Progress of a training from batch to batch, with the time left."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def progress(self, step: StepReport, epochs: int) -> Progress:
        """Batches done and in all, in words for people."""
        done = (step.epoch - 1) * step.steps + step.step
        total, now = epochs * step.steps, time.monotonic()
        # A training that is resumed begins in the middle.
        since, first = self._first = self._first or (now, done - 1)
        left = time_left(Progress(done - first, total - first), now - since)
        words = f"epoch {step.epoch} of {epochs}, batch {step.step} of {step.steps}"
        return Progress(done, total, " · ".join(p for p in (words, left) if p))
