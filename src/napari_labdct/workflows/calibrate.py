"""Fit a network to one scan: simulated spots over the scan's own emptied frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.calibration import statistics_of
from napari_labdct.core import InputError, Progress
from napari_labdct.workflows.scan_traits import measure_traits, spread_over
from napari_labdct.workflows.training_scans import (
    KINDS,
    MATERIALS,
    iter_clean_projections,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import (
        Denoiser,
        EpochReport,
        TrainingSettings,
        UNetSettings,
    )
    from napari_labdct.learning.run import EachStep
    from napari_labdct.workflows.scan_traits import ScanTraits
    from napari_labdct.workflows.training_scans import Kind

FRAMES = 12
"""Frames of the scan that are emptied."""

SAMPLES = 48
"""Projections of virtual samples whose spots are laid over them."""


def calibration_settings(network: UNetSettings) -> TrainingSettings:
    """A few minutes' training at a low rate, for a network of this shape."""
    from napari_labdct.learning import TrainingSettings

    return TrainingSettings(
        epochs=6,
        steps=120,
        validation_steps=8,
        crop=160,
        learning_rate=5e-4,
        averaging=0.99,
        network=network,
    )


def iter_calibrate(
    stack: ProjectionStack,
    denoiser: Denoiser,
    folder: Path | str,
    *,
    epochs: int | None = None,
    settings: TrainingSettings | None = None,
    device: str = "auto",
    each_part: Callable[[Progress], None] | None = None,
    each_step: EachStep | None = None,
) -> Iterator[EpochReport]:
    """Make a model of one's own scan, without labels.

    The scan's light, noise, zingers and spot sizes are measured; some of its frames
    are emptied of all that may be a spot; and the network goes on training for a few
    minutes with simulated spots over them, besides what it was trained with. What
    was measured stands in the model's `config.json` and gives the widths of the
    matched filters when spots are found with this model.

    Parameters
    ----------
    stack
        The scan as measured, 2 projections or more.
    denoiser
        The network to start from.
    folder
        Model folder to write.
    epochs
        How long to train; 6 epochs, some minutes, by default.
    settings
        All else of the training; see `calibration_settings`.
    device
        Where to train.
    each_part
        Called while the scan is measured and spots are simulated; what it raises
        ends the work, here as in `each_step`.
    each_step
        Called after every batch.

    Yields
    ------
    report
        After every epoch; the best model so far stands in `folder`.

    Raises
    ------
    InputError
        If the scan is cleaned already or has one projection only.
    """
    from napari_labdct.learning import MeasuredLook, iter_epochs
    from napari_labdct.learning.corruption import BackgroundBank
    from napari_labdct.learning.unet import SpotNet

    if stack.kind == "cleaned" or len(stack) < 2:
        what = "is cleaned already" if stack.kind == "cleaned" else "is one frame only"
        raise InputError(
            f"{stack.source or 'The stack'} {what}: calibrate on the scan as measured, "
            "with 2 projections or more."
        )
    start = denoiser.model
    if not isinstance(start, SpotNet):
        raise InputError(
            f"The model {denoiser.name!r} is of the paper's recipe and cannot be "
            "calibrated on a scan: choose one of the default recipe."
        )
    settings = settings or calibration_settings(start.settings)
    if epochs is not None:
        settings = settings.model_copy(update={"epochs": epochs})

    def tell(done: int, total: int, what: str) -> None:
        if each_part is not None:
            each_part(Progress(done, total, what))

    tell(0, 0, "measuring the scan")
    traits = measure_traits(stack)
    rng = np.random.default_rng(settings.seed)
    bank = BackgroundBank.of_scan(
        statistics_of(stack), spread_over(len(stack), FRAMES), rng, MeasuredLook()
    )
    clean = []
    for image in iter_clean_projections(
        SAMPLES, settings.seed, kinds=kinds_like(traits), size=max(stack.shape[1:])
    ):
        clean.append(image)
        tell(len(clean), SAMPLES, "simulating spots like the scan's")
    about = {
        "calibrated on": f"{stack.source or 'a scan'}, {len(stack)} projections",
        "started from": denoiser.name,
        "samples": f"{SAMPLES} simulated projections ({', '.join(MATERIALS)})",
        "scan": traits.model_dump(),
    }
    yield from iter_epochs(
        clean,
        settings,
        folder,
        device=device,
        start=start,
        bank=bank,
        about=about,
        each_step=each_step,
    )


def kinds_like(traits: ScanTraits) -> dict[Kind, float]:
    """Set-ups to draw, mostly those whose spots look like the scan's."""
    if traits.width[1] > 4:
        like: Kind = "magnified"
    elif traits.elongation > 2:
        like = "Laue focusing"
    else:
        like = "far field"
    return {kind: 0.7 * (kind == like) + 0.3 * KINDS[kind] for kind in KINDS}
