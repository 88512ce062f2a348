"""Every reader against damaged files: it reads, or refuses in one sentence.

Hypothesis draws damage to valid files: bytes changed, cut out, put in, repeated, the
end missing. A reader may succeed, or raise an InputError that names the file; it
may not crash, hang, take memory that the file cannot need, or pass on a stack whose
frames are not there.
"""

import io
import resource
import sys
import time
import warnings

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_labdct.core import InputError, SpotTable
from napari_labdct.files import read_spots, read_stack, write_spots, write_stack
from napari_labdct.files.angles import read_angles
from napari_labdct.files.grainlist import read_grain_list
from napari_labdct.files.grainmap import read_grain_map
from tests.conftest import draw_stack
from tests.files.ole import write_ole
from tests.files.test_txrm import FRAMES, streams

STACK = np.random.default_rng(0).integers(0, 60000, (3, 20, 31), np.uint16)
QUICK, MANY = 300, 10_000
"""Cases a format, shared by its kinds."""

LONGEST = 20.0
"""Seconds that no file of some kilobytes may take, on the busiest machine."""


def tiff(folder, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, STACK, **({"photometric": "minisblack"} | options))
    return file.getvalue()


def hdf5(folder, **options):
    path = folder / "whole.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", data=STACK, **options)
        file["entry/data/rotation_angle"] = np.arange(3.0)
    return path.read_bytes()


def own(folder, name, **options):
    stack = draw_stack(3, 20, 31)
    return write_stack(stack, folder / f"whole{name}", **options).read_bytes()


def spots(folder, suffix=".csv"):
    frame = SpotTable().frame.reindex(range(9)).fillna(1.5).astype({"projection": int})
    table = SpotTable(frame.assign(phase="Fe"))
    path = folder / f"whole{suffix}"
    return write_spots(table, path, draw_stack(3, 20, 31)).read_bytes()


def grain_map(folder):
    path = folder / "whole.h5"
    number = np.random.default_rng(0).integers(0, 4, (4, 5, 6))
    with h5py.File(path, "w") as file:
        file["LabDCT/Data/GrainId"] = number.astype("i4")
        file["LabDCT/Data/Rodrigues"] = np.zeros((4, 5, 6, 3), "f4")
        file["LabDCT/Spacing"] = np.full(3, 0.005)
        file["LabDCT/Center"] = np.zeros(3)
    return path.read_bytes()


def dream3d(folder):
    path = folder / "whole.h5"
    number = np.random.default_rng(0).integers(0, 4, (4, 5, 6, 1))
    with h5py.File(path, "w") as file:
        file["DataContainers/a/CellData/FeatureIds"] = number.astype("i4")
        file["DataContainers/a/CellData/EulerAngles"] = np.ones((4, 5, 6, 3), "f4")
        file["DataContainers/a/_SIMPL_GEOMETRY/SPACING"] = np.full(3, 5.0, "f4")
    return path.read_bytes()


GRAINS = "x_mm,y_mm,z_mm,phi1,phi,phi2,diameter_um\n" + "0,0.1,-0.2,10,20,30,95\n" * 6
ANGLES = "file,omega [deg]\n" + "".join(f"a{i}.tif,{i * 2.5}\n" for i in range(40))
CHUNKS = {"chunks": (1, 20, 31)}

KINDS = {
    "tiff": (tiff, ".tif"),
    "tiff zlib": (lambda f: tiff(f, compression="zlib", predictor=True), ".tif"),
    "tiff lzw strips": (lambda f: tiff(f, compression="lzw", rowsperstrip=4), ".tif"),
    "tiff zstd": (lambda f: tiff(f, compression="zstd"), ".tif"),
    "tiff big tiles": (lambda f: tiff(f, bigtiff=True, tile=(16, 16)), ".tif"),
    "tiff ImageJ": (lambda f: tiff(f, imagej=True), ".tif"),
    "tiff OME": (lambda f: tiff(f, ome=True, byteorder=">"), ".ome.tif"),
    "tiff own": (lambda f: own(f, ".tif"), ".tif"),
    "txrm": (lambda f: write_ole(f / "w", streams(FRAMES[:2])).read_bytes(), ".txrm"),
    "hdf5": (hdf5, ".h5"),
    "hdf5 gzip": (lambda f: hdf5(f, compression="gzip", **CHUNKS), ".h5"),
    "hdf5 lzf": (lambda f: hdf5(f, compression="lzf", shuffle=True, **CHUNKS), ".h5"),
    "hdf5 own": (lambda f: own(f, ".nxs"), ".nxs"),
    "hdf5 own gzip": (lambda f: own(f, ".nxs", compress=True), ".nxs"),
    "angles": (lambda _: ANGLES.encode(), ".csv"),
    "spots": (spots, ".csv"),
    "spots.h5": (lambda f: spots(f, ".h5"), ".h5"),
    "spots.mat": (lambda f: spots(f, ".mat"), ".mat"),
    "grain list": (lambda _: GRAINS.encode(), ".csv"),
    "grain map": (grain_map, ".h5"),
    "dream3d": (dream3d, ".h5"),
}
READERS = {
    "angles": read_angles,
    "spots": read_spots,
    "spots.h5": read_spots,
    "spots.mat": read_spots,
    "grain list": read_grain_list,
    "grain map": read_grain_map,
    "dream3d": read_grain_map,
}

