"""The search for a learning rate with the settings of either recipe."""

import numpy as np
import pytest

from napari_labdct.learning import TrainingSettings, UNetSettings, iter_epochs
from napari_labdct.learning.lr_finder import RateCurve
from napari_labdct.learning.rate_search import RANGE, iter_rate_search

TINY = TrainingSettings(
    epochs=2,
    steps=3,
    validation_steps=1,
    batch=1,
    crop=32,
    threads=1,
    network=UNetSettings(base=4, depth=2),
)


@pytest.fixture
def clean():
    image = np.zeros((64, 64), np.float32)
    image[20:26, 30:33] = 500
    return [image, image[::-1].copy()]


def test_the_rate_rises_and_one_is_suggested(clean):
    curve = RateCurve.of(iter_rate_search(clean, TINY, device="cpu"))
    assert (np.diff(curve.rate) > 0).all()
    assert curve.rate[0] == pytest.approx(RANGE[0])
    assert RANGE[0] < curve.suggestion < RANGE[1]


def test_batches_that_differ_do_not_hide_the_rate(clean):
    # One image in two is a hundred times as bright: so differ the losses.
    unlike = [clean[0], 100 * clean[1]]
    settings = TINY.model_copy(update={"crop": 64, "network": UNetSettings(base=8)})
    points = list(iter_rate_search(unlike, settings, device="cpu"))
    slow = [point.smoothed for point in points if point.rate < 1e-5]
    assert slow == pytest.approx([1] * len(slow), rel=0.01)
    assert 2e-4 < RateCurve.of(points).suggestion < 5e-2


class Enough(Exception):
    pass


def test_every_batch_is_told_and_may_end_the_training(clean, tmp_path):
    told = []

    def stop_in_the_second_epoch(step):
        told.append((step.epoch, step.step, step.steps))
        assert np.isfinite(step.loss)
        if step.epoch == 2:
            raise Enough

    epochs = iter_epochs(
        clean, TINY, tmp_path, device="cpu", each_step=stop_in_the_second_epoch
    )
    assert next(epochs).epoch == 1
    with pytest.raises(Enough):
        next(epochs)
    assert told == [(1, 1, 3), (1, 2, 3), (1, 3, 3), (2, 1, 3)]
    assert (tmp_path / "weights.safetensors").is_file()
