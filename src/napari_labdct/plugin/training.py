"""The job behind *Train a denoiser*, and the curves it draws."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError, Progress
from napari_labdct.plugin.drawing import Curve, Panel, Plot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_labdct.core import ProjectionStack
    from napari_labdct.core.geometry import Parameters
    from napari_labdct.learning import EpochReport

RECIPES = ("default", "Hovad et al. 2020")
"""Ways to train, by name; the second is the paper's."""

TRAINING, VALIDATION, RATE = "#8a8f98", "#e5383b", "#15aabf"


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
        Clean projections; None draws `count` random virtual ones.
    count
        How many random projections.
    device
        Where to train.
    resume
        Whether to go on with what the folder holds.
    """

    settings: Parameters
    folder: Path
    stack: ProjectionStack | None = None
    count: int = 48
    device: str = "auto"
    resume: bool = False

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

    def steps(self) -> Iterator[Any]:
        """Train; yields the progress and the report of every epoch."""
        from napari_labdct.plugin.tasks import leave_a_core

        leave_a_core()
        images: list[Any] = []
        if self.stack is None:
            from napari_labdct.workflows.training_scans import iter_clean_projections

            seed = int(getattr(self.settings, "seed", 0))
            about = {"samples": f"{self.count} drawn"}
            for image in iter_clean_projections(self.count, seed):
                images.append(image)
                yield Progress(len(images), self.count, "simulating what to train on")
        else:
            about = {"samples": self.stack.source}
            images = list(self.stack.frames())
        yield Progress(0, 0, "first epoch")
        reports = epochs_of(self.settings)(
            images,
            self.settings,
            self.folder,
            device=self.device,
            resume=self.resume,
            about=about,
        )
        for report in reports:
            yield report
            yield Progress(
                report.epoch,
                report.epochs,
                f"epoch {report.epoch} of {report.epochs}",
            )


@dataclass
class History:
    """Reports of all epochs so far."""

    reports: list[EpochReport] = field(default_factory=list)

    @property
    def best(self) -> EpochReport | None:
        """The epoch whose model is kept."""
        return min(self.reports, key=lambda each: each.validation_loss, default=None)

    def plot(self) -> Plot:
        """Losses, and the learning rate below them."""
        if not self.reports:
            return Plot(empty="Losses appear here after the first epoch.")
        epoch = self._column("epoch")
        best = self.best
        marks = (
            ((best.epoch, best.validation_loss, "the model that is kept"),)
            if best
            else ()
        )
        losses = Panel(
            "loss",
            "",
            (
                Curve(epoch, self._column("train_loss"), TRAINING, "training"),
                Curve(epoch, self._column("validation_loss"), VALIDATION, "validation"),
            ),
            marks,
        )
        rate = Curve(epoch, self._column("learning_rate"), RATE, "learning rate")
        panels = (losses, Panel("learning rate", "", (rate,)))
        # A logarithm shows the slow end of a fall, and little of a short one.
        values = np.concatenate(
            [self._column(n) for n in ("train_loss", "validation_loss")]
        )
        wide = bool(values.min() > 0 and values.max() > 20 * values.min())
        return Plot(panels, "epoch", "", wide)

    def _column(self, name: str) -> Any:
        return np.array([getattr(each, name) for each in self.reports], np.float64)