_CHANGE = st.tuples(
    st.sampled_from(["byte", "byte", "word", "cut", "insert", "repeat", "end"]),
    st.sampled_from(["start", "start", "end", "all"]),
    st.integers(0, 2**32 - 1),
    st.one_of(st.sampled_from([0, 1, 127, 128, 254, 255]), st.integers(0, 255)),
)
DAMAGE = st.lists(_CHANGE, min_size=1, max_size=6)


def damaged(raw: bytes, changes) -> bytes:
    """The file after all changes; most of them where headers and tags are."""
    found = bytearray(raw)
    for what, where, number, value in changes:
        if not found:
            break
        edge = len(found) if where == "all" else min(len(found), 2048)
        at = number % edge
        at = len(found) - 1 - at if where == "end" else at
        if what == "byte":
            found[at] = value
        elif what == "word":
            found[at : at + 4] = bytes([value]) * len(found[at : at + 4])
        elif what == "cut":
            del found[at : at + 1 + value]
        elif what == "insert":
            found[at:at] = bytes([value]) * (1 + value % 9)
        elif what == "repeat":
            found[at:at] = found[at : at + 1 + value]
        elif value < 64:  # the end missing: seldom, or little else would be seen
            del found[at:]
    return bytes(found)


def read_all(path, kind) -> None:
    """Read a file as far as anyone would."""
    if kind in READERS:
        READERS[kind](path)
        return
    found = read_stack(path)
    # What is claimed must be there before memory is taken for it.
    assert np.prod(found.shape, dtype=float) <= 2e9
    for index in range(min(len(found), 200)):
        frame = found.frame(index)
        assert frame.shape == found.shape[1:]


def peak_memory() -> float:
    """Most memory that this process ever had [MB]."""
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def attack(kind, folder, cases) -> None:
    make, suffix = KINDS[kind]
    raw = make(folder)
    path = folder / f"damaged{suffix}"
    path.write_bytes(raw)
    read_all(path, kind)
    said = set()
    before = peak_memory()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(DAMAGE)
    def one(changes):
        path.unlink(missing_ok=True)
        path.write_bytes(damaged(raw, changes))
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                read_all(path, kind)
        except InputError as error:
            said.add(str(error))
        assert time.perf_counter() - start < LONGEST

    one()
    assert [text for text in said if path.name not in text or "\n" in text] == []
    assert said
    # The largest frame that a file of some kilobytes may claim takes 64 MB; it is
    # there as bytes, as grey values, as floats, and as a mask of finite ones.
    assert peak_memory() - before < 600


def share(kind: str, cases: int) -> int:
    """Cases for one kind, so that all kinds of its format have so many."""
    name = kind.split()[0]
    alike = sum(each.split()[0] == name for each in KINDS) if name != "grain" else 1
    return -(-cases // alike)


def test_texts_without_an_end_are_refused(tmp_path):
    """HDF5 itself would run for ever over an entry of no length."""
    for kind in ("hdf5 own", "spots.h5"):
        make, suffix = KINDS[kind]
        path, raw = tmp_path / f"endless{suffix}", bytearray(make(tmp_path))
        heap = raw.index(b"GCOL")
        raw[heap + 16 : heap + 32] = bytes(16)  # free room of 0 bytes
        path.write_bytes(raw)
        with pytest.raises(
            InputError, match=r"endless\..* is damaged: a list of texts"
        ):
            read_all(path, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    attack(kind, tmp_path, share(kind, QUICK))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_read_or_refused(kind, tmp_path):
    attack(kind, tmp_path, share(kind, MANY))
