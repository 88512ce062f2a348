import tracemalloc

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_labdct.core import InputError
from napari_labdct.files.grainlist import read_grain_list
from napari_labdct.files.grainmap import read_grain_map

h5py = pytest.importorskip("h5py")

SHAPE = (4, 6, 8)  # x, y, z


@pytest.fixture
def volume():
    """Grain numbers with a gap in them, and an orientation for each voxel."""
    rng = np.random.default_rng(0)
    number = rng.choice([0, 1, 2, 5], SHAPE)
    turns = {n: Rotation.random(None, rng) for n in (1, 2, 5)}
    return number, turns


def per_voxel(number, turns, values):
    out = np.zeros((*number.shape, 3))
    for n, turn in turns.items():
        out[number == n] = values(turn)
    return out


def write_grainmapper(path, number, turns, **change):
    rodrigues = per_voxel(number, turns, _rodrigues)
    with h5py.File(path, "w") as file:
        file["LabDCT/Spacing"] = change.get("spacing", [0.01, 0.01, 0.01])
        file["LabDCT/Center"] = [0.1, 0.2, 0.3]
        data = file.create_group("LabDCT/Data")
        if "number" not in change.get("without", ()):
            data["GrainId"] = number.T.astype(np.int32)
        if "orientation" not in change.get("without", ()):
            data["Rodrigues"] = rodrigues.transpose(2, 1, 0, 3).astype(np.float32)
        data["Mask"] = np.ones(SHAPE, np.uint8).T
        file["PhaseInfo/Phase01/UnitCell"] = [4.05, 4.05, 4.05, 90, 90, 90]


def _rodrigues(turn):
    x, y, z, w = turn.as_quat()
    return np.array([x, y, z]) / w


def write_dream3d(path, number, turns, *, degrees):
    euler = per_voxel(number, turns, lambda t: t.as_euler("ZXZ", degrees=degrees))
    euler = np.where(euler < 0, euler + (360 if degrees else 2 * np.pi), euler)
    with h5py.File(path, "w") as file:
        data = file.create_group("DataContainers/Volume/CellData")
        data["FeatureIds"] = number.T[..., None].astype(np.int32)
        data["EulerAngles"] = euler.transpose(2, 1, 0, 3).astype(np.float32)
        grid = file.create_group("DataContainers/Volume/_SIMPL_GEOMETRY")
        grid["SPACING"] = [10.0, 10.0, 10.0]
        grid["DIMENSIONS"] = list(SHAPE)


def test_large_grain_numbers_take_no_memory(tmp_path, volume):
    number, turns = volume
    largest = 2**31 - 1
    number = np.where(number == 5, largest, number)
    turns[largest] = turns.pop(5)
    write_grainmapper(tmp_path / "a.h5", number, turns)
    tracemalloc.start()
    try:
        check(read_grain_map(tmp_path / "a.h5"), number, turns)
        assert tracemalloc.get_traced_memory()[1] < 2e7
    finally:
        tracemalloc.stop()


def check(found, number, turns):
    assert found.grain.shape == SHAPE
    np.testing.assert_array_equal(found.grain < 0, number == 0)
    for index, (n, turn) in enumerate(sorted(turns.items())):
        np.testing.assert_array_equal(found.grain == index, number == n)
        np.testing.assert_allclose(
            found.orientation[index], turn.as_matrix(), atol=1e-5
        )
    assert found.spacing == pytest.approx(0.01)


def test_grainmapper(tmp_path, volume):
    write_grainmapper(tmp_path / "map.h5", *volume)
    found = read_grain_map(tmp_path / "map.h5")
    check(found, *volume)
    assert found.filled.all()
    assert found.cell == (4.05, 4.05, 4.05, 90, 90, 90)
    middle = np.array(found.origin) + (np.array(SHAPE) - 1) / 2 * 0.01
    np.testing.assert_allclose(middle, [0.1, 0.2, 0.3])


