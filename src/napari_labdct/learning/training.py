"""The training loop: a generator that reports every epoch and can be stopped."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_labdct.learning.devices import resolve_device
from napari_labdct.learning.distributed import Share
from napari_labdct.learning.folder import save_model, save_table
from napari_labdct.learning.pairs import PairSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_labdct.learning.corruption import BackgroundBank
    from napari_labdct.learning.run import EachStep
    from napari_labdct.learning.settings import TrainingSettings
    from napari_labdct.learning.unet import SpotNet


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
    share = Share.own()
    source = share.source(PairSource(clean, look, settings.crop, batch, seed, bank))
    held_out = PairSource(validation, look, source.crop, batch, seed + 2**31, bank)
    run = share.run(settings, resolve_device(device), start)
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
            if share.leads:
                save_model(folder, run.average, settings, run.history, about or {})
        if share.leads:
            save_table(folder / "history.csv", run.history)
            run.save(folder)
        yield report
        if settings.patience and waited >= settings.patience:
            return
