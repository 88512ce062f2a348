"""The important checks can fail: each is shown a package with one line wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_labdct.learning import Denoiser, denoiser
from napari_labdct.physics.painter import Painter
from napari_labdct.physics.response import Response
from tests.hardening import checks

SEED = 3


@pytest.fixture(scope="module")
def default():
    return Denoiser.default("cpu")


def changed(original, change):
    """The function with its answer changed."""
    return lambda *args, **kwargs: change(original(*args, **kwargs))


def fails(check, *args) -> None:
    """The check passes no more."""
    with pytest.raises(AssertionError):
        check(*args)


def image_changed(monkeypatch, change):
    """A painter whose pictures are changed."""
    paint = Painter.paint

    def painted(self, rays):
        done = paint(self, rays)
        return replace(done, image=change(done.image))

    monkeypatch.setattr(Painter, "paint", painted)


class TestPhysics:
    def test_a_response_that_forgets_the_exposure(self, monkeypatch):
        of = Response.of.__func__
        monkeypatch.setattr(
            Response,
            "of",
            classmethod(lambda cls, *a, **k: of(cls, *a, **(k | {"exposure": 1.0}))),
        )
        fails(checks.exposure_is_linear, SEED, 3.0)

    def test_a_picture_that_saturates(self, monkeypatch):
        image_changed(monkeypatch, lambda image: np.minimum(image, 0.3 * image.max()))
        fails(checks.grains_add_up, SEED)

    def test_a_picture_that_lies_upside_down(self, monkeypatch):
        image_changed(monkeypatch, lambda image: image[::-1].copy())
        fails(checks.a_shifted_detector_shifts_the_picture, SEED, 5, 0)

    def test_a_flux_that_ignores_the_distance(self, monkeypatch):
        image_changed(monkeypatch, lambda image: image / max(image.max(), 1e-9))
        fails(checks.everything_scales, SEED, 2.0)


class TestDefaultModel:
    def test_grey_values_that_drift(self, default, monkeypatch):
        wrong = changed(denoiser.to_grey_values, lambda image: 1.15 * image)
        monkeypatch.setattr(denoiser, "to_grey_values", wrong)
        fails(checks.strong_spots_keep_their_intensity, default, SEED)

    def test_grey_values_with_an_offset(self, default, monkeypatch):
        wrong = changed(denoiser.to_grey_values, lambda image: image + 20)
        monkeypatch.setattr(denoiser, "to_grey_values", wrong)
        fails(checks.grey_values_are_linear, default, SEED, 16.0)

    def test_statistics_that_miss_the_background(self, default, monkeypatch):
        def wrong(frame):
            known = measure(frame)
            return replace(known, background=np.zeros_like(known.background))

        measure = checks.measure_frame
        monkeypatch.setattr(checks, "measure_frame", wrong)
        fails(checks.a_constant_changes_nothing, default, SEED, 512.0)

    def test_tiles_without_a_margin(self, default, monkeypatch):
        tiles = denoiser._tiles
        monkeypatch.setattr(denoiser, "_tiles", lambda *a: tiles(*a[:2], 0, a[3]))
        fails(checks.tiles_leave_no_seams, default, SEED, 320)

    def test_a_network_that_looks_left(self, default, monkeypatch):
        original = denoiser.network_input

        def wrong(frame, *rest):
            out = original(frame, *rest)
            out[0] *= np.linspace(0.3, 1, frame.shape[1], dtype=np.float32)
            return out

        monkeypatch.setattr(denoiser, "network_input", wrong)
        fails(checks.flips_keep_intensities, default, SEED, 1)

    def test_a_network_that_knows_its_place(self, default, monkeypatch):
        original = denoiser.network_input

        def wrong(frame, *rest):
            out = original(frame, *rest)
            out[0] *= np.linspace(0.3, 1, len(frame), dtype=np.float32)[:, None]
            return out

        monkeypatch.setattr(denoiser, "network_input", wrong)
        fails(checks.a_shifted_frame_is_cleaned_alike, default, SEED, 2)