@pytest.mark.parametrize("degrees", [False, True])
def test_dream3d(tmp_path, volume, degrees):
    write_dream3d(tmp_path / "map.dream3d", *volume, degrees=degrees)
    check(read_grain_map(tmp_path / "map.dream3d"), *volume)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"without": ("orientation",)}, "no orientations"),
        ({"without": ("number",)}, "no grain numbers"),
        ({"spacing": [0.01, 0.01, 0.02]}, "cubic voxels"),
    ],
)
def test_what_a_map_lacks(tmp_path, volume, change, words):
    write_grainmapper(tmp_path / "map.h5", *volume, **change)
    with pytest.raises(InputError, match=words):
        read_grain_map(tmp_path / "map.h5")


def test_a_map_without_grains(tmp_path, volume):
    number, turns = volume
    write_grainmapper(tmp_path / "map.h5", number * 0, turns)
    with pytest.raises(InputError, match="no grain with an orientation"):
        read_grain_map(tmp_path / "map.h5")


def test_files_that_are_no_grain_map(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(InputError, match="cannot be read"):
        read_grain_map(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = [1]
    with pytest.raises(InputError, match="neither"):
        read_grain_map(tmp_path / "other.h5")


def test_lists_of_grains_by_matrix_or_angles(tmp_path):
    turn = Rotation.from_euler("ZXZ", [10, 20, 30], degrees=True)
    names = ",".join(f"u{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))
    values = ",".join(f"{v:.12g}" for v in turn.as_matrix().ravel())
    (tmp_path / "u.csv").write_text(f"x_mm,y_mm,z_mm,{names}\n1,2,3,{values}\n")
    (tmp_path / "e.csv").write_text("x_mm,y_mm,z_mm,phi1,Phi,phi2\n1,2,3,10,20,30\n")
    for name in ("u.csv", "e.csv"):
        found = read_grain_list(tmp_path / name)
        np.testing.assert_allclose(found.orientation[0], turn.as_matrix(), atol=1e-9)
        np.testing.assert_allclose(found.position, [[1, 2, 3]])
        assert np.isnan(found.diameter_um).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "x_mm"),
        ("x_mm,y_mm,z_mm\n1,2,3\n", "no orientations"),
        ("x_mm,y_mm,z_mm,phi1,phi,phi2\n", "rows"),
        (
            "x_mm,y_mm,z_mm,u11,u12,u13,u21,u22,u23,u31,u32,u33\n"
            "0,0,0,1,0,0,0,1,0,0,0,-1\n",
            "no rotation matrix",
        ),
    ],
)
def test_what_a_list_lacks(tmp_path, text, words):
    (tmp_path / "grains.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_grain_list(tmp_path / "grains.csv")


def test_a_list_that_is_missing(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_grain_list(tmp_path / "none.csv")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_makers_own_reader_says_the_same(tmp_path, volume):
    reader = pytest.importorskip("gm3dh5.file")
    path = tmp_path / "map.h5"
    write_grainmapper(path, *volume)
    with h5py.File(path, "a") as file:  # what it wants to see besides
        file["LabDCT/Data/Completeness"] = np.ones(SHAPE, "f4").T
        file["LabDCT/Data/PhaseId"] = np.ones(SHAPE, "u1").T
    found = read_grain_map(path)
    with reader.GM3DResultFileReader(str(path)) as theirs:
        number = np.asarray(theirs.grainids).T
        turns = theirs.rotations
        spacing, centre = theirs.spacing, theirs.center
    np.testing.assert_array_equal(found.grain >= 0, number > 0)
    assert found.spacing == pytest.approx(spacing[0])
    middle = np.add(found.origin, (np.array(SHAPE) - 1) / 2 * found.spacing)
    np.testing.assert_allclose(middle, centre)
    for name, turn in turns.items():
        (ours,) = np.unique(found.grain[number == name])
        wanted = Rotation.from_quat(
            [float(each) for each in (turn.b, turn.c, turn.d, turn.a)]
        ).as_matrix()
        np.testing.assert_allclose(found.orientation[ours], wanted, atol=1e-6)
