"""The job behind *Clean stack*, without any window."""

import numpy as np
import pytest

from napari_labdct.core import InputError, Progress
from napari_labdct.plugin.cleaning import Cleaning
from napari_labdct.workflows.cleanup import clean
from tests.conftest import draw_stack
from tests.plugin.conftest import FakeDenoiser


def begin(stack, wanted=0):
    empty = [np.zeros(stack.shape, np.float32) for _ in range(2)]
    return Cleaning(stack, *empty, wanted)


def indices(steps):
    return [step for step in steps if not isinstance(step, Progress)]


def test_it_gives_what_the_plain_function_gives():
    stack, network = draw_stack(10), FakeDenoiser()
    cleaning = begin(stack)
    steps = list(cleaning.steps(lambda: network))
    np.testing.assert_array_equal(cleaning.cleaned, clean(stack, network).images)
    np.testing.assert_allclose(cleaning.cleaned + cleaning.difference, stack.images)
    assert cleaning.done.all()
    assert steps[-1] == Progress(10, 10, "10 of 10 projections")
    assert "fake" in cleaning.step


def test_what_is_looked_at_comes_first_and_at_once():
    network = FakeDenoiser()
    cleaning = begin(draw_stack(12), wanted=7)
    first = next(cleaning.steps(lambda: network))
    assert first == 7
    assert network.asked == 1
    assert cleaning.cleaned[7].any()
    assert not cleaning.done[7]


def test_the_order_follows_the_eyes():
    cleaning = begin(draw_stack(5), wanted=3)
    seen = []
    for step in cleaning.steps(FakeDenoiser):
        if isinstance(step, Progress):
            continue
        seen.append(step)
        if step == 3:
            cleaning.wanted = 1
    assert seen == [3, 1, 2, 4, 0]


def test_it_goes_on_where_it_stopped():
    network = FakeDenoiser()
    cleaning = begin(draw_stack(5))
    steps = cleaning.steps(lambda: network)
    assert [next(steps), next(steps), next(steps)][::2] == [0, 1]
    steps.close()
    asked = network.asked
    rest = indices(cleaning.steps(lambda: network))
    assert rest == [index for index in range(5) if index not in (0, 1)]
    assert network.asked == asked + 3


def test_a_glance_cleans_one_projection_once():
    network = FakeDenoiser()
    cleaning = begin(draw_stack(5), wanted=2)
    assert indices(cleaning.glance(lambda: network)) == [2]
    assert indices(cleaning.glance(lambda: network)) == []
    assert cleaning.done.tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("knows_noise", [True, False])
def test_a_glance_at_a_long_scan_is_final_where_nothing_is_asked(knows_noise):
    network = FakeDenoiser()
    network.knows_noise = knows_noise
    cleaning = begin(draw_stack(10), wanted=4)
    assert indices(cleaning.glance(lambda: network)) == [4, 4]
    assert cleaning.shown(4)
    assert cleaning.done[4] != knows_noise


def test_nan_is_named():
    stack = draw_stack(3)
    images = stack.images.astype(np.float32)
    images[1, 4, 4] = np.nan
    cleaning = begin(stack.with_images(images, "measured", "Broken."))
    with pytest.raises(InputError, match=r"Projection 1 .* NaN"):
        list(cleaning.steps(FakeDenoiser))
    assert cleaning.done.tolist() == [True, False, False]
