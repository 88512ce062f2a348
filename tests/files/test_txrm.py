import struct

import numpy as np
import pytest

from napari_labdct.core import InputError
from napari_labdct.files import read_stack
from tests.files.ole import write_ole

FRAMES = np.random.default_rng(0).integers(0, 60000, (103, 40, 60), np.uint16)
ANGLES = np.linspace(-180, 180, 103, dtype="<f4")


def u4(value: int) -> bytes:
    return struct.pack("<I", value)


def streams(frames=FRAMES, kind=5, **changes: bytes | None) -> dict[str, bytes]:
    count, rows, columns = frames.shape
    info = {
        "NoOfImages": u4(count),
        "ImageWidth": u4(columns),
        "ImageHeight": u4(rows),
        "DataType": u4(kind),
        "Angles": ANGLES[:count].tobytes(),
        "StoRADistance": np.full(count, -14, "<f4").tobytes(),
        "DtoRADistance": np.full(count, 28, "<f4").tobytes(),
        "PixelSize": np.float32(2.5).tobytes(),
    } | changes
    found = {f"ImageInfo/{n}": data for n, data in info.items() if data is not None}
    for number, frame in enumerate(frames):
        folder = number // 100 + 1
        found[f"ImageData{folder}/Image{number + 1}"] = frame.tobytes()
    return found


@pytest.fixture
def path(tmp_path):
    return write_ole(tmp_path / "scan.txrm", streams())


def test_frames_angles_and_geometry(path):
    found = read_stack(path)
    assert found.shape == FRAMES.shape
    assert found.images.dtype == np.uint16
    np.testing.assert_array_equal(found.frame(102), FRAMES[102, ::-1])
    np.testing.assert_array_equal(found.images[3:5, 2], FRAMES[3:5, -3])
    np.testing.assert_allclose(found.omega, ANGLES)
    assert found.geometry.source_to_sample == 14
    assert found.geometry.sample_to_detector == 28
    assert found.geometry.detector.pixel_size == pytest.approx(7.5)  # 2.5 µm × 3
    assert found.geometry.detector.shape == (40, 60)


def test_flip_and_angles_can_be_said(path):
    found = read_stack([path], flip="no", omega_start=10, omega_step=2)
    np.testing.assert_array_equal(found.frame(0), FRAMES[0])
    assert found.omega[1] == 12
    assert found.history == ()
    found = read_stack(path, flip="both")
    np.testing.assert_array_equal(found.frame(0), FRAMES[0, ::-1, ::-1])
    assert found.history == ("Rows and columns flipped on reading, as asked.",)


def test_exposure_and_voltage(tmp_path):
    times = np.array([30, 60], "<f4").tobytes()
    volts = np.array([140, 140], "<f4").tobytes()
    more = {"ExpTimes": times, "Voltage": volts}
    found = read_stack(write_ole(tmp_path / "a.txrm", streams(FRAMES[:2], **more)))
    np.testing.assert_array_equal(found.exposure_s, [30, 60])
    assert found.voltage_kv == 140
    less = {"ExpTimes": times[:4], "Voltage": None}
    found = read_stack(write_ole(tmp_path / "b.txrm", streams(FRAMES[:2], **less)))
    assert found.exposure_s is None
    assert found.voltage_kv is None


@pytest.mark.parametrize(
    ("kind", "dtype"), [(3, np.uint8), (5, np.uint16), (10, np.float32)]
)
def test_types(tmp_path, kind, dtype):
    frames = (FRAMES[:2] % 200).astype(dtype)
    found = read_stack(write_ole(tmp_path / "a.xrm", streams(frames, kind)))
    assert found.images.dtype == dtype
    np.testing.assert_array_equal(found.frame(1), frames[1, ::-1])


@pytest.mark.parametrize("missing", ["Angles", "StoRADistance", "PixelSize"])
def test_missing_streams_are_tolerated(tmp_path, missing):
    path = write_ole(tmp_path / "a.txrm", streams(FRAMES[:2], **{missing: None}))
    found = read_stack(path)
    np.testing.assert_array_equal(found.frame(0), FRAMES[0, ::-1])
    assert np.isnan(found.omega).all() == (missing == "Angles")
    assert (found.geometry is None) == (missing != "Angles")


@pytest.mark.parametrize("missing", ["NoOfImages", "DataType"])
def test_number_and_type_of_frames_are_seen_in_the_frames(tmp_path, missing):
    path = write_ole(tmp_path / "a.txrm", streams(**{missing: None}))
    found = read_stack(path)
    assert found.shape == FRAMES.shape
    np.testing.assert_array_equal(found.frame(102), FRAMES[102, ::-1])


@pytest.mark.parametrize(
    "changes",
    [{"DataType": u4(99)}, {"NoOfImages": u4(0)}, {"ImageWidth": None}],
    ids=str,
)
def test_what_is_not_known(tmp_path, changes):
    path = write_ole(tmp_path / "a.txrm", streams(FRAMES[:2], **changes))
    with pytest.raises(InputError, match=r"a\.txrm does not tell"):
        read_stack(path)


def test_missing_frame(tmp_path):
    path = write_ole(tmp_path / "a.txrm", streams(FRAMES[:2], NoOfImages=u4(3)))
    with pytest.raises(InputError, match="frame 3 of 3 is not whole"):
        read_stack(path)


def test_every_cut_is_an_error(tmp_path):
    whole = write_ole(tmp_path / "a.txrm", streams(FRAMES[:3])).read_bytes()
    path = tmp_path / "cut.txrm"
    for length in range(0, len(whole) - 512, 701):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.txrm"):
            read_stack(path)


def test_no_compound_file(tmp_path):
    path = tmp_path / "a.txrm"
    path.write_text("grey values")
    with pytest.raises(InputError, match=r"cannot be opened as a \.txrm"):
        read_stack(path)
    with pytest.raises(InputError, match="does not exist"):
        read_stack(tmp_path / "none.txrm")
