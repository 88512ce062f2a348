"""A training run: its state, and what one epoch does to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from napari_labdct.core import InputError
from napari_labdct.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_labdct.learning.devices import has_bfloat16
from napari_labdct.learning.inputs import CHANNELS
from napari_labdct.learning.losses import default_loss
from napari_labdct.learning.unet import SpotNet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.learning.pairs import PairSource
    from napari_labdct.learning.settings import TrainingSettings


@dataclass(frozen=True)
class StepReport:
    """What is known after a batch.

    Attributes
    ----------
    epoch
        Number of the epoch at work, from 1.
    step, steps
        Number of this batch in it, from 1, and how many there are.
    loss
        Loss of the batch.
    """

    epoch: int
    step: int
    steps: int
    loss: float


EachStep = Callable[[StepReport], None]
"""What a training may call after every batch."""


class Run:
    """State of a training run: all that a checkpoint must hold."""

    def __init__(
        self,
        settings: TrainingSettings,
        device: torch.device,
        start: SpotNet | None = None,
    ) -> None:
        self.settings, self.device = settings, device
        self.mixed = settings.precision == "bfloat16" or (
            settings.precision == "auto" and has_bfloat16(device)
        )
        if settings.network.channels != len(CHANNELS):
            raise InputError(
                f"The default recipe feeds {len(CHANNELS)} input channels, the "
                f"network takes {settings.network.channels}: set channels to "
                f"{len(CHANNELS)}."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.model = SpotNet(settings.network)
            self.average = SpotNet(settings.network)
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        self.average.load_state_dict(self.model.state_dict())
        for network in (self.model, self.average):
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks memory_format alone
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.epoch, self.step, self.best = 0, 0, float("inf")
        self.parts = 1
        self.history: list[dict[str, Any]] = []

    def learning_rate(self, step: int) -> float:
        """Linear warm-up over 3 % of the run, then a half cosine to 1 %."""
        total = self.settings.epochs * self.settings.steps
        warm = max(1, total * 3 // 100)
        if step < warm:
            share = (step + 1) / warm
        else:
            share = 0.01 + 0.495 * (1 + np.cos(np.pi * (step - warm) / (total - warm)))
        return float(self.settings.learning_rate * share)

    def train(self, source: PairSource, each_step: EachStep | None) -> float:
        """One epoch; mean loss."""
        self.model.train()
        losses: list[float] = []
        stop = self.step + self.settings.steps
        for inputs, targets in source.iterate(self.step, stop, self.settings.threads):
            rate = self.learning_rate(self.step)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            value = self._gradients(inputs, targets)
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            if not np.isfinite(value):
                raise InputError(
                    f"The loss became {value} in epoch {self.epoch + 1}: lower the "
                    "learning rate; the last good model is kept."
                )
            self.optimiser.step()
            # The average starts quickly, or early epochs would show the random
            # weights of the start.
            decay = min(self.settings.averaging, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for kept, new in zip(
                    self.average.parameters(), self.model.parameters(), strict=True
                ):
                    kept.lerp_(new, 1 - decay)
            losses.append(value)
            self.step += 1
            if each_step is not None:
                steps = self.settings.steps
                each_step(StepReport(self.epoch + 1, len(losses), steps, value))
        return float(np.mean(losses))

    def _gradients(
        self, inputs: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> float:
        """Gradients and loss of a batch, in halves where memory is short."""
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            total = 0.0
            try:
                for x, y in zip(
                    np.array_split(inputs, self.parts),
                    np.array_split(targets, self.parts),
                    strict=True,
                ):
                    loss = self._loss(self.model, x, y) * (len(x) / len(inputs))
                    torch.autograd.backward(loss)
                    total += loss.item()
                return total
            except torch.OutOfMemoryError as error:
                if self.parts >= len(inputs):
                    raise InputError(
                        f"The memory of {self.device} is too small for one crop of "
                        f"{inputs.shape[-1]} px: choose a smaller crop or network."
                    ) from error
                self.parts = min(2 * self.parts, len(inputs))

    def validate(self, source: PairSource) -> tuple[float, NDArray[np.float32]]:
        """Mean loss on held-out examples, and a look at one of them."""
        self.average.eval()
        losses = []
        preview = np.zeros((3, source.crop, source.crop), np.float32)
        batches = source.iterate(
            0, self.settings.validation_steps, self.settings.threads
        )
        with torch.inference_mode():
            for number, (inputs, targets) in enumerate(batches):
                losses.append(self._loss(self.average, inputs, targets).item())
                if number == 0:
                    at = int(np.argmax(targets[:, 1].sum((1, 2))))
                    x = torch.from_numpy(inputs[at : at + 1]).to(self.device)
                    shown = self.average(x)[0, 0].float().cpu().numpy()
                    preview = np.sinh([inputs[at, 0], shown, targets[at, 0]])
        return float(np.mean(losses)), preview.astype(np.float32)

    def _loss(
        self,
        model: nn.Module,
        inputs: NDArray[np.float32],
        targets: NDArray[np.float32],
    ) -> torch.Tensor:
        x = torch.from_numpy(inputs).to(self.device, memory_format=torch.channels_last)
        y = torch.from_numpy(targets).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            prediction = model(x)
        return default_loss(prediction.float(), y, self.settings.loss)

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs to go on exactly."""
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "best": self.best,
            "history": self.history,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        save_checkpoint(folder, self.settings, state)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        state = load_checkpoint(folder, self.settings, self.device)
        self.epoch, self.step = state["epoch"], state["step"]
        self.best, self.history = state["best"], state["history"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
