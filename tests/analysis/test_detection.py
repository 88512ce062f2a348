"""Significance of spots in noise, and the false alarms that noise causes."""

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.analysis.detection import (
    expected_false_alarms,
    kernels,
    matched_filters,
    threshold_for,
)

from .frames import noise


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8])
def test_noise_has_unit_response(correlation):
    units = noise((300, 401), np.random.default_rng(0), correlation) * 1.3
    for response in matched_filters(units, kernels((1.0, 2.0), 5.0)):
        assert response.shape == units.shape
        assert response.std() == pytest.approx(1, rel=0.05)


def test_response_is_the_signal_to_noise_ratio_of_a_matching_spot():
    rng = np.random.default_rng(1)
    row, column = np.mgrid[:256, :256]
    spot = 4 * np.exp(-((row - 100) ** 2 + (column - 80) ** 2) / (2 * 1.5**2))
    response = next(
        matched_filters((noise((256, 256), rng) + spot).astype("f4"), kernels((1.5,)))
    )
    expected = np.sqrt((spot**2).sum())
    assert response[100, 80] == pytest.approx(expected, abs=3)
    assert np.unravel_index(response.argmax(), response.shape) == (100, 80)


def test_filters_equal_plain_convolution():
    units = noise((64, 75), np.random.default_rng(2))
    ours = next(matched_filters(units, kernels((1.4,))))
    plain = ndimage.gaussian_filter(
        units.astype(float), 1.4, mode="constant", truncate=6
    )
    np.testing.assert_allclose(ours / ours.std(), plain / plain.std(), atol=0.02)


def test_opposite_edges_do_not_meet():
    units = np.zeros((64, 64), np.float32)
    units[0, 0] = 100
    assert next(matched_filters(units, kernels((2.0,))))[-1, -1] == pytest.approx(
        0, abs=1e-4
    )


def test_a_frame_without_noise_is_no_sea_of_spots():
    units = np.zeros((64, 64), np.float32)
    units[30, 30] = 0.01
    assert next(matched_filters(units, kernels((1.0,)))).max() < 0.1


@pytest.mark.parametrize(
    "shapes",
    [kernels((1.0,)), kernels((2.0,)), kernels((1.0, 2.0)), kernels((1.0,), 5)],
)
@pytest.mark.parametrize("level", [3.5, 4.0])
def test_expected_false_alarms_are_seen(shapes, level):
    rng = np.random.default_rng(3)
    seen, frames, size = 0, 6, (512, 512)
    for _ in range(frames):
        best = np.max(list(matched_filters(noise(size, rng), shapes)), axis=0)
        seen += ndimage.label(best > level, np.ones((3, 3)))[1]
    expected = frames * expected_false_alarms(level, size[0] * size[1], shapes)
    assert expected / 1.9 < seen < expected * 1.5


def test_an_arc_answers_to_the_filter_of_its_direction():
    row, column = np.mgrid[:128, :128]
    turn = np.radians(45)
    along = (column - 60) * np.cos(turn) - (row - 70) * np.sin(turn)
    across = (column - 60) * np.sin(turn) + (row - 70) * np.cos(turn)
    arc = 2 * np.exp(-((along / 5) ** 2 + (across / 1.5) ** 2) / 2)
    shapes = kernels((1.0,), 5.0)
    units = (arc + noise((128, 128), np.random.default_rng(0))).astype("f4")
    at_centre = [response[70, 60] for response in matched_filters(units, shapes)]
    assert shapes[int(np.argmax(at_centre))].angle == 45
    assert max(at_centre) == pytest.approx(np.sqrt((arc**2).sum()), abs=3)
    assert max(at_centre) > 1.5 * at_centre[0]


def test_threshold_inverts_the_expectation():
    shapes = kernels((1.0, 2.0))
    for rate in (0.01, 1.0, 30.0):
        level = threshold_for(rate, 1e6, shapes)
        assert expected_false_alarms(level, 1e6, shapes) == pytest.approx(rate)
    assert threshold_for(1.0, 1e6, shapes) > threshold_for(10.0, 1e6, shapes)
    assert threshold_for(1e4, 100, shapes) == 2.0
