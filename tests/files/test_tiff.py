from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_labdct.core import InputError
from napari_labdct.files import read_stack
from napari_labdct.files.tiff import natural_order

RNG = np.random.default_rng(3)
STACK = RNG.integers(0, 60000, (4, 20, 31), np.uint16)
FLIPPED = {
    "rows": STACK[:, ::-1],
    "columns": STACK[..., ::-1],
    "both": STACK[:, ::-1, ::-1],
}


def write(path: Path, data=STACK, **options) -> Path:
    options.setdefault("photometric", "minisblack")
    tifffile.imwrite(path, data, **options)
    return path


def data_start(path: Path, page: int = 0) -> int:
    with tifffile.TiffFile(path) as tif:
        return tif.pages[page].dataoffsets[0]


def values(path, **options):
    return np.asarray(read_stack(path, **options).images)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"imagej": True},
        {"ome": True},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"rowsperstrip": 3},
        {"tile": (16, 16)},
        {"metadata": None},
    ],
    ids=str,
)
def test_every_kind_of_tiff_gives_its_grey_values(tmp_path, options):
    # .ome.tif is what the OME kind is called; the reader must not mind.
    found = read_stack(write(tmp_path / "scan.ome.tif", **options))
    assert found.shape == STACK.shape
    assert found.images.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(np.asarray(found.images), STACK)
    np.testing.assert_array_equal(found.frame(2), STACK[2])


@pytest.mark.parametrize(
    "dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"]
)
def test_every_type_of_grey_value(tmp_path, dtype):
    data = (STACK % 100).astype(dtype)
    found = values(write(tmp_path / "a.tif", data))
    assert found.dtype == data.dtype
    np.testing.assert_array_equal(found, data)


def test_one_page_is_a_stack_of_one(tmp_path):
    assert read_stack(write(tmp_path / "a.tif", STACK[0])).shape == (1, 20, 31)


def test_folder_is_read_in_natural_order(tmp_path):
    for i, name in enumerate(("s1.tif", "s2.TIF", "s10.tiff", "s11.tif")):
        write(tmp_path / name, STACK[i])
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / "._s1.tif").write_text("left behind by another system")
    np.testing.assert_array_equal(values(tmp_path), STACK)
    np.testing.assert_array_equal(values(str(tmp_path)), STACK)


def test_list_is_read_in_its_own_order(tmp_path):
    paths = [write(tmp_path / f"{i}.tif", frame) for i, frame in enumerate(STACK)]
    np.testing.assert_array_equal(values(paths[::-1]), STACK[::-1])


def test_natural_order_copes_with_any_name():
    names = ["10", "b2", "2", "a", "b10", "B1", "²", ""]
    ordered = sorted(map(Path, names), key=natural_order)
    found = [str(path) for path in ordered]
    assert found.index("2") < found.index("10")
    assert found.index("B1") < found.index("b2") < found.index("b10")


def test_folder_is_lazy(tmp_path):
    paths = [write(tmp_path / f"{i}.tif", frame) for i, frame in enumerate(STACK)]
    found = read_stack(tmp_path)
    paths[1].unlink()
    np.testing.assert_array_equal(found.frame(2), STACK[2])
    with pytest.raises(InputError, match=r"1\.tif could not be read .*still in its"):
        found.frame(1)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("first", "second"), [(slice(1, 3), 5), (-1, slice(2, 9))])
def test_parts_of_frames(tmp_path, compression, first, second):
    found = read_stack(write(tmp_path / "a.tif", compression=compression)).images
    np.testing.assert_array_equal(
        np.asarray(found[first][..., second]), STACK[first][..., second]
    )
    np.testing.assert_array_equal(
        np.asarray(found[[2, 0], 3:9, second]), STACK[[2, 0], 3:9, second]
    )


