"""Long scans: memory does not grow with the number of frames."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_labdct.core import ProjectionStack
from napari_labdct.files import StackWriter, read_stack
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.main_job import iter_clean_to_files

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="asks /proc for its memory"
)
SHAPE = (96, 112)


def resident_mb() -> float:
    """Memory of this process [MB], without what it has mapped of files.

    Mapped pages of a scan stay as long as nothing else wants the room.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(r"RssAnon:\s+(\d+) kB", status)
    return int(kilobytes) * 1024 / 1e6


def write_scan(path, count):
    """A scan of noise and one wandering spot, written frame by frame."""
    rng = np.random.default_rng(0)
    header = ProjectionStack(np.broadcast_to(np.uint16(0), (count, *SHAPE)))
    with StackWriter(path, header, "measured", dtype=np.uint16) as writer:
        for index in range(count):
            frame = rng.poisson(400, SHAPE)
            row, column = 20 + index % 60, 20 + (index * 7) % 70
            frame[row : row + 3, column : column + 3] += 900
            writer.write(frame)


def growth(folder, count, warm):
    """Memory gained between frame `warm` and the last one [MB]."""
    write_scan(folder / "scan.tif", count)
    scan, denoiser = read_stack(folder / "scan.tif"), Denoiser.default("cpu")
    kept = []
    steps = iter_clean_to_files(
        scan, denoiser, folder / "cleaned.tif", folder / "difference.tif"
    )
    for done in steps:
        if done.index >= warm:
            kept.append(resident_mb())
    assert len(read_stack(folder / "cleaned.tif")) == count
    return np.median(kept[-10:]) - np.median(kept[:10])


def test_memory_stays_flat_over_a_short_scan(tmp_path):
    # 60 frames of all that a frame takes would be 15 MB and more.
    assert growth(tmp_path, 90, 30) < 8


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_memory_stays_flat_over_a_thousand_frames(tmp_path):
    assert growth(tmp_path, 1000, 100) < 15
