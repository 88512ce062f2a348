"""The two phases of training, as a generator that reports every epoch."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_labdct.core import InputError
from napari_labdct.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_labdct.learning.devices import resolve_device
from napari_labdct.learning.folder import save_model, save_table
from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet
from napari_labdct.learning.hovad2020.grey import denormalised, normalised
from napari_labdct.learning.hovad2020.pairs import ContentPairs, content_images, split
from napari_labdct.learning.hovad2020.perceptual import build_loss
from napari_labdct.learning.hovad2020.schedule import (
    frozen_rates,
    make_optimiser,
    one_cycle,
    unfrozen_rates,
)
from napari_labdct.learning.hovad2020.weights import load_imagenet
from napari_labdct.learning.lr_finder import RateCurve, find_rate
from napari_labdct.learning.training import EpochReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from napari_labdct.learning.hovad2020.settings import Hovad2020Settings

RECIPE = "hovad2020"

INPUTS = ("grey values of 8 bit, three equal colours in ImageNet's statistics",)

Phase = Literal["frozen", "unfrozen"]


@dataclass(frozen=True)
class Hovad2020Report(EpochReport):
    """What is known after an epoch; `preview` is in grey values of 8 bit.

    Attributes
    ----------
    phase
        ``"frozen"`` while the encoder keeps its weights, then ``"unfrozen"``.
    """

    phase: Phase


def iter_epochs(
    clean: Iterable[NDArray[np.floating]],
    settings: Hovad2020Settings,
    folder: Path | str,
    *,
    validation: Iterable[NDArray[np.floating]] | None = None,
    device: str = "auto",
    resume: bool = False,
    about: dict[str, Any] | None = None,
    weights: Path | str | None = None,
    download: bool = False,
) -> Iterator[Hovad2020Report]:
    """Train the paper's network and yield a report after every epoch.

    The best model so far always stands in `folder`; a run that is stopped, or
    killed, loses at most the epoch it was in.

    Parameters
    ----------
    clean
        Clean projections, each of shape (rows, columns) [photons].
    settings
        All else the run depends on.
    folder
        Where the model folder is written; with `find_rate`, also the curve of the
        search, as rates.csv.
    validation
        Clean projections of another sample; by default a part of `clean`, which is
        then not trained on (the paper's way: neighbouring views of one sample).
    device
        Where to train, such as ``"cpu"``, ``"cuda"`` or ``"auto"``.
    resume
        Go on from the last finished epoch in `folder`.
    about
        Further facts for the model card.
    weights
        Folder of files with ImageNet weights, see `weights.load_imagenet`.
    download
        Consent to fetch missing ImageNet weights.

    Yields
    ------
    report
        After every epoch.

    Raises
    ------
    InputError
        If the projections hold no spots, ImageNet weights are missing, or the loss
        becomes NaN.
    """
    settings.check()
    folder = Path(folder)
    target = resolve_device(device)
    state = load_checkpoint(folder, settings, target) if resume else None
    # Before the projections, which may take minutes to come: what is missing?
    run = _Run(settings, target, state, weights, download)
    pedestal = settings.network.scaling.pedestal
    images = content_images(clean, pedestal)
    if validation is None:
        train, held_out = split(len(images), settings.validation_share, settings.seed)
        parts = [[images[i] for i in chosen] for chosen in (train, held_out)]
    else:
        parts = [images, content_images(validation, pedestal)]
    pairs, checks = (
        ContentPairs(part, settings.content, settings.batch, settings.seed + offset)
        for part, offset in zip(parts, (0, 2**31), strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    if settings.find_rate and state is None:
        curve = run.find_rate(pairs)
        save_table(folder / "rates.csv", curve.rows())
    facts = {
        "recipe": "Hovad et al. 2020: constant background, perceptual loss",
        "encoder": run.encoder_source,
        "perceptual": run.loss_source,
        "images": f"{len(pairs.images)} trained on, {len(checks.images)} validation",
        **(about or {}),
    }
    while not run.finished:
        started = time.perf_counter()
        train_loss = run.train(pairs)
        validation_loss, preview = run.validate(checks)
        phase: Phase = run.phase
        is_best = run.count(validation_loss)
        report = Hovad2020Report(
            epoch=run.epoch,
            epochs=settings.epochs,
            train_loss=train_loss,
            validation_loss=validation_loss,
            learning_rate=run.last_rate,
            seconds=time.perf_counter() - started,
            is_best=is_best,
            preview=preview,
            phase=phase,
        )
        row = asdict(report)
        row.pop("preview")
        run.history.append(row)
        if is_best:
            save_model(
                folder,
                run.model,
                settings,
                run.history,
                facts,
                recipe=RECIPE,
                inputs=INPUTS,
            )
        save_checkpoint(folder, settings, run.state())
        yield report


class _Run:
    """State of a training run: all that a checkpoint must hold."""

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

    def find_rate(self, pairs: ContentPairs) -> RateCurve:
        """Search the learning rate and take it."""
        self.model.train()
        curve = find_rate(
            self.model,
            self.optimiser,
            lambda number: self._loss(*pairs.get(0, number % pairs.batches))[0],
        )
        self.rate = curve.suggestion
        return curve

    def train(self, pairs: ContentPairs) -> float:
        """One epoch; mean loss."""
        self.model.train()
        losses = []
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
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self.optimiser.step()
            losses.append(value)
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
