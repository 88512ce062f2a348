"""The nouns keep their promises: shapes, units, signs, and clear refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_labdct import (
    BeamStop,
    Detector,
    Geometry,
    InputError,
    LineProfile,
    ProjectionStack,
    ScanPlan,
    SpotTable,
)
from napari_labdct.core.spots import COLUMNS


class TestGeometry:
    def test_the_beam_axis_meets_the_middle_of_the_frame(self):
        row, column = Geometry().to_pixels(np.zeros(1), np.zeros(1))
        assert (row[0], column[0]) == (507, 507)

    def test_up_is_row_0_and_left_is_column_0(self):
        row, column = Geometry().to_pixels(np.array([1.0, 0]), np.array([0, 1.0]))
        assert column[0] < 507
        assert row[0] == 507
        assert row[1] < 507
        assert column[1] == 507

    def test_a_pixel_is_as_large_as_it_says(self):
        geometry = Geometry(detector=Detector(pixel_size=10))
        row, _ = geometry.to_pixels(np.zeros(2), np.array([0.0, 0.01]))
        assert row[0] - row[1] == pytest.approx(1)

    @given(st.floats(1, 500), st.floats(1, 500))
    def test_magnification(self, source, detector):
        geometry = Geometry(source_to_sample=source, sample_to_detector=detector)
        assert geometry.magnification == pytest.approx(1 + detector / source)

    @pytest.mark.parametrize(
        ("detector", "focusing"), [(11, True), (12, True), (13, False), (9, False)]
    )
    def test_laue_focusing_needs_equal_distances(self, detector, focusing):
        assert Geometry(sample_to_detector=detector).is_laue_focusing == focusing

    def test_the_beam_stop_covers_its_size_and_moves_with_its_offset(self):
        stop = BeamStop(height=1.0, width=2.0)
        geometry = Geometry(detector=Detector(pixel_size=10), beam_stop=stop)
        mask = geometry.beam_stop_mask()
        assert mask.any(1).sum() == pytest.approx(100, abs=1)
        assert mask.any(0).sum() == pytest.approx(200, abs=1)
        up = geometry.model_copy(
            update={"beam_stop": stop.model_copy(update={"offset_z": 0.5})}
        )
        middle = np.flatnonzero(mask.any(1)).mean()
        assert np.flatnonzero(up.beam_stop_mask().any(1)).mean() == middle - 50

    def test_no_beam_stop_hides_nothing(self):
        assert not Geometry().beam_stop_mask().any()

    @pytest.mark.parametrize(
        "wrong", [{"source_to_sample": 0}, {"sample_to_detector": -1}, {"lss": 11}]
    )
    def test_impossible_and_unknown_values_are_refused(self, wrong):
        with pytest.raises(ValidationError):
            Geometry(**wrong)

    def test_parameters_survive_json(self):
        geometry = Geometry(detector=Detector(tilt_y=0.3), beam_stop=BeamStop(height=3))
        assert Geometry.model_validate_json(geometry.model_dump_json()) == geometry


def test_a_plan_lists_its_angles():
    plan = ScanPlan(omega_start=180, omega_step=-3, count=4)
    assert list(plan.omega_deg) == [180, 177, 174, 171]


class TestStack:
    def test_one_frame_is_a_stack_of_one(self):
        stack = ProjectionStack(np.zeros((4, 5), np.uint8))
        assert stack.shape == (1, 4, 5)
        assert np.isnan(stack.omega).all()

    def test_history_grows_and_the_source_stays(self):
        stack = ProjectionStack(np.ones((2, 3, 3)), np.array([0, 2]), source="scan")
        new = stack.with_images(np.zeros((2, 3, 3)), "cleaned", "Cleaned.")
        assert new.history == ("Cleaned.",)
        assert new.kind == "cleaned"
        assert new.source == "scan"
        assert stack.images[0, 0, 0] == 1

    @pytest.mark.parametrize(
        "images",
        [
            np.zeros(5),
            np.zeros((0, 4, 4)),
            np.zeros((2, 2, 2, 2)),
            np.zeros((2, 3, 3), complex),
            np.zeros((2, 3, 3), bool),
        ],
    )
    def test_what_is_no_stack_of_grey_frames_is_refused(self, images):
        with pytest.raises(InputError):
            ProjectionStack(images)

    def test_angles_must_fit(self):
        with pytest.raises(InputError, match="2 rotation angles do not fit 3"):
            ProjectionStack(np.zeros((3, 4, 4)), np.zeros(2))

    def test_a_frame_with_nan_is_refused_by_number(self):
        images = np.zeros((3, 4, 4))
        images[1, 2, 2] = np.nan
        stack = ProjectionStack(images, source="scan.tif")
        with pytest.raises(InputError, match=r"Projection 1 of scan\.tif holds NaN"):
            list(stack.frames())


class TestSpots:
    def test_an_empty_table_has_all_columns(self):
        table = SpotTable()
        assert list(table.frame.columns) == list(COLUMNS)
        assert len(table) == 0

    def test_columns_come_in_order_and_extra_ones_stay(self):
        frame = pd.DataFrame({name: [1.0] for name in ["eta", *reversed(COLUMNS)]})
        table = SpotTable(frame)
        assert list(table.frame.columns) == [*COLUMNS, "eta"]
        assert table.frame["projection"].dtype == "int64"
        assert not table.is_truth

    def test_a_missing_column_is_named(self):
        frame = pd.DataFrame({name: [1.0] for name in COLUMNS if name != "snr"})
        with pytest.raises(InputError, match="snr"):
            SpotTable(frame)

    def test_tables_are_joined_in_their_order(self):
        one = pd.DataFrame({name: [1.0] for name in COLUMNS})
        two = one.assign(projection=2)
        joined = SpotTable.concatenate([SpotTable(one), SpotTable(), SpotTable(two)])
        assert list(joined.frame["projection"]) == [1, 2]
        assert len(SpotTable.concatenate([])) == 0


def test_a_profile_knows_its_length_and_its_normalised_axis():
    profile = LineProfile("A", (0, 0), (3, 4), np.array([0, 2.5, 5]))
    assert profile.length_px == 5
    np.testing.assert_allclose(profile.normalised_distance, [0, 0.5, 1])


def test_importing_the_package_loads_neither_torch_nor_qt_nor_napari():
    heavy = ("torch", "qtpy", "napari", "matplotlib", "skimage", "magicgui")
    code = (
        "import sys, napari_labdct; napari_labdct.Geometry; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
