"""The search for a learning rate, for whichever recipe the settings belong to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch

from napari_labdct.learning.devices import resolve_device
from napari_labdct.learning.hovad2020 import Hovad2020Settings
from napari_labdct.learning.hovad2020.pairs import ContentPairs, content_images
from napari_labdct.learning.hovad2020.run import TrainingRun
from napari_labdct.learning.losses import default_loss
from napari_labdct.learning.lr_finder import iter_rates
from napari_labdct.learning.pairs import PairSource
from napari_labdct.learning.unet import SpotNet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_labdct.learning.lr_finder import RatePoint
    from napari_labdct.learning.settings import TrainingSettings

RANGE = (1e-6, 1.0)
"""Learning rates of the default recipe that are tried."""

BATCHES = 4
"""Batches of the default recipe that take turns."""


def iter_rate_search(
    clean: Sequence[NDArray[np.floating]],
    settings: TrainingSettings | Hovad2020Settings,
    *,
    device: str = "auto",
    weights: Path | str | None = None,
    download: bool = False,
) -> Iterator[RatePoint]:
    """Loss of a fresh network while the learning rate rises.

    The default recipe's loss is relative to that of the untrained network.

    Parameters
    ----------
    clean
        Clean projections, each of shape (rows, columns) [photons].
    settings
        Of the training to come.
    device
        Where to compute.
    weights, download
        ImageNet weights of the paper's recipe, as in its `iter_epochs`.

    Yields
    ------
    point
        After every step; `lr_finder.RateCurve.of` takes them all.

    Raises
    ------
    InputError
        If the projections cannot be trained on, or weights are missing.
    """
    target = resolve_device(device)
    if isinstance(settings, Hovad2020Settings):
        settings.check()
        run = TrainingRun(settings, target, None, weights, download)
        images = content_images(
            clean,
            settings.network.scaling.pedestal,
            settings.content.white_percentile,
        )
        pairs = ContentPairs(images, settings.content, settings.batch, settings.seed)
        yield from run.iter_rates(pairs)
        return
    source = PairSource(
        clean, settings.look, settings.crop, settings.batch, settings.seed
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = SpotNet(settings.network)
    model.to(target).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), weight_decay=settings.weight_decay
    )

    first: list[float] = []

    def loss(number: int) -> torch.Tensor:
        turn = number % BATCHES
        inputs, targets = (
            torch.from_numpy(part).to(target) for part in source.get(turn)
        )
        value = default_loss(model(inputs), targets, settings.loss)
        if turn == len(first):
            # The lowest rates change nothing: this is the untrained network's loss.
            first.append(value.item())
        # Losses of batches differ twentyfold, which would hide what the rate does: the
        # value is relative to the batch's own beginning, the gradient as in training.
        return value + (value / first[turn] - value).detach()

    (low, high), recent = RANGE, deque[float](maxlen=BATCHES)
    for point in iter_rates(
        model, optimiser, loss, lowest=low, highest=high, smoothing=0.8, stop=10
    ):
        # A mean over one turn of the batches has no ripple and lags little behind.
        recent.append(point.loss)
        yield point._replace(smoothed=sum(recent) / len(recent))
