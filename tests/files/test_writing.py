import errno
import json
import math
import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_labdct.core import InputError, ProjectionStack
from napari_labdct.files import StackWriter, layout, read_stack, write_stack


def same(one: ProjectionStack, other: ProjectionStack) -> None:
    np.testing.assert_array_equal(np.asarray(one.images), np.asarray(other.images))
    assert one.images.dtype == other.images.dtype
    np.testing.assert_array_equal(one.omega, other.omega)
    assert (one.exposure_s is None) == (other.exposure_s is None)
    if one.exposure_s is not None:
        np.testing.assert_array_equal(one.exposure_s, other.exposure_s)
    for name in ("geometry", "kind", "source", "history", "seed", "voltage_kv"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["a.tif", "a.h5", "a.nxs"])
def test_stack_comes_back_as_it_was(tmp_path, small_stack, name, compress):
    stack = replace(small_stack, exposure_s=np.arange(5) + 1 / 3, voltage_kv=140.5)
    path = write_stack(stack, tmp_path / name, compress=compress)
    same(read_stack(path), stack)


def test_unknown_angles_and_foreign_letters_come_back(tmp_path):
    stack = ProjectionStack(
        np.ones((2, 3, 4), np.float32),
        omega_deg=[math.nan, 1 / 3],
        source="Küvette µ ω",
        history=("a", "b"),
    )
    same(read_stack(write_stack(stack, tmp_path / "a.tif")), stack)
    same(read_stack(write_stack(stack, tmp_path / "a.h5")), stack)


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_stack_is_written_frame_by_frame_and_mapped(tmp_path, small_stack, name):
    path = tmp_path / name
    with StackWriter(path, small_stack, "cleaned", "Halved.") as writer:
        for frame in small_stack.frames():
            writer.write(frame / 2)
            assert not path.exists()
    found = read_stack(path)
    assert isinstance(found.images, np.memmap)
    np.testing.assert_array_equal(found.images, small_stack.images / np.float32(2))
    assert found.kind == "cleaned"
    assert found.history == ("Drawn.", "Halved.")
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_other_programs_find_a_plain_stack(tmp_path, small_stack):
    path = write_stack(small_stack, tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == len(small_stack)
        assert {page.shape for page in tif.pages} == {small_stack.shape[1:]}
        assert not tif.is_bigtiff
        assert json.loads(tif.pages[0].description)["frames"] == len(small_stack)


def test_big_stacks_become_bigtiff(tmp_path, small_stack, monkeypatch):
    monkeypatch.setattr(layout, "CLASSIC_LIMIT", 1000)
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

    monkeypatch.setattr(layout.Layout, "put", full)
    for name in ("a.tif", "a.h5"):
        (tmp_path / name).write_text("earlier")
        with pytest.raises(InputError, match=r"a\..* cannot be written \(No space le"):
            write_stack(small_stack, tmp_path / name)
        assert (tmp_path / name).read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "a.h5"}


def test_a_disk_too_small_is_told_at_the_start(tmp_path, small_stack):
    images = np.broadcast_to(np.float32(0), (10**6, 10**4, 10**4))
    with pytest.raises(InputError, match=r"needs 4e\+05 GB, but its disk has"):
        write_stack(ProjectionStack(images), tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_one_sentence(tmp_path, small_stack):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written \\(Permission denied"):
            write_stack(small_stack, tmp_path / "a.tif")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", ["a.tif", "a.h5"])
def test_frames_can_be_put_in_any_order(tmp_path, small_stack, name):
    path = tmp_path / name
    kind = np.dtype(np.uint16)
    found = layout.lay_out(path, path, small_stack, kind)
    with path.open("r+b", buffering=0) as file:
        for index in (3, 0, 4, 2, 1):
            raw = found.put(file, index, small_stack.images[index])
            assert found.get(file, index) == raw
    same(read_stack(path), small_stack)


def test_missing_folder_is_one_sentence(tmp_path, small_stack):
    with pytest.raises(InputError, match="cannot be written"):
        write_stack(small_stack, tmp_path / "none" / "a.tif")
