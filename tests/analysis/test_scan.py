"""Line profiles against skimage's, and peaks against known ones."""

import time

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import profile_line

from napari_labdct.analysis.scan import line_profile, profile_peaks
from napari_labdct.core import InputError, LineProfile

LINES = [
    ((10, 20), (90, 77)),
    ((90.5, 7.25), (3.125, 95.0)),
    ((50, 4), (50, 95)),
    ((4, 30), (95, 30)),
]


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(100, 5, (100, 100))


@pytest.mark.parametrize(("start", "stop"), LINES)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_equals_profile_line(image, start, stop, width):
    ours = line_profile({"input": image}, start, stop, width=width)
    theirs = profile_line(image, start, stop, width, 1, mode="constant", cval=np.nan)
    np.testing.assert_allclose(ours.values["input"], theirs, rtol=1e-10)
    assert ours.distance_px[0] == 0
    assert ours.distance_px[-1] == pytest.approx(ours.length_px)
    assert np.diff(ours.distance_px).max() <= 1 + 1e-12


def test_outside_the_frame_is_nan(image):
    values = line_profile({"a": image}, (95, 99), (105, 99)).values["a"]
    assert np.isfinite(values[:5]).all()
    assert np.isnan(values[5:]).all()


def test_all_layers_share_the_line(image):
    profile = line_profile({"a": image, "b": image * 2}, (1, 1), (60, 80), name="B")
    np.testing.assert_allclose(profile.values["b"], 2 * profile.values["a"])
    assert profile.name == "B"


def test_integer_frames_are_interpolated():
    ramp = np.tile(np.arange(50, dtype=np.uint16), (50, 1))
    values = line_profile({"a": ramp}, (10, 0.5), (10, 48.5)).values["a"]
    np.testing.assert_allclose(values, np.arange(49) + 0.5)


def test_a_point_is_a_profile_of_one_sample(image):
    profile = line_profile({"a": image}, (5, 5), (5, 5))
    assert profile.values["a"] == pytest.approx([image[5, 5]])


def test_mendable_mistakes_are_named(image):
    with pytest.raises(InputError, match="width of 0"):
        line_profile({"a": image}, (0, 0), (5, 5), width=0)
    with pytest.raises(InputError, match="no finite ends"):
        line_profile({"a": image}, (0, np.nan), (5, 5))
    with pytest.raises(InputError, match="no layer 'b'"):
        profile_peaks(line_profile({"a": image}, (0, 0), (5, 5)), "b")


def test_nine_profiles_fit_into_a_frame_of_a_screen():
    image = np.random.default_rng(0).normal(100, 5, (1015, 1015)).astype(np.float32)
    images = {"input": image, "output": image, "difference": image}

    def drag() -> float:
        start = time.perf_counter()
        for column in (10, 300, 600):
            line_profile(images, (10, column), (900, 1000 - column))
        return time.perf_counter() - start

    assert min(drag() for _ in range(5)) < 0.016


def gaussians(background, noise, rng):
    x = np.arange(300.0)
    values = background + rng.normal(0, noise, x.size) if noise else background + 0 * x
    for position, height, sigma in [(60.3, 50, 2), (140, 300, 3), (215, 120, 8)]:
        values = values + height * np.exp(-((x - position) ** 2) / 2 / sigma**2)
    return LineProfile("A", (10, 5), (10, 304), x, {"v": values})


def test_peaks_on_noise():
    rng = np.random.default_rng(3)
    background = 100 + 10 * np.sin(np.arange(300) / 150)
    peaks = profile_peaks(gaussians(background, 2.0, rng), "v", least_snr=8)
    assert len(peaks) == 3
    np.testing.assert_allclose(peaks.position_px, [60.3, 140, 215], atol=3)
    np.testing.assert_allclose(peaks.height, [50, 300, 120], rtol=0.12)
    np.testing.assert_allclose(peaks.fwhm_px, [4.71, 7.06, 18.8], rtol=0.2)
    np.testing.assert_allclose(peaks.snr, [25, 150, 60], rtol=0.25)
    np.testing.assert_allclose(
        peaks.background, background[[60, 140, 215]], rtol=0, atol=4
    )
    np.testing.assert_allclose(peaks.column_px, peaks.position_px + 5)
    np.testing.assert_allclose(peaks.row_px, 10)


def test_peaks_on_a_cleaned_profile():
    peaks = profile_peaks(gaussians(0.0, 0.0, None), "v")
    assert len(peaks) == 3
    assert np.isinf(peaks.snr).all()
    np.testing.assert_allclose(peaks.height, [48.9, 300, 120], rtol=0.02)


def test_noise_alone_has_no_peaks():
    rng = np.random.default_rng(1)
    counts = []
    for _ in range(50):
        noise = LineProfile(
            "A", (0, 0), (0, 499), np.arange(500.0), {"v": rng.normal(0, 1, 500)}
        )
        counts.append(len(profile_peaks(noise, "v", least_snr=5.5)))
    assert sum(counts) < 10


def test_short_and_empty_profiles_have_no_peaks():
    outside = line_profile({"a": np.ones((5, 5))}, (9, 9), (20, 20))
    assert profile_peaks(outside, "a").empty


@pytest.mark.parametrize("shape", [(40, 50), (1, 30), (30, 1)])
@pytest.mark.parametrize("width", [1, 4])
def test_values_are_those_of_bilinear_interpolation(shape, width):
    rng = np.random.default_rng(5)
    images = {"a": rng.normal(size=shape), "b": rng.integers(0, 9, shape)}
    for start, stop in (((0, 0), (shape[0] - 1, shape[1] - 1)), ((-3, 2), (38.5, 61))):
        profile = line_profile(images, start, stop, width=width)
        along = np.subtract(stop, start) / np.hypot(*np.subtract(stop, start))
        offset = np.arange(width) - (width - 1) / 2
        row, column = (
            start[i] + along[i] * profile.distance_px[:, None] + side * offset
            for i, side in ((0, -along[1]), (1, along[0]))
        )
        for name, image in images.items():
            expected = ndimage.map_coordinates(
                image, [row, column], float, order=1, cval=np.nan
            ).mean(1)
            np.testing.assert_allclose(profile.values[name], expected, atol=1e-9)
