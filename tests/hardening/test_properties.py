"""Properties of the simulation and of the default model, over drawn examples."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_labdct.learning import Denoiser
from tests.hardening import checks

SEED = st.integers(0, 2**16)
few = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def default():
    return Denoiser.default("cpu")


class TestPhysics:
    @few
    @given(SEED, st.floats(0.1, 50))
    def test_exposure_is_linear(self, seed, factor):
        checks.exposure_is_linear(seed, factor)

    @few
    @given(SEED)
    def test_grains_add_up(self, seed):
        checks.grains_add_up(seed)

    @few
    @given(SEED, st.integers(-20, 20), st.integers(-20, 20))
    def test_a_shifted_detector_shifts_the_picture(self, seed, down, right):
        checks.a_shifted_detector_shifts_the_picture(seed, down, right)

    @few
    @given(SEED, st.sampled_from([0.5, 2.0, 3.0]))
    def test_everything_scales(self, seed, factor):
        checks.everything_scales(seed, factor)


class TestDefaultModel:
    @few
    @given(seed=SEED, level=st.sampled_from([-300.0, 1.0, 512.0, 20000.0]))
    def test_a_constant_changes_nothing(self, default, seed, level):
        checks.a_constant_changes_nothing(default, seed, level)

    @few
    @given(seed=SEED, gain=st.sampled_from([0.25, 2.0, 16.0]))
    def test_grey_values_are_linear(self, default, seed, gain):
        checks.grey_values_are_linear(default, seed, gain)

    # Margins of 108 px on both sides leave tiles of 320 px 96 px to keep.
    @pytest.mark.parametrize("tile", [320, 336])
    def test_tiles_leave_no_seams(self, default, tile):
        checks.tiles_leave_no_seams(default, tile, tile)

    @few
    @given(seed=SEED, cells=st.integers(1, 3))
    def test_a_shifted_frame_is_cleaned_alike(self, default, seed, cells):
        checks.a_shifted_frame_is_cleaned_alike(default, seed, cells)

    @few
    @given(seed=SEED, axis=st.integers(0, 1))
    def test_flips_keep_intensities(self, default, seed, axis):
        checks.flips_keep_intensities(default, seed, axis)

    @few
    @given(seed=SEED)
    def test_strong_spots_keep_their_intensity(self, default, seed):
        checks.strong_spots_keep_their_intensity(default, seed)
