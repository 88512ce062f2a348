"""A search for the learning rate: raise it step by step and watch the loss.

L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

FEWEST = 5
"""Fewest points a curve must have to say anything."""


class RatePoint(NamedTuple):
    """Loss at one learning rate, as it was and smoothed."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class RateCurve:
    """Loss against learning rate.

    Attributes
    ----------
    rate, loss, smoothed
        Shape (N,) each: learning rate, loss of its batch, running mean of the loss.
    """

    rate: NDArray[np.float64]
    loss: NDArray[np.float64]
    smoothed: NDArray[np.float64]

    @classmethod
    def of(cls, points: Iterable[RatePoint]) -> RateCurve:
        """Curve through points.

        Raises
        ------
        InputError
            If there are fewer than 5.
        """
        table = np.array(list(points), np.float64).reshape(-1, 3)
        if len(table) < FEWEST:
            raise InputError(
                f"The search for a learning rate ended after {len(table)} steps, the "
                "loss was not finite or rose at once: check the training images, or "
                "set the learning rate yourself."
            )
        return cls(*table.T)

    def rows(self) -> list[dict[str, float]]:
        """One row a step, for a table."""
        columns = (self.rate, self.loss, self.smoothed)
        return [
            RatePoint(*map(float, row))._asdict() for row in zip(*columns, strict=True)
        ]

    @property
    def suggestion(self) -> float:
        """Learning rate at which the smoothed loss falls most steeply.

        Looked for before its lowest value: beyond, the loss jumps up and down.
        """
        slope = np.gradient(self.smoothed, np.log(self.rate))
        last = max(2, int(np.argmin(self.smoothed)) + 1)
        return float(self.rate[int(np.argmin(slope[:last]))])


def iter_rates(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[int], Tensor],
    *,
    lowest: float = 1e-7,
    highest: float = 10.0,
    iterations: int = 100,
    smoothing: float = 0.98,
    stop: float = 4.0,
) -> Iterator[RatePoint]:
    """Train while the learning rate rises exponentially, then undo it all.

    Ends early when the smoothed loss exceeds `stop` times the best, or is not
    finite. Model and optimiser are as before when the generator ends or is closed.

    Parameters
    ----------
    model, optimiser
        What is trained.
    loss
        Loss of batch number 0, 1, …, ready for `backward`.
    lowest, highest
        First and last learning rate.
    iterations
        Steps from one to the other.
    smoothing
        Decay of the running mean of the loss; it is corrected for its start.
    stop
        How many times the best loss is too much.

    Yields
    ------
    point
        After every step whose loss is finite.
    """
    before = copy.deepcopy((model.state_dict(), optimiser.state_dict()))
    average, best = 0.0, float("inf")
    try:
        for number, rate in enumerate(np.geomspace(lowest, highest, iterations)):
            for group in optimiser.param_groups:
                group["lr"] = float(rate)
            optimiser.zero_grad(set_to_none=True)
            value = loss(number)
            now = value.item()
            if not np.isfinite(now):
                return
            average = smoothing * average + (1 - smoothing) * now
            smoothed = average / (1 - smoothing ** (number + 1))
            yield RatePoint(float(rate), now, smoothed)
            best = min(best, smoothed)
            if smoothed > stop * best:
                return
            torch.autograd.backward(value)
            optimiser.step()
    finally:
        model.load_state_dict(before[0])
        optimiser.load_state_dict(before[1])
        optimiser.zero_grad(set_to_none=True)


def find_rate(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[int], Tensor],
) -> RateCurve:
    """The whole curve of `iter_rates`, with its usual range."""
    return RateCurve.of(iter_rates(model, optimiser, loss))
