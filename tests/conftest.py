"""Stacks that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.core import BeamStop, Detector, Geometry, ProjectionStack


def draw_stack(count: int = 5, rows: int = 96, columns: int = 128, seed: int = 0):
    """Spots that move with ω over a background that stays; counts, uint16."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:rows, :columns]
    distance = np.hypot(row - rows / 2, column - columns / 2)
    background = 300 + 400 * np.exp(-((distance / (0.6 * rows)) ** 2))
    stop = (np.abs(row - rows / 2) < rows / 8) & (np.abs(column - columns / 2) < 12)
    background = np.where(stop, 120.0, background)
    frames = np.empty((count, rows, columns), np.uint16)
    for frame in frames:
        spots = np.zeros((rows, columns))
        for height in np.geomspace(60, 3000, 12):
            at = rng.uniform((8, 8), (rows - 8, columns - 8))
            squares = (row - at[0]) ** 2 + (column - at[1]) ** 2
            spots += height * np.exp(-squares / (2 * 1.5**2))
        frame[:] = rng.poisson(background + np.where(stop, 0, spots))
    size = 6.72
    return ProjectionStack(
        frames,
        omega_deg=-10 + 2.0 * np.arange(count),
        geometry=Geometry(
            detector=Detector(rows=rows, columns=columns, pixel_size=size),
            beam_stop=BeamStop(height=rows / 4 * size / 1000, width=24 * size / 1000),
        ),
        kind="simulated",
        source="drawn for a test",
        history=("Drawn.",),
        seed=seed,
    )


@pytest.fixture
def small_stack() -> ProjectionStack:
    """Five noisy projections of 96 × 128 pixels."""
    return draw_stack()


class Threshold:
    """Stands in for the network: keeps what lies well above the noise."""

    name = "threshold"
    device = "cpu"

    def clean_frame(self, frame, statistics, centre=None):
        """Clean one frame as `Denoiser.clean_frame` does."""
        from napari_labdct.learning import Cleaned

        above = frame - statistics.background
        smooth = ndimage.gaussian_filter(above, 1)
        kept = ndimage.binary_dilation(smooth > 1.5 * statistics.sigma)
        image = np.where(kept, np.maximum(above, 0), 0).astype(np.float32)
        return Cleaned(image, kept.astype(np.float32))


@pytest.fixture
def threshold() -> Threshold:
    """A denoiser that needs no training."""
    return Threshold()


def pytest_collection_modifyitems(config, items):
    """Tests that take minutes run only when asked for: pytest -m soak."""
    if "soak" in (config.option.markexpr or ""):
        return
    skip = pytest.mark.skip(reason="takes minutes: ask for it with -m soak")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def real_frames() -> Path:
    """Folder of measured frames that are not part of the project."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "iron"
    folder = Path(os.environ.get("LABDCT_REAL_FRAMES", beside))
    if not folder.is_dir():
        pytest.skip("no measured frames: set LABDCT_REAL_FRAMES to their folder")
    return folder
