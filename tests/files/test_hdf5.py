import h5py
import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.files import read_stack

STACK = np.random.default_rng(0).integers(0, 60000, (6, 20, 31), np.uint16)
OMEGA = np.linspace(-180, 180, 6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scan.h5"


def write(path, name="entry/data/data", data=STACK, **options):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=data, **options)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 20, 31), "compression": "gzip"},
        {"chunks": (4, 7, 9), "shuffle": True, "compression": "lzf"},
        {"dtype": ">u2"},
        {"dtype": "f4"},
        {"dtype": "f8", "fletcher32": True},
    ],
    ids=str,
)
def test_every_way_to_store(path, options):
    found = read_stack(write(path, **options))
    assert found.shape == STACK.shape
    assert found.images.dtype.isnative
    np.testing.assert_array_equal(found.images, STACK)
    np.testing.assert_array_equal(found.frame(4), STACK[4])
    assert np.isnan(found.omega).all()
    assert isinstance(found.images, np.memmap) == (options in ({}, {"dtype": "f4"}))


def test_the_dataset_is_found_or_named(path):
    write(path, "scan/frames")
    np.testing.assert_array_equal(read_stack(path).images, STACK)
    write(path, "scan/other", STACK[:2])
    with pytest.raises(InputError, match=r"several stacks.*frames, scan/other"):
        read_stack(path)
    assert len(read_stack(path, dataset="/scan/other")) == 2
    with pytest.raises(InputError, match="holds no dataset 'scan/none'"):
        read_stack(path, dataset="scan/none")
    with pytest.raises(InputError, match="only HDF5 files"):
        read_stack(path.with_suffix(".tif"), dataset="scan/frames")
    write(path, "exchange/data", STACK[1:])
    assert len(read_stack(path)) == 5


def test_what_nexus_calls_the_default_is_read(path):
    write(path, "first/frames", STACK[:2])
    write(path, "second/good/frames", STACK)
    write(path, "second/good/rotation_angle", np.deg2rad(OMEGA))
    with h5py.File(path, "a") as file:
        file.attrs["default"] = "second"
        file["second"].attrs["default"] = "good"
        file["second/good"].attrs["signal"] = "frames"
        file["second/good/rotation_angle"].attrs["units"] = "rad"
    found = read_stack(path)
    np.testing.assert_array_equal(found.images, STACK)
    np.testing.assert_allclose(found.omega, OMEGA)


def test_flat_and_dark_fields_are_no_projections(path):
    write(path, "entry/data/data")
    write(path, "entry/data/image_key", np.array([2, 1, 0, 0, 0, 1]))
    write(path, "entry/sample/rotation_angle", OMEGA)
    found = read_stack(path)
    np.testing.assert_array_equal(found.images, STACK[2:5])
    np.testing.assert_allclose(found.omega, OMEGA[2:5])
    assert found.history == ("3 frames that image_key calls no projection left out.",)


def test_one_frame_and_flips(path):
    write(path, "a", STACK[0])
    found = read_stack(path, dataset="a", flip="rows")
    np.testing.assert_array_equal(found.images, STACK[:1, ::-1])
    assert "flipped" in found.history[0]


def test_angles_can_be_said(path):
    assert read_stack(write(path), omega_start=3, omega_step=-1).omega[5] == -2


@pytest.mark.parametrize(
    "data",
    [np.ones((2, 2, 2, 2)), np.ones(4), np.ones((0, 3, 4)), np.ones((2, 3, 4), "c16")],
)
def test_what_is_no_stack_of_frames(path, data):
    write(path, "a", data)
    with pytest.raises(InputError, match="choose a stack of 2-D grey frames"):
        read_stack(path, dataset="a")


def test_no_stack_at_all(path):
    write(path, "a", np.ones(3))
    with pytest.raises(InputError, match="holds no stack"):
        read_stack(path)
    path.write_text("grey values")
    with pytest.raises(InputError, match=r"scan\.h5 cannot be opened as HDF5"):
        read_stack(path)
    with pytest.raises(InputError, match="does not exist"):
        read_stack(path.with_name("none.h5"))


def test_frames_never_written_are_missed(path):
    with h5py.File(path, "w") as file:
        made = file.create_dataset("a", STACK.shape, "u2", chunks=(1, 20, 31))
        made[:4] = STACK[:4]  # the camera stopped here
    with pytest.raises(InputError, match="does not hold all of its 6 frames"):
        read_stack(path)


def test_a_bomb_is_not_opened(path):
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "a", (4, 20000, 20000), "f8", chunks=(4, 20000, 20000), compression="gzip"
        )
        made.id.write_direct_chunk((0, 0, 0), b"\0" * 100)
    with pytest.raises(InputError, match=r"claims .* GB of grey values"):
        read_stack(path)


def test_a_file_that_vanishes_is_one_sentence(path):
    found = read_stack(write(path, chunks=(1, 20, 31)))
    path.unlink()
    with pytest.raises(InputError, match=r"scan\.h5 \(page 3\) could not be read"):
        found.frame(2)


def test_metadata_are_quick_to_read(path):
    write(path, data=np.zeros((1000, 8, 8), "u2"), chunks=(1, 8, 8))
    found = read_stack(path)
    assert len(found) == 1000
