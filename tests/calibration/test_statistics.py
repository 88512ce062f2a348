"""Background and noise of frames whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_labdct import InputError, ProjectionStack
from napari_labdct.calibration import (
    FEWEST_FRAMES,
    measure_frame,
    measure_scan,
    noise_map,
    smooth_background,
    statistics_of,
)
from napari_labdct.calibration.statistics import brought_to
from napari_labdct.calibration.temporal import temporal_median


def gradient(shape=(256, 256)):
    row, column = np.mgrid[: shape[0], : shape[1]] / max(shape)
    return (400 + 300 * row - 150 * column).astype(np.float32)


def photons(expected, seed, gain=1.0):
    counts = np.random.default_rng(seed).poisson(expected / gain) * gain
    return counts.astype(np.float32)


def add_spots(frame, seed, count=60, height=400.0, sigma=1.5):
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[: frame.shape[0], : frame.shape[1]]
    out = frame.copy()
    for r, c in rng.uniform(8, min(frame.shape) - 8, (count, 2)):
        out += height * np.exp(-((row - r) ** 2 + (column - c) ** 2) / (2 * sigma**2))
    return out.astype(np.float32)


def test_the_background_follows_a_gradient_and_ignores_spots():
    expected = gradient()
    frame = photons(add_spots(expected, 1), 2)

    background = smooth_background(frame)

    inner = (slice(32, -32), slice(32, -32))
    assert abs(np.median(background[inner] / expected[inner]) - 1) < 0.01
    assert np.percentile(np.abs(background - expected)[inner], 95) < 12


@pytest.mark.parametrize("shape", [(97, 131), (40, 300), (16, 16), (256, 255)])
def test_any_frame_size_keeps_its_shape(shape):
    frame = photons(gradient(shape), 0)
    known = measure_frame(frame)
    assert known.background.shape == known.sigma.shape == shape
    assert np.all(known.sigma > 0)


@pytest.mark.parametrize("gain", [0.5, 1.0, 4.0])
def test_the_noise_map_finds_photon_noise_of_any_gain(gain):
    expected = gradient()
    frame = photons(add_spots(expected, 3), 4, gain)

    sigma = noise_map(frame - expected, expected)

    ratio = sigma / np.sqrt(gain * expected)
    assert abs(np.median(ratio) - 1) < 0.05
    assert np.all((ratio > 0.8) & (ratio < 1.25))


def test_the_noise_map_finds_a_noisier_region_of_the_same_level():
    rng = np.random.default_rng(5)
    level = np.full((384, 384), 500, np.float32)
    noise = rng.standard_normal(level.shape) * 10
    noise[:, 192:] *= 1.8
    sigma = noise_map((noise).astype(np.float32), level)
    assert np.median(sigma[:, :96]) == pytest.approx(10, rel=0.15)
    assert np.median(sigma[:, -96:]) == pytest.approx(18, rel=0.15)


def test_coarse_integers_never_give_zero_noise():
    frame = np.full((128, 128), 7, np.float32)
    frame[60:64, 60:64] = 200
    known = measure_frame(frame)
    assert known.sigma.min() >= 0.28


def test_frames_of_few_photons_have_the_noise_of_their_photons():
    expected = np.full((256, 256), 0.2, np.float32)
    frame = 30 * photons(expected, 6)
    sigma = measure_frame(frame).sigma
    assert np.median(sigma) == pytest.approx(30 * np.sqrt(0.2), rel=0.5)


def scan(count, drift=0.1, static=True, spots=True):
    base = gradient((192, 192))
    if static:
        base = add_spots(base, 7, count=40, height=300)
    rng = np.random.default_rng(8)
    frames = []
    for index in range(count):
        level = base * (1 + drift * rng.standard_normal())
        shown = add_spots(level, 100 + index, count=20) if spots else level
        frames.append(photons(shown, 200 + index))
    return ProjectionStack(np.stack(frames).astype(np.uint16)), base


def test_a_scan_tells_the_static_pattern_from_spots():
    stack, base = scan(15)
    known = measure_scan(stack).of(4)
    level = np.median(stack.frame(4) / base)

    error = known.background - base * level
    assert np.percentile(np.abs(error), 90) < 25
    units = (stack.frame(4) - known.background) / known.sigma
    assert abs(np.median(units)) < 0.1
    assert 1.4826 * np.median(np.abs(units)) == pytest.approx(1, abs=0.12)
    assert known.static is not None
    assert known.static.max() > 150


def test_a_drifting_level_leaves_no_background():
    stack, _ = scan(12, drift=0.3, spots=False)
    scan_statistics = measure_scan(stack)
    for index in range(12):
        known = scan_statistics.of(index)
        left = stack.frame(index) - known.background
        assert abs(np.median(left)) < 0.1 * np.median(known.sigma)


def test_an_unstable_pixel_counts_as_noisy():
    stack, _ = scan(24, spots=False, static=False)
    images = stack.images.astype(np.float32)
    images[:, 50:54, 60:64] += (
        np.random.default_rng(1).normal(0, 200, 24).astype(np.float32)[:, None, None]
    )
    known = measure_scan(ProjectionStack(np.clip(images, 0, None))).of(0)
    assert known.sigma[51:53, 61:63].min() > 2.5 * np.median(known.sigma)


def test_too_few_frames_are_refused_or_cleaned_singly():
    stack, _ = scan(FEWEST_FRAMES - 1)
    with pytest.raises(InputError, match="at least 9"):
        measure_scan(stack)
    assert statistics_of(stack).of(0).static is None


def test_a_window_shorter_than_the_scan_gives_the_same_as_its_frames_alone():
    stack, _ = scan(20)
    part = ProjectionStack(stack.images[:11])
    whole = measure_scan(stack, window=11).of(0)
    alone = measure_scan(part).of(0)
    np.testing.assert_array_equal(whole.background, alone.background)


@pytest.mark.parametrize("count", [9, 10, 15, 24])
def test_a_frame_does_not_lift_what_is_taken_off_it(count):
    frames = np.random.default_rng(count).normal(500, 10, (count, 96, 96))
    frames = frames.astype(np.float32)
    bright, faint = np.s_[20:40, 20:60], np.s_[60:80, 20:60]
    frames[3][bright] += 300
    frames[3][faint] += 8
    stays = temporal_median(frames)
    level = np.median(frames[:, ::4, ::4].reshape(count, -1), axis=1)
    level = (level / level.mean())[:, None, None]
    alone = stays.without(frames[3] / level[3])
    others = np.delete(frames / level, 3, axis=0).mean(0)
    for part in (bright, faint):
        assert abs((alone - others)[part].mean()) < 0.3
    assert (stays.image - others)[faint].mean() > 3 / count


def test_what_stays_is_less_noisy_than_a_median_and_spots_leave_it_alone():
    rng = np.random.default_rng(3)
    frames = rng.normal(500, 10, (24, 200, 200)).astype(np.float32)
    lit = rng.random(frames.shape) < 0.05
    frames[lit] += rng.uniform(50, 500, int(lit.sum()))
    off = temporal_median(frames).image - 500
    median = np.median(frames, axis=0) - 500
    assert off.std() < 0.93 * median.std()
    assert abs(off.mean()) < 0.6 * abs(median.mean())


def test_a_drifting_source_leaves_no_ghost_of_the_shadow():
    # The dark level stays as it is: one factor for all cannot fit.
    level = gradient((256, 256))
    level[96:160, 96:160] *= 0.02
    dark = np.float32(300)
    source = [1.0] * 8 + [0.9] + [1.0] * 8
    frames = [
        photons(level * np.float32(gain), index) + dark
        for index, gain in enumerate(source)
    ]
    shadow, light = np.s_[100:156, 100:156], np.s_[10:90, 10:90]
    found = statistics_of(ProjectionStack(np.stack(frames))).of(8)
    expected = level * 0.9 + dark
    for part in (shadow, light):
        assert found.background[part].mean() == pytest.approx(
            expected[part].mean(), abs=0.15 * float(found.sigma[part].mean())
        )


def test_levels_are_compared_by_a_factor_where_no_offset_shows():
    flat = np.full((128, 128), 500, np.float32)
    gain, offset = brought_to(photons(1.2 * flat, 3), photons(flat, 4))
    assert gain == pytest.approx(1.2, rel=5e-3)
    assert offset == 0


def test_a_median_read_in_bands_is_the_same(monkeypatch):
    frames = [photons(add_spots(gradient((90, 70)), i), i) for i in range(11)]
    stack = ProjectionStack(np.stack(frames).astype(np.uint16))
    whole = statistics_of(stack).of(4)
    monkeypatch.setattr("napari_labdct.calibration.temporal.HELD", 11 * 70 * 2 * 13)
    banded = statistics_of(stack).of(4)
    np.testing.assert_array_equal(banded.background, whole.background)
    np.testing.assert_array_equal(banded.sigma, whole.sigma)
