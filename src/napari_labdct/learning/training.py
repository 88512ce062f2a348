"""The training loop: a generator that reports every epoch and can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_labdct.learning.corruption import MeasuredLook
from napari_labdct.learning.devices import has_bfloat16, resolve_device
from napari_labdct.learning.folder import save_model
from napari_labdct.learning.inputs import CHANNELS
from napari_labdct.learning.losses import LossSettings, default_loss
from napari_labdct.learning.pairs import PairSource
from napari_labdct.learning.unet import SpotNet, UNetSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.learning.corruption import BackgroundBank


class TrainingSettings(Parameters):
    """Everything a training run depends on, besides the clean projections."""

    epochs: int = Field(20, ge=1, le=10000, description="Epochs.")
    steps: int = Field(200, ge=1, le=100000, description="Batches per epoch.")
    validation_steps: int = Field(
        12, ge=1, le=10000, description="Batches of validation after every epoch."
    )
    batch: int = Field(4, ge=1, le=1024, description="Crops per batch.")
    crop: int = Field(256, ge=32, le=2048, description="Side of a crop [px].")
    learning_rate: float = Field(
        2e-3, gt=0, le=1, description="Highest learning rate, after the warm-up."
    )
    weight_decay: float = Field(
        1e-4, ge=0, le=1, description="Decoupled weight decay (AdamW)."
    )
    averaging: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Decay of the running average of the weights that is kept.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=10000,
        description="Stop after this many epochs without improvement; 0 never stops.",
    )
    seed: int = Field(0, ge=0, description="Seed of weights and examples.")
    threads: int = Field(
        2, ge=1, le=64, description="Threads that draw examples ahead."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="What the network computes in while it trains: bfloat16 is "
        "quicker where the hardware has it, and then what auto takes. Weights and "
        "losses stay float32.",
    )
    network: UNetSettings = UNetSettings()
    loss: LossSettings = LossSettings()
    look: MeasuredLook = MeasuredLook()


@dataclass(frozen=True)
class EpochReport:
    """What is known after an epoch.

    Attributes
    ----------
    epoch, epochs
        Number of this epoch, from 1, and how many there will be.
    train_loss, validation_loss
        Mean losses; the validation examples are never trained on.
    learning_rate
        Learning rate at the end of the epoch.
    seconds
        Time the epoch took [s].
    is_best
        Whether the validation loss is the lowest so far.
    preview
        Input, prediction and truth of a validation crop in units of noise,
        shape (3, rows, columns).
    """

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float
    learning_rate: float
    seconds: float
    is_best: bool
    preview: NDArray[np.float32]


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


def iter_epochs(
    clean: Sequence[NDArray[np.floating]],
    settings: TrainingSettings,
    folder: Path | str,
    *,
    validation: Sequence[NDArray[np.floating]] | None = None,
    device: str = "auto",
    resume: bool = False,
    start: SpotNet | None = None,
    bank: BackgroundBank | None = None,
    about: dict[str, Any] | None = None,
    each_step: EachStep | None = None,
) -> Iterator[EpochReport]:
    """Train a network and yield a report after every epoch.

    The best model so far always stands in `folder`; a run that is stopped, or
    killed, loses at most the epoch it was in.

    Parameters
    ----------
    clean
        Clean projections, each of shape (rows, columns) [photons].
    settings
        All else the run depends on.
    folder
        Where the model folder is written.
    validation
        Clean projections of other samples; by default every tenth of `clean`,
        which is then not trained on.
    device
        Where to train, such as ``"cpu"``, ``"cuda"`` or ``"auto"``.
    resume
        Go on from the last finished epoch in `folder`.
    start
        Network whose weights to start from; random ones by default.
    bank
        Frames of a scan emptied of spots, to train on for that scan.
    about
        Further facts for the model card, such as where the projections come from.
    each_step
        Called after every batch; what it raises ends the training.

    Yields
    ------
    report
        After every epoch.

    Raises
    ------
    InputError
        If the projections hold no spots, or the loss becomes NaN.
    """
    folder = Path(folder)
    if validation is None:
        validation = clean[::10]
        clean = [image for i, image in enumerate(clean) if i % 10] or list(clean)
    look, batch, seed = settings.look, settings.batch, settings.seed
    source = PairSource(clean, look, settings.crop, batch, seed, bank)
    held_out = PairSource(validation, look, source.crop, batch, seed + 2**31, bank)
    run = _Run(settings, resolve_device(device), start)
    folder.mkdir(parents=True, exist_ok=True)
    if resume:
        run.load(folder)
    waited = 0
    while run.epoch < settings.epochs:
        started = time.perf_counter()
        train_loss = run.train(source, each_step)
        validation_loss, preview = run.validate(held_out)
        run.epoch += 1
        is_best = validation_loss < run.best
        waited = 0 if is_best else waited + 1
        report = EpochReport(
            run.epoch,
            settings.epochs,
            train_loss,
            validation_loss,
            run.learning_rate(run.step - 1),
            time.perf_counter() - started,
            is_best,
            preview,
        )
        row = asdict(report)
        row.pop("preview")
        run.history.append(row)
        if is_best:
            run.best = validation_loss
            save_model(folder, run.average, settings, run.history, about or {})
        run.save(folder)
        yield report
        if settings.patience and waited >= settings.patience:
            return


class _Run:
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
            loss = self._loss(self.model, inputs, targets)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            value = loss.item()
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
