"""The curves that *Train a denoiser* draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.plugin.drawing import Curve, Panel, Plot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_labdct.learning.lr_finder import RatePoint
    from napari_labdct.learning.run import StepReport

TRAINING, VALIDATION, RATE = "#8a8f98", "#e5383b", "#15aabf"
BATCHES = "#b197fc"

SKIPPED = 10
"""Points of a search for the learning rate that are left out at its beginning."""

MEAN_OF = 20
"""Batches that the curve of their losses is averaged over."""


def rate_plot(points: Sequence[RatePoint]) -> tuple[Plot, float | None]:
    """Loss against learning rate, and the rate that it suggests.

    Parameters
    ----------
    points
        As far as the search has come; None is suggested as long as they are few.
    """
    from napari_labdct.learning.lr_finder import FEWEST, RateCurve

    if len(points) < FEWEST:
        return Plot(empty="Losses at rising learning rates appear here."), None
    # The first losses are noise: nothing has been learned at these rates.
    curve = RateCurve.of(points[SKIPPED:] if len(points) > 3 * SKIPPED else points)
    best = curve.suggestion
    mark = (best, float(np.interp(best, curve.rate, curve.smoothed)), f"{best:.2g}")
    # The loss that runs away at the end would flatten all that matters.
    top = 2 * float(np.median(curve.loss))
    curves = (
        Curve(curve.rate, np.minimum(curve.loss, top), TRAINING, "loss of a batch"),
        Curve(curve.rate, np.minimum(curve.smoothed, top), VALIDATION, "smoothed"),
    )
    panel = Panel("where the loss falls fastest", "", curves, (mark,), log_x=True)
    return Plot((panel,), "learning rate", "loss"), best


@dataclass
class History:
    """Reports of all epochs so far, and the losses of the batches in between."""

    reports: list[Any] = field(default_factory=list)
    batches: list[StepReport] = field(default_factory=list)

    @classmethod
    def of_folder(cls, folder: Path) -> History:
        """What a model folder tells of its training."""
        import pandas as pd

        path = folder / "history.csv"
        if not path.is_file():
            return cls()
        return cls(list(pd.read_csv(path).itertuples(index=False)))

    @property
    def best(self) -> Any:
        """The epoch whose model is kept; None before there is one."""
        return min(self.reports, key=lambda each: each.validation_loss, default=None)

    def plot(self) -> Plot:
        """Losses on a logarithmic axis, and the learning rate below them."""
        if not self.reports and len(self.batches) < 2:
            return Plot(empty="Losses appear here with the first batches.")
        curves = []
        if len(self.batches) >= 2:
            curves.append(Curve(*self._smoothed(), BATCHES, "batches"))
        epoch = self._column("epoch")
        marks: tuple[tuple[float, float, str], ...] = ()
        if self.reports:
            best = self.best
            marks = ((best.epoch, best.validation_loss, "the model that is kept"),)
            for name, colour in (("train", TRAINING), ("validation", VALIDATION)):
                losses = self._column(f"{name}_loss")
                word = "training" if name == "train" else name
                curves.append(Curve(epoch, losses, colour, word))
        # A few batches lose ten times as much as the others: on a linear axis they
        # would flatten the validation curve, which is the one to judge by.
        panels = [Panel("loss", "", tuple(curves), marks, log_y=True, share=2)]
        if self.reports:
            rate = Curve(epoch, self._column("learning_rate"), RATE)
            panels.append(Panel("learning rate", "", (rate,)))
        return Plot(tuple(panels), "epoch", together=True)

    def _smoothed(self) -> tuple[Any, Any]:
        """Epochs gone by and running mean of the loss, after every batch."""
        at = [each.epoch - 1 + each.step / each.steps for each in self.batches]
        loss = np.array([each.loss for each in self.batches])
        total = np.cumsum(np.insert(loss, 0, 0.0))
        stop = np.arange(1, len(loss) + 1)
        start = np.maximum(0, stop - MEAN_OF)
        return np.array(at), (total[stop] - total[start]) / (stop - start)

    def _column(self, name: str) -> Any:
        return np.array([getattr(each, name) for each in self.reports], np.float64)
