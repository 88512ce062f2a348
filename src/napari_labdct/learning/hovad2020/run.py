"""State of a training run, and what one epoch does to it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_labdct.core import InputError
from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet
from napari_labdct.learning.hovad2020.grey import denormalised, normalised
from napari_labdct.learning.hovad2020.perceptual import build_loss
from napari_labdct.learning.hovad2020.schedule import (
    frozen_rates,
    make_optimiser,
    one_cycle,
    unfrozen_rates,
)
from napari_labdct.learning.hovad2020.weights import load_imagenet
from napari_labdct.learning.lr_finder import RateCurve, RatePoint, iter_rates
from napari_labdct.learning.run import StepReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.learning.hovad2020.pairs import ContentPairs
    from napari_labdct.learning.hovad2020.settings import Hovad2020Settings
    from napari_labdct.learning.run import EachStep

Phase = Literal["frozen", "unfrozen"]


class TrainingRun:
    """All that a checkpoint must hold, in the phase it is in.

    Parameters
    ----------
    settings
        The recipe.
    device
        Where to train.
    state
        What a checkpoint holds, to go on from; None starts anew.
    weights, download
        Where ImageNet weights are, and consent to fetch them.
    """

    def __init__(
        self,
        settings: Hovad2020Settings,
        device: torch.device,
        state: dict[str, Any] | None,
        weights: Path | str | None,
        download: bool,
    ) -> None:
        self.settings, self.device = settings, device
        self.encoder_source: str = settings.encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.loss, self.loss_source = build_loss(
                settings.loss, weights, download=download
            )
            self.model = DynamicUNet(settings.network)
        if settings.encoder == "imagenet" and state is None:
            file = load_imagenet(
                self.model.encoder, "resnet34", weights, download=download
            )
            self.encoder_source = f"imagenet ({file.name})"
        self.loss.to(device).eval()
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks memory_format alone
        self.epoch, self.waited, self.best = 0, 0, float("inf")
        self.rate, self.last_rate = settings.learning_rate, 0.0
        self.history: list[dict[str, Any]] = []
        if state is not None:
            self.encoder_source = state["encoder_source"]
            self.epoch, self.waited = state["epoch"], state["waited"]
            self.best, self.rate = state["best"], state["rate"]
            self.history = state["history"]
            self.model.load_state_dict(state["model"])
        self.enter_phase()
        if state is not None:
            self.optimiser.load_state_dict(state["optimiser"])

    @property
    def phase(self) -> Phase:
        """Phase of the epoch that comes next."""
        return "frozen" if self.epoch < self.settings.frozen_epochs else "unfrozen"

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or waiting for a better one is."""
        tired = self.phase == "unfrozen" and self.waited >= self.settings.patience
        return tired or self.epoch >= self.settings.epochs

    def enter_phase(self) -> None:
        """Freeze or free the encoder, with an optimiser that knows nothing yet."""
        self.model.freeze_encoder(self.phase == "frozen")
        self.optimiser = make_optimiser(self.model, self.settings)

    def iter_rates(self, pairs: ContentPairs) -> Iterator[RatePoint]:
        """Loss while the learning rate rises; the network stays as it is."""
        self.model.train()
        return iter_rates(
            self.model,
            self.optimiser,
            lambda number: self._loss(*pairs.get(0, number % pairs.batches))[0],
        )

    def find_rate(self, pairs: ContentPairs) -> RateCurve:
        """Search the learning rate and take it."""
        curve = RateCurve.of(self.iter_rates(pairs))
        self.rate = curve.suggestion
        return curve

    def train(self, pairs: ContentPairs, each_step: EachStep | None = None) -> float:
        """One epoch; mean loss."""
        self.model.train()
        losses: list[float] = []
        for number in range(pairs.batches):
            self._set_rates(number, pairs.batches)
            flips = self.settings.content.flips
            loss, _ = self._loss(*pairs.get(self.epoch, number, flips=flips))
            value = loss.item()
            if not np.isfinite(value):
                raise InputError(
                    f"The loss became {value} in epoch {self.epoch + 1}: lower the "
                    "learning rate; the last good model is kept."
                )
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self.optimiser.step()
            losses.append(value)
            if each_step is not None:
                each_step(StepReport(self.epoch + 1, len(losses), pairs.batches, value))
        return float(np.mean(losses))

    def validate(self, pairs: ContentPairs) -> tuple[float, NDArray[np.float32]]:
        """Mean loss on held-out pairs, always the same, and a look at one of them."""
        self.model.eval()
        losses = []
        preview = np.zeros((3, 1, 1), np.float32)
        with torch.inference_mode():
            for number in range(pairs.batches):
                inputs, targets = pairs.get(0, number)
                loss, prediction = self._loss(inputs, targets)
                losses.append(loss.item())
                if number == 0:
                    shown = denormalised(prediction[0].float()).cpu().numpy()
                    preview = np.stack([inputs[0], shown, targets[0]])
        return float(np.mean(losses)), preview

    def count(self, validation_loss: float) -> bool:
        """Close an epoch; whether it was the best so far."""
        phase = self.phase
        self.epoch += 1
        is_best = validation_loss < self.best
        self.best = min(self.best, validation_loss)
        self.waited = 0 if is_best else self.waited + 1
        if self.phase != phase:
            self.waited = 0
            self.enter_phase()
        return is_best

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "encoder_source": self.encoder_source,
            "epoch": self.epoch,
            "waited": self.waited,
            "best": self.best,
            "rate": self.rate,
            "history": copy.deepcopy(self.history),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def _set_rates(self, number: int, batches: int) -> None:
        chosen = self.settings
        if self.phase == "frozen":
            epoch, epochs = self.epoch, chosen.frozen_epochs
            highest = frozen_rates(self.rate, chosen.encoder_share)
        else:
            epochs = chosen.cycle
            epoch = (self.epoch - chosen.frozen_epochs) % epochs
            highest = unfrozen_rates(chosen.slowest_rate, chosen.unfrozen_rate)
        now = one_cycle(epoch * batches + number, epochs * batches, chosen.rise)
        groups = self.optimiser.param_groups
        for group, rate in zip(groups, highest, strict=True):
            group["lr"] = rate * now.share
            group["betas"] = (now.momentum, group["betas"][1])
        self.last_rate = groups[-1]["lr"]

    def _loss(
        self, inputs: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss of a batch, and the prediction."""
        x, y = (
            normalised(torch.from_numpy(part).to(self.device)).contiguous(
                memory_format=torch.channels_last
            )
            for part in (inputs, targets)
        )
        prediction = self.model(x)
        return self.loss(prediction, y), prediction
