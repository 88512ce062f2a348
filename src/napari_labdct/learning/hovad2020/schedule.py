"""Which layers train how fast, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet
    from napari_labdct.learning.hovad2020.settings import Hovad2020Settings

START, END = 1 / 25, 1 / 25e4
"""Learning rate at both ends of a cycle, as part of the highest."""

MOMENTUM = (0.95, 0.85)
"""Momentum (Adam's β₁) at the ends and at the height of a cycle."""


class CyclePoint(NamedTuple):
    """Where a one-cycle schedule stands: part of the highest rate, and momentum."""

    share: float
    momentum: float


def one_cycle(step: int, steps: int, rise: float) -> CyclePoint:
    """One-cycle schedule: up in half a cosine, then down in another.

    L. N. Smith, arXiv:1803.09820; ends and momenta as in fastai's first version.

    Parameters
    ----------
    step, steps
        Number of this step, from 0, and how many a cycle has.
    rise
        Part of the steps in which the learning rate rises.
    """
    turn = int(steps * rise)
    if step < turn:
        done, ends = step / turn, (START, 1.0, *MOMENTUM)
    else:
        done = (step - turn) / max(1, steps - turn)
        ends = (1.0, END, *MOMENTUM[::-1])
    weight = (1 + np.cos(np.pi * done)) / 2
    share = ends[1] + (ends[0] - ends[1]) * weight
    momentum = ends[3] + (ends[2] - ends[3]) * weight
    return CyclePoint(float(share), float(momentum))


def frozen_rates(highest: float, encoder_share: float) -> list[float]:
    """Highest learning rates of early encoder, late encoder and decoder at first."""
    return [highest * encoder_share, highest * encoder_share, highest]


def unfrozen_rates(slowest: float, highest: float) -> list[float]:
    """The same in the second phase: a geometric series."""
    return [float(rate) for rate in np.geomspace(slowest, highest, 3)]


def make_optimiser(
    model: DynamicUNet, settings: Hovad2020Settings
) -> torch.optim.Optimizer:
    """AdamW with one group of parameters for each of the model's groups.

    Weight decay is decoupled and applies to every parameter, BatchNorm too, as in
    fastai's first version.
    """
    groups = [
        {"params": [p for module in group for p in module.parameters()]}
        for group in model.groups()
    ]
    return torch.optim.AdamW(
        groups, lr=1e-3, betas=(MOMENTUM[0], 0.99), weight_decay=settings.weight_decay
    )
