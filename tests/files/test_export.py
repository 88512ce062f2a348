import errno
import json
import math

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.files import (
    StackWriter,
    export,
    read_spots,
    read_stack,
    write_spots,
    write_stack,
)


def same(one: ProjectionStack, other: ProjectionStack) -> None:
    np.testing.assert_array_equal(np.asarray(one.images), np.asarray(other.images))
    assert one.images.dtype == other.images.dtype
    np.testing.assert_array_equal(one.omega, other.omega)
    for name in ("geometry", "kind", "source", "history", "seed"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("compress", [False, True])
def test_stack_comes_back_as_it_was(tmp_path, small_stack, compress):
    path = write_stack(small_stack, tmp_path / "a.tif", compress=compress)
    same(read_stack(path), small_stack)


def test_unknown_angles_and_foreign_letters_come_back(tmp_path):
    stack = ProjectionStack(
        np.ones((2, 3, 4), np.float32),
        omega_deg=[math.nan, 1 / 3],
        source="Küvette µ ω",
        history=("a", "b"),
    )
    same(read_stack(write_stack(stack, tmp_path / "a.tif")), stack)


def test_stack_is_written_frame_by_frame_and_mapped(tmp_path, small_stack):
    path = tmp_path / "a.tif"
    with StackWriter(path, small_stack, "cleaned", "Halved.") as writer:
        for frame in small_stack.frames():
            writer.write(frame / 2)
            assert not path.exists()
    found = read_stack(path)
    assert isinstance(found.images, np.memmap)
    np.testing.assert_array_equal(found.images, small_stack.images / np.float32(2))
    assert found.kind == "cleaned"
    assert found.history == ("Drawn.", "Halved.")
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]


def test_other_programs_find_a_plain_stack(tmp_path, small_stack):
    path = write_stack(small_stack, tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == len(small_stack)
        assert {page.shape for page in tif.pages} == {small_stack.shape[1:]}
        assert not tif.is_bigtiff
        assert json.loads(tif.pages[0].description)["frames"] == len(small_stack)


def test_big_stacks_become_bigtiff(tmp_path, small_stack, monkeypatch):
    monkeypatch.setattr(export, "_CLASSIC_LIMIT", 1000)
    path = write_stack(small_stack, tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff
    same(read_stack(path), small_stack)


def test_description_of_another_number_of_frames(tmp_path, small_stack):
    path = write_stack(small_stack, tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tif:
        text = tif.pages[0].description
    tifffile.imwrite(path, small_stack.images[:2], description=text, metadata=None)
    with pytest.raises(InputError, match="2 frames, but was written with 5"):
        read_stack(path)


def test_description_that_is_not_understood(tmp_path):
    text = '{"napari-labdct": 99, "frames": "many"}'
    path = tmp_path / "a.tif"
    data = np.ones((2, 3, 4), np.uint8)
    tifffile.imwrite(path, data, description=text, photometric="minisblack")
    with pytest.warns(UserWarning, match="not understood"):
        found = read_stack(path)
    assert found.shape == (2, 3, 4)


def test_a_stop_leaves_nothing_behind(tmp_path, small_stack):
    path = tmp_path / "a.tif"
    path.write_text("earlier")

    def stopped():
        with StackWriter(path, small_stack, "cleaned") as writer:
            writer.write(small_stack.frame(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]
    assert path.read_text() == "earlier"


def test_too_few_frames_leave_nothing_behind(tmp_path, small_stack):
    with (
        pytest.raises(ValueError, match="1 of 5 frames"),
        StackWriter(tmp_path / "a.tif", small_stack, "cleaned") as writer,
    ):
        writer.write(small_stack.frame(0))
    assert not list(tmp_path.iterdir())


def test_wrong_frame_is_refused(tmp_path, small_stack):
    with (
        pytest.raises(ValueError, match="does not fit"),
        StackWriter(tmp_path / "a.tif", small_stack, "cleaned") as writer,
    ):
        writer.write(np.ones((3, 4)))
    assert not list(tmp_path.iterdir())


def test_full_disk_is_one_sentence(tmp_path, small_stack, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", full)
    with pytest.raises(InputError, match=r"a\.tif cannot be written \(No space left"):
        write_stack(small_stack, tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_one_sentence(tmp_path, small_stack):
    with pytest.raises(InputError, match="cannot be written"):
        write_stack(small_stack, tmp_path / "none" / "a.tif")
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
