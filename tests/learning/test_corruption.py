"""Corruption adds what it says, and keeps what it must."""

from __future__ import annotations

import numpy as np
import pytest

from napari_labdct.learning.corruption import (
    MeasuredLook,
    View,
    constant_background,
    draw_scene,
)
from napari_labdct.learning.corruption.artefacts import zingers
from napari_labdct.learning.corruption.background import shadows, static_streaks


def whole(shape=(96, 96)):
    return View.of_crop(shape, (0, 0), shape)


class TestConstantBackground:
    def test_dark_pixels_become_one_delta_and_spots_stay(self):
        content = np.array([[0, 4, 5, 200]], np.uint8)
        out = constant_background(content, np.random.default_rng(0))
        assert out[0, 0] == out[0, 1]
        assert 25 <= out[0, 0] <= 225
        assert list(out[0, 2:]) == [5, 200]

    def test_delta_covers_its_range_with_both_ends(self):
        content = np.zeros((1, 1), np.uint8)
        rng = np.random.default_rng(1)
        drawn = {int(constant_background(content, rng)[0, 0]) for _ in range(4000)}
        assert drawn == set(range(25, 226))

    def test_per_pixel_draws_every_pixel(self):
        content = np.zeros((40, 40), np.uint8)
        out = constant_background(content, np.random.default_rng(0), per_pixel=True)
        assert len(np.unique(out)) > 100


class TestScene:
    def test_the_same_seed_gives_the_same_scene(self, clean_projections):
        scenes = [
            draw_scene(
                clean_projections[0], whole(), np.random.default_rng(3), MeasuredLook()
            )
            for _ in range(2)
        ]
        np.testing.assert_array_equal(scenes[0].frame, scenes[1].frame)
        np.testing.assert_array_equal(scenes[0].spots, scenes[1].spots)

    @pytest.mark.parametrize("seed", range(25))
    def test_every_scene_is_finite_and_within_its_integers(
        self, clean_projections, seed
    ):
        scene = draw_scene(
            clean_projections[seed % 12],
            whole(),
            np.random.default_rng(seed),
            MeasuredLook(),
        )
        assert np.isfinite(scene.frame).all()
        assert np.isfinite(scene.statistics.background).all()
        assert np.all(scene.statistics.sigma > 0)
        assert scene.frame.min() >= 0
        assert scene.frame.max() <= 65535
        assert np.all(scene.spots >= 0)

    def test_frame_minus_background_holds_the_spots(self, clean_projections):
        """Over many draws the flux above background is the flux of the spots."""
        look = MeasuredLook(
            zinger_rate=1e-6, eight_bit_fraction=0, faintest=20, brightest=40
        )
        ratios = []
        for seed in range(60):
            scene = draw_scene(
                clean_projections[seed % 12],
                whole(),
                np.random.default_rng(seed),
                look.model_copy(update={"scan_fraction": 1.0}),
            )
            on = scene.spots > 3 * scene.statistics.sigma
            dim = scene.frame < 60000
            if (on & dim).sum() > 50:
                above = scene.frame - scene.statistics.background
                ratios.append(above[on & dim].sum() / scene.spots[on & dim].sum())
        assert len(ratios) > 30
        assert np.median(ratios) == pytest.approx(1, abs=0.03)

    def test_a_known_scan_brings_its_static_pattern(self, clean_projections):
        for share, has in ((1.0, True), (0.0, False)):
            scene = draw_scene(
                clean_projections[0],
                whole(),
                np.random.default_rng(0),
                MeasuredLook(scan_fraction=share),
            )
            assert (scene.statistics.static is not None) == has


def test_streaks_are_radial():
    """Along the direction to the centre they vary less than across it."""
    view = View.of_crop((400, 400), (300, 180), (80, 40))  # straight below the centre
    along = across = 0.0
    for seed in range(60):
        image = static_streaks(np.random.default_rng(seed), view)
        along += np.abs(np.diff(image, axis=0)).sum()
        across += np.abs(np.diff(image, axis=1)).sum()
    assert across > 1.4 * along


def test_shadows_only_take_away_and_move_with_their_shift():
    view = whole((128, 128))
    for seed in range(20):
        still = shadows(np.random.default_rng(seed), view)
        moved = shadows(np.random.default_rng(seed), view, (3, 0))
        assert np.all((still > 0) & (still <= 1))
        np.testing.assert_allclose(moved[3:], still[:-3], atol=1e-5)


def test_the_rate_of_zingers_is_the_one_asked_for():
    rng = np.random.default_rng(0)
    hit = [np.count_nonzero(zingers(rng, (256, 256), 1e-4)) for _ in range(40)]
    assert 0.8 * 6.55 < np.median(hit) < 4 * 6.55
