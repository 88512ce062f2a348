"""A stack whose writing was stopped early, and is kept."""

import numpy as np
import pytest

from napari_labdct.core import Geometry, ProjectionStack
from napari_labdct.files import StackWriter, read_stack


@pytest.mark.parametrize("name", ["scan.tif", "scan.h5"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_frames_written_so_far_are_a_stack(tmp_path, name, compress, count):
    if name.endswith("h5"):
        pytest.importorskip("h5py")
    scan = ProjectionStack(
        np.broadcast_to(np.float32(0), (9, 20, 30)),
        2.0 * np.arange(9),
        Geometry(),
        "simulated",
        "a test",
        ("Simulated.",),
        5,
    )
    path = tmp_path / name
    with StackWriter(path, scan, "simulated", compress=compress) as writer:
        for index in range(count):
            writer.write(np.full((20, 30), index + 1.0))
        writer.keep()
    assert list(tmp_path.iterdir()) == [path]
    found = read_stack(path)
    assert found.shape == (count, 20, 30)
    np.testing.assert_array_equal(found.omega, 2.0 * np.arange(count))
    assert found.frame(count - 1).min() == found.frame(count - 1).max() == count
    assert (found.geometry, found.kind, found.seed) == (Geometry(), "simulated", 5)
    assert found.history == ("Simulated.",)


def test_nothing_written_is_nothing_kept(tmp_path):
    scan = ProjectionStack(np.zeros((2, 3, 4), np.float32))
    with (
        pytest.raises(ValueError, match="0 of 2"),
        StackWriter(tmp_path / "a.tif", scan, "simulated") as writer,
    ):
        writer.keep()
    assert not list(tmp_path.iterdir())