@pytest.mark.parametrize(
    ("tag", "turn"),
    [
        (1, np.s_[:, :, :]),
        (2, np.s_[:, :, ::-1]),
        (3, np.s_[:, ::-1, ::-1]),
        (4, np.s_[:, ::-1, :]),
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_orientation_tag_is_followed(tmp_path, tag, turn, compression):
    extra = [(274, 3, 1, tag, False)]
    path = write(tmp_path / "a.tif", extratags=extra, compression=compression)
    found = read_stack(path)
    np.testing.assert_array_equal(np.asarray(found.images), STACK[turn])
    np.testing.assert_array_equal(values(path, flip="no"), STACK)
    for flip, turned in FLIPPED.items():
        np.testing.assert_array_equal(values(path, flip=flip), turned)
        words = read_stack(path, flip=flip).history[-1]
        assert words.endswith("flipped on reading, as asked.")
    assert (f"tag {tag}" in " ".join(found.history)) == (tag > 1)


def test_sideways_frames_are_refused_unless_asked_for(tmp_path):
    path = write(tmp_path / "a.tif", extratags=[(274, 3, 1, 6, False)])
    with pytest.raises(InputError, match=r"a\.tif .*Orientation.* 6.*flip"):
        read_stack(path)
    np.testing.assert_array_equal(values(path, flip="no"), STACK)
    with pytest.raises(InputError, match='flip is "maybe"'):
        read_stack(path, flip="maybe")


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_become_luminance_with_one_warning(tmp_path, planar):
    grey = RNG.integers(0, 256, (20, 31), np.uint8)
    colours = np.stack([grey] * 3, 0 if planar == "separate" else -1)
    red = (0, 3, 4) if planar == "separate" else (3, 4, 0)
    colours[red] = 255
    path = write(tmp_path / "a.tif", colours, photometric="rgb", planarconfig=planar)
    with pytest.warns(UserWarning, match=r"a\.tif is a colour picture") as caught:
        found = read_stack(path)
    assert len(caught) == 1
    expected = grey.copy()
    expected[3, 4] = round(0.299 * 255 + 0.701 * grey[3, 4])
    assert found.images.dtype == np.uint8
    np.testing.assert_array_equal(found.frame(0), expected)


def test_white_is_zero_is_turned(tmp_path):
    path = write(tmp_path / "a.tif", photometric="miniswhite")
    np.testing.assert_array_equal(values(path), 65535 - STACK)


def test_thumbnails_are_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in STACK:
            writer.write(frame, metadata=None, contiguous=False)
        writer.write(STACK[0, ::4, ::4], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(values(tmp_path / "a.tif"), STACK)


def test_imagej_stack_with_one_directory(tmp_path):
    """What ImageJ writes beyond 4 GB: one directory, then all frames in a row."""
    path = tmp_path / "a.tif"
    text = f"ImageJ=1.54f\nimages={len(STACK)}\nslices={len(STACK)}\n"
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK[0], description=text, metadata=None)
    start = data_start(path)
    assert start + STACK[0].nbytes == path.stat().st_size
    with path.open("ab") as handle:
        handle.write(STACK[1:].tobytes())
    np.testing.assert_array_equal(values(path), STACK)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="truncated"):
        read_stack(path)


def test_angles(tmp_path):
    path = write(tmp_path / "a.tif")
    assert np.isnan(read_stack(path).omega).all()
    found = read_stack(path, omega_start=180, omega_step=-3)
    np.testing.assert_allclose(found.omega, [180, 177, 174, 171])
    np.testing.assert_allclose(read_stack(path, omega_step=2).omega, [0, 2, 4, 6])
    with pytest.raises(InputError, match="omega_step"):
        read_stack(path, omega_start=180)


def test_missing_path(tmp_path):
    with pytest.raises(InputError, match=r"none\.tif does not exist"):
        read_stack(tmp_path / "none.tif")
    with pytest.raises(InputError, match=r"none\.tif does not exist"):
        read_stack([tmp_path / "none.tif"])


def test_empty_folder_and_empty_list(tmp_path):
    with pytest.raises(InputError, match="holds no TIFF files: give"):
        read_stack(tmp_path)
    with pytest.raises(InputError, match="empty"):
        read_stack([])
    with pytest.raises(InputError, match="is a folder in a list"):
        read_stack([tmp_path, tmp_path])


@pytest.mark.parametrize(
    "content", [b"", b"II", b"Grey values: 1, 2, 3", b"II*\0", b"II*\0" + b"\xff" * 40]
)
def test_no_tiff_inside(tmp_path, content):
    path = tmp_path / "notes.tif"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"notes\.tif (is|cannot)"):
        read_stack(path)


