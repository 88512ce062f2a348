"""The search for a learning rate, on a loss whose limit is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_labdct.core import InputError
from napari_labdct.learning.lr_finder import RateCurve, find_rate, iter_rates


class Quadratic(nn.Module):
    """½ k w²: gradient descent diverges above a rate of 2 / k."""

    def __init__(self, k: float = 4.0) -> None:
        super().__init__()
        self.k = k
        self.w = nn.Parameter(torch.tensor(3.0))

    def loss(self, _number: int) -> torch.Tensor:
        return 0.5 * self.k * self.w**2


def make(k=4.0, momentum=0.0):
    model = Quadratic(k)
    return model, torch.optim.SGD(model.parameters(), lr=0.123, momentum=momentum)


def test_it_raises_the_rate_from_1e_7_to_10_and_stops_when_the_loss_explodes():
    model, optimiser = make()
    points = list(iter_rates(model, optimiser, model.loss, smoothing=0))
    assert points[0].rate == pytest.approx(1e-7)
    ratios = np.diff(np.log([p.rate for p in points]))
    np.testing.assert_allclose(ratios, np.log(1e8) / 99)
    last = points[-1]
    assert last.rate > 2 / model.k
    assert last.smoothed > 4 * min(p.smoothed for p in points)
    assert len(points) < 100


def test_the_suggestion_lies_below_the_limit_and_where_it_falls():
    model, optimiser = make()
    curve = find_rate(model, optimiser, model.loss)
    assert 2 / model.k / 300 < curve.suggestion < 2 / model.k
    assert len(curve.rows()) == len(curve.rate)
    assert set(curve.rows()[0]) == {"rate", "loss", "smoothed"}


def test_ten_times_the_curvature_asks_for_a_tenth_of_the_rate():
    rates = []
    for k in (1.0, 10.0):
        model, optimiser = make(k)
        rates.append(find_rate(model, optimiser, model.loss).suggestion)
    assert rates[0] / rates[1] == pytest.approx(10, rel=0.25)


def test_weights_and_optimiser_are_as_before():
    model, optimiser = make(momentum=0.9)
    model.loss(0).backward()
    optimiser.step()
    weight = model.w.item()
    momentum = optimiser.state_dict()["state"][0]["momentum_buffer"].clone()
    find_rate(model, optimiser, model.loss)
    assert model.w.item() == weight
    assert model.w.grad is None
    assert optimiser.param_groups[0]["lr"] == 0.123
    assert optimiser.state_dict()["state"][0]["momentum_buffer"] == momentum


def test_closing_it_early_restores_too():
    model, optimiser = make()
    search = iter_rates(model, optimiser, model.loss, lowest=0.1)
    for _ in range(5):
        next(search)
    assert model.w.item() != 3.0
    search.close()
    assert model.w.item() == 3.0


def test_a_loss_that_is_not_finite_ends_it():
    model, optimiser = make()

    def loss(number):
        return model.loss(number) * (float("nan") if number == 12 else 1)

    assert len(list(iter_rates(model, optimiser, loss))) == 12


def test_too_short_a_curve_says_so():
    with pytest.raises(InputError, match="set the learning rate yourself"):
        RateCurve.of([])
