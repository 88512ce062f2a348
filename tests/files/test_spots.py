"""Spot tables in HDF5 and in the MATLAB file for GrainRecon."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.io import loadmat

from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.files import read_spots, write_spots

SHAPE = (4, 60, 90)
PLACES = [(0, 20.25, 30.5), (0, 40.0, 70.0), (2, 10.0, 12.0), (3, 30.0, 88.0)]


@pytest.fixture
def stack():
    images = np.zeros(SHAPE, np.uint16)
    for projection, row, column in PLACES:
        images[projection, round(row), round(column)] = 10_000
    images = ndimage.gaussian_filter(images, (0, 1.5, 1.5)) + np.uint16(100)
    return ProjectionStack(images, np.array([10.0, 8.0, 6.0, 4.0]))


@pytest.fixture
def table():
    projection, row, column = (np.array(part) for part in zip(*PLACES, strict=True))
    return SpotTable(
        pd.DataFrame(
            {
                "projection": projection,
                "omega_deg": 10 - 2.0 * projection,
                "row_px": row,
                "column_px": column,
                "area_px": [20.0, 30.0, 12.0, 25.0],
                "peak": np.pi * np.arange(4),
                "intensity": [400.1, 1 / 3, 1e-12, 7.0],
                "snr": [5.0, math.inf, math.nan, 8.5],
                "major_px": [6.0, 8.0, 4.0, 5.0],
                "minor_px": [4.0, 3.0, 4.0, 5.0],
                "angle_deg": [0.0, 90.0, 20.0, 0.0],
                "score": np.array([1.1, 2.2, 3.3, 4.4], np.float32),
                "h": [-1, 0, 1, 2],
                "edge": [False, False, False, True],
                "note": ["weak", "", "a, b", "grün"],
            }
        )
    )


@pytest.mark.parametrize("name", ["spots.h5", "spots.hdf5", "spots.mat"])
def test_nothing_is_lost(tmp_path, stack, table, name):
    found = read_spots(write_spots(table, tmp_path / name, stack)).frame
    pd.testing.assert_frame_equal(found, table.frame, check_exact=True)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("name", ["spots.h5", "spots.mat"])
def test_no_spots_come_back_as_no_spots(tmp_path, stack, name):
    assert len(read_spots(write_spots(SpotTable(), tmp_path / name, stack))) == 0


def test_grainrecon_finds_what_it_looks_up(tmp_path, stack, table):
    held = loadmat(write_spots(table, tmp_path / "spots.mat", stack))
    assert held["Spots"].shape == held["proj_bin"].shape == (1, 4)
    assert [part.shape for part in held["Spots"][0]] == [(2, 18), (0, 18)] + [
        (1, 18)
    ] * 2
    angles = held["rot_start"] + held["rot_step"] * np.arange(4)
    np.testing.assert_allclose(angles.ravel(), stack.omega)
    assert held["rot_end"].item() == 4
    assert held["ImageNr"].item() == 4
    for index, spots in enumerate(held["Spots"][0]):
        mask, grey = held["proj_bin"][0, index], held["proj"][0, index]
        assert mask.shape == SHAPE[1:]
        assert grey.dtype == np.uint16
        assert not grey[mask == 0].any()
        for spot in spots:
            # MATLAB counts from 1, and looks up mask(row, column).
            row, column = round(spot[9]) - 1, round(spot[8]) - 1
            assert mask[row, column] == 1
            assert grey[row, column] == stack.images[index, row, column]
    first = held["Spots"][0, 0][0]
    np.testing.assert_allclose(first[:3], [1, 1, 10])
    np.testing.assert_allclose(first[8:10], [31.5, 21.25])
    assert first[14] == 400.1
    assert held["proj_bin"][0, 0].sum() == pytest.approx(50, abs=6)


def test_the_azimuth_turns_clockwise_from_the_top(tmp_path, table):
    middle = (59 / 2, 89 / 2)
    places = [(-20, 0, 0), (0, 20, 90), (20, 0, 180), (0, -20, 270)]
    frame = table.frame.assign(
        projection=0,
        row_px=[middle[0] + place[0] for place in places],
        column_px=[middle[1] + place[1] for place in places],
    )
    scan = ProjectionStack(np.zeros((1, 60, 90), np.uint8), np.array([0.0]))
    held = loadmat(write_spots(SpotTable(frame), tmp_path / "a.mat", scan))
    azimuth = held["Spots"][0, 0][:, 3]
    np.testing.assert_allclose(azimuth, [place[2] for place in places], atol=1e-9)


def test_mendable_mistakes_are_named(tmp_path, stack, table):
    with pytest.raises(InputError, match="give the scan"):
        write_spots(table, tmp_path / "a.mat")
    blind = ProjectionStack(stack.images)
    with pytest.raises(InputError, match="start and step"):
        write_spots(table, tmp_path / "a.mat", blind)
    assert not list(tmp_path.iterdir())
    for name in ("a.h5", "a.mat"):
        path = tmp_path / name
        with pytest.raises(InputError, match=name):
            read_spots(path)
        path.write_bytes(b"no such file format")
        with pytest.raises(InputError, match=name):
            read_spots(path)