def test_tiff_without_pages(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0\0\0\0\0")
    with pytest.raises(InputError, match=r"a\.tif"):
        read_stack(path)


def test_mixed_sizes_and_types(tmp_path):
    write(tmp_path / "1.tif", STACK[0])
    write(tmp_path / "2.tif", STACK[0, :-1])
    with pytest.raises(InputError, match=r"2\.tif has 19 × 31 .*1\.tif has 20 × 31"):
        read_stack(tmp_path)
    write(tmp_path / "2.tif", STACK[0].astype(np.uint8))
    with pytest.raises(InputError, match=r"uint8.*uint16"):
        read_stack(tmp_path)


def test_stack_among_frames(tmp_path):
    write(tmp_path / "cleaned.tif")
    write(tmp_path / "difference.tif")
    with pytest.raises(InputError, match=r"cleaned\.tif .* stack of 4 frames among"):
        read_stack(tmp_path)


@pytest.mark.parametrize(
    "options", [{}, {"metadata": None, "tile": (16, 16)}, {"compression": "zlib"}]
)
def test_every_cut_is_found_at_opening(tmp_path, options):
    path = tmp_path / "cut.tif"
    with tifffile.TiffWriter(tmp_path / "whole.tif") as writer:
        for frame in STACK:
            writer.write(frame, contiguous=False, **options)
    whole = (tmp_path / "whole.tif").read_bytes()
    assert values(tmp_path / "whole.tif").shape == STACK.shape
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.tif"):
            read_stack(path)


def test_pages_in_a_circle(tmp_path):
    path = write(tmp_path / "a.tif", STACK[0], metadata=None)
    raw = bytearray(path.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    end = first + 2 + 12 * int.from_bytes(raw[first : first + 2], "little")
    raw[end : end + 4] = first.to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(InputError, match="circle"):
        read_stack(path)


def test_nan_names_the_file(tmp_path):
    frames = STACK.astype(np.float32)
    frames[2, 3, 4] = np.nan
    for i, frame in enumerate(frames):
        write(tmp_path / f"{i}.tif", frame)
    found = read_stack(tmp_path)
    np.testing.assert_array_equal(found.frame(1), frames[1])
    with pytest.raises(InputError, match=r"2\.tif holds NaN"):
        found.frame(2)
    one = tmp_path / "one"
    one.mkdir()
    found = read_stack(write(one / "stack.tif", frames))
    with pytest.raises(InputError, match=r"stack\.tif holds NaN"):
        found.frame(2)


def test_damaged_compression_names_the_file(tmp_path):
    path = write(tmp_path / "a.tif", compression="zlib")
    raw = bytearray(path.read_bytes())
    start = data_start(path, page=1)
    raw[start + 2 : start + 60] = b"\xff" * 58
    path.write_bytes(raw)
    found = read_stack(path)
    np.testing.assert_array_equal(found.frame(0), STACK[0])
    with pytest.raises(InputError, match=r"a\.tif \(page 2\) could not be read"):
        found.frame(1)


@pytest.mark.parametrize("dtype", [np.complex64, np.bool_])
def test_values_that_are_not_grey(tmp_path, dtype):
    path = write(tmp_path / "a.tif", (STACK > 9).astype(dtype))
    with pytest.raises(InputError, match=r"a\.tif holds values of"):
        read_stack(path)


@pytest.mark.real
def test_measured_frames(real_frames):
    found = read_stack(real_frames, omega_start=180, omega_step=-3)
    assert found.shape == (24, 1024, 1024)
    files = sorted(real_frames.glob("*.tiff"))
    np.testing.assert_array_equal(found.frame(9), tifffile.imread(files[9])[::-1])
    assert found.history == ("Rows flipped on reading: Orientation tag 4.",)
