"""What becomes of a network's answer on its way into the cleaned picture."""

import numpy as np
from tests.conftest import draw_stack

from napari_labdct.core import ProjectionStack
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.cleanup import iter_clean


def test_filters_have_their_say(threshold):
    stack = draw_stack(12)
    frames = np.stack(list(stack.frames()))
    # A direct hit, which the stand-in lets pass.
    frames[0, 40, 40] += 60 * np.sqrt(frames[0, 40, 40])
    stack = ProjectionStack(frames, stack.omega, stack.geometry)
    threshold.knows_noise = True
    done = next(iter_clean(stack, threshold, order=[0]))
    assert done.answer.image[40, 40] > 1000
    assert done.image[40, 40] == 0
    bright = done.answer.image > 50 * done.statistics.sigma
    bright[40, 40] = False
    assert bright.any()
    np.testing.assert_array_equal(done.image[bright], done.answer.image[bright])


def test_whatever_else_cleans_answers_for_itself(small_stack, threshold):
    done = next(iter_clean(small_stack, threshold, order=[0]))
    assert done.image is done.answer.image


def test_the_default_model_knows_noise():
    assert Denoiser.default("cpu").knows_noise
