"""False alarms on frames without spots are as many as asked for."""

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.analysis import FindSettings, find_spots
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import FrameStatistics, measure_frame
from napari_labdct.core import BeamStop, Detector, Geometry, ProjectionStack
from napari_labdct.workflows.spot_finding import iter_spots

SIDE, FRAMES = 512, 12


def empty_scan(shadow, geometry=None):
    """Frames of background and Poisson noise whose level drifts."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    level = 400 + 80 * x - 60 * y**2
    stop = np.zeros((SIDE, SIDE))
    stop[shadow] = 1
    level = level * (1 - 0.85 * ndimage.gaussian_filter(stop, 1.5))
    drift = rng.normal(1, 0.03, FRAMES)
    images = np.stack([rng.poisson(level * d) for d in drift]) * 1.5
    return ProjectionStack(
        np.rint(images).astype(np.uint16), 30.0 * np.arange(FRAMES), geometry
    )


def per_frame(tables):
    return np.mean([len(table) for table in tables])


@pytest.mark.parametrize("rate", [5, 50])
def test_a_scan_has_the_false_alarms_asked_for(rate):
    box = (slice(220, 292), slice(200, 300))
    stop = BeamStop(height=7.2, width=10)
    geometry = Geometry(
        detector=Detector(rows=SIDE, columns=SIDE, pixel_size=100),
        beam_stop=stop.model_copy(update={"offset_y": 0.6}),
    )
    assert geometry.beam_stop_mask()[box].mean() > 0.9
    stack = empty_scan(box, geometry)
    found = per_frame(iter_spots(stack, None, FindSettings(false_alarms=rate)))
    assert rate / 2 < found < 2 * rate


def test_the_rim_of_a_shadow_is_no_spot():
    stack = empty_scan((slice(220, 292), slice(200, 300)))
    before, after = [], []
    for index in range(3):
        frame = stack.frame(index)
        known = measure_frame(frame)
        residual = frame - known.background
        settings = FindSettings(false_alarms=2)
        before.append(find_spots(residual, known.sigma, settings=settings))
        after.append(find_spots(residual, judging_sigma(known), settings=settings))
    assert per_frame(before) > 4
    assert per_frame(after) < 4


def test_what_truly_flickers_keeps_its_noise():
    sigma = np.full((60, 60), 10, np.float32)
    sigma[30, 30:33] = 40
    background = np.zeros_like(sigma)
    judged = judging_sigma(FrameStatistics(background, sigma, background))
    np.testing.assert_allclose(judged[30, 30:33], 40)
    assert judged[10, 10] == pytest.approx(10)
