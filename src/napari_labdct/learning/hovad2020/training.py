"""The two phases of training, as a generator that reports every epoch."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_labdct.learning.checkpoint import load_checkpoint, save_checkpoint
from napari_labdct.learning.devices import resolve_device
from napari_labdct.learning.folder import save_model, save_table
from napari_labdct.learning.hovad2020.pairs import ContentPairs, content_images, split
from napari_labdct.learning.hovad2020.run import Phase, TrainingRun
from napari_labdct.learning.training import EpochReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_labdct.learning.hovad2020.settings import Hovad2020Settings
    from napari_labdct.learning.run import EachStep

RECIPE = "hovad2020"

INPUTS = ("grey values of 8 bit, three equal colours in ImageNet's statistics",)


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
    each_step: EachStep | None = None,
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
    each_step
        Called after every batch; what it raises ends the training.

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
    run = TrainingRun(settings, target, state, weights, download)
    pedestal = settings.network.scaling.pedestal
    white = settings.content.white_percentile
    images = content_images(clean, pedestal, white)
    if validation is None:
        train, held_out = split(len(images), settings.validation_share, settings.seed)
        parts = [[images[i] for i in chosen] for chosen in (train, held_out)]
    else:
        parts = [images, content_images(validation, pedestal, white)]
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
        train_loss = run.train(pairs, each_step)
        validation_loss, preview = run.validate(checks)
        phase = run.phase
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
