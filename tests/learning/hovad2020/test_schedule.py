"""How fast which layers train."""

from __future__ import annotations

import numpy as np
import pytest

from napari_labdct.learning.hovad2020.schedule import (
    frozen_rates,
    one_cycle,
    unfrozen_rates,
)


def test_a_cycle_rises_and_falls_between_its_ends():
    points = [one_cycle(step, 100, 0.3) for step in range(100)]
    shares = [p.share for p in points]
    assert shares[0] == pytest.approx(1 / 25)
    assert np.argmax(shares) == 30
    assert shares[30] == pytest.approx(1)
    assert shares[15] == pytest.approx((1 + 1 / 25) / 2)
    assert shares[-1] < 2e-3
    assert np.all(np.diff(shares[:31]) > 0)
    assert np.all(np.diff(shares[30:]) < 0)
    assert points[0].momentum == pytest.approx(0.95)
    assert points[30].momentum == pytest.approx(0.85)
    assert points[-1].momentum == pytest.approx(0.95, abs=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_very_short_cycles_stay_in_range(steps):
    for step in range(steps):
        assert 0 < one_cycle(step, steps, 0.9).share <= 1


def test_groups_train_at_the_lessons_rates():
    assert frozen_rates(0.01, 0.1) == pytest.approx([1e-3, 1e-3, 1e-2])
    assert unfrozen_rates(1e-5, 1e-3) == pytest.approx([1e-5, 1e-4, 1e-3])
