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
    for response in matched_filters(units, kernels((1.0, 2.0), 2.5)):
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
    [kernels((1.0,)), kernels((2.0,)), kernels((1.0, 2.0)), kernels((1.0, 1.5), 2.5)],
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


@pytest.mark.parametrize("towards", [0, 37, 90, 160, 250])
def test_long_filters_lie_across_the_direction_of_the_beam_centre(towards):
    row, column = np.mgrid[:160, :160]
    centre, turn = (90.0, 70.0), np.radians(towards)
    at_row, at_column = 90 - 45 * np.sin(turn), 70 + 45 * np.cos(turn)
    radial = (column - at_column) * np.cos(turn) - (row - at_row) * np.sin(turn)
    around = (column - at_column) * np.sin(turn) + (row - at_row) * np.cos(turn)
    rng = np.random.default_rng(0)
    round_, long = (
        next(matched_filters(units, shapes, centre=centre))
        for shapes in (kernels((1.5,)), kernels((1.5,), 4.0))
        for line in [8 * np.exp(-((around / 6) ** 2 + (radial / 1.5) ** 2) / 2)]
        for units in [(line + noise((160, 160), rng)).astype("f4")]
    )
    at = round(at_row), round(at_column)
    expected = np.sqrt(np.pi * 6 * 1.5) * 8
    assert long[at] == pytest.approx(expected, rel=0.12)
    assert long[at] > 1.2 * round_[at]


def test_radial_filters_lie_along_that_direction():
    units = np.zeros((101, 101), np.float32)
    units[50, 80] = 100
    (response,) = matched_filters(units, kernels((1.0,), 4.0, radial=True))
    assert response[50, 86] > 0.3 * response[50, 80]
    assert response[56, 80] < 1e-3 * response[50, 80]


def test_without_a_centre_the_middle_is_taken():
    units = noise((100, 120), np.random.default_rng(1)).astype("f4")
    one, other = (
        next(matched_filters(units, kernels((1.0,), 3.0), centre=centre))
        for centre in (None, (49.5, 59.5))
    )
    np.testing.assert_array_equal(one, other)


def test_threshold_inverts_the_expectation():
    shapes = kernels((1.0, 2.0))
    for rate in (0.01, 1.0, 30.0):
        level = threshold_for(rate, 1e6, shapes)
        assert expected_false_alarms(level, 1e6, shapes) == pytest.approx(rate)
    assert threshold_for(1.0, 1e6, shapes) > threshold_for(10.0, 1e6, shapes)
    assert threshold_for(1e4, 100, shapes) == 2.0
