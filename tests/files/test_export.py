import math

import numpy as np
import pandas as pd
import pytest

from napari_labdct.core import InputError, SpotTable
from napari_labdct.files import (
    read_spots,
    write_spots,
)


def test_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        write_spots(SpotTable(), tmp_path / "none" / "a.csv")


def table(count: int) -> SpotTable:
    rng = np.random.default_rng(0)
    names = ("omega_deg", "row_px", "column_px", "area_px", "peak", "intensity")
    numbers = {
        name: rng.normal(size=count) * 10.0 ** rng.integers(-9, 9) for name in names
    }
    snr = np.where(np.arange(count) == 1, math.inf, rng.random(count))
    return SpotTable(
        pd.DataFrame(
            {"projection": np.arange(count), "snr": snr, **numbers}
            | {"h": rng.integers(-4, 5, count), "note": ["a, b"] * count}
            | {"edge": rng.random(count) < 0.5}
        )
    )


def test_spots_come_back_to_the_last_bit(tmp_path):
    spots = table(200)
    found = read_spots(write_spots(spots, tmp_path / "spots.csv"))
    pd.testing.assert_frame_equal(found.frame, spots.frame, check_exact=True)


def test_single_precision_keeps_its_value(tmp_path):
    frame = table(50).frame
    frame["error"] = np.random.default_rng(1).random(50).astype(np.float32)
    found = read_spots(write_spots(SpotTable(frame), tmp_path / "spots.csv"))
    np.testing.assert_array_equal(found.frame["error"], frame["error"])


def test_no_spots_come_back_as_no_spots(tmp_path):
    assert len(read_spots(write_spots(SpotTable(), tmp_path / "spots.csv"))) == 0


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "projection\nx,y\n", "\0\xff"])
def test_no_spot_table(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.csv"):
        read_spots(path)
    with pytest.raises(InputError, match=r"none\.csv"):
        read_spots(tmp_path / "none.csv")
