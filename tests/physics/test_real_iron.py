"""Predicted places of spots against a measured far-field scan of pure iron.

Zhang & Lindkvist (2025), J. Appl. Cryst. 58, doi 10.1107/S1600576725001396. The frames
are no part of the project; the test is skipped where they are absent.
"""

import numpy as np
import pytest
import tifffile

from napari_labdct.physics import SimulationSettings, Simulator
from napari_labdct.workflows.virtual_sample import GrainListSample
from napari_labdct.workflows.virtual_scan import VirtualScan

pytestmark = pytest.mark.real


def spot_near(frame, noise, row, column, reach=4):
    """Centroid and contrast of the brightest thing near a place."""
    top, left = round(row) - reach, round(column) - reach
    patch = frame[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
    if patch.shape != (2 * reach + 1,) * 2:
        return None
    peak = np.unravel_index(patch.argmax(), patch.shape)
    if min(peak) == 0 or max(peak) == 2 * reach:
        return None  # the flank of another spot
    r, c = np.mgrid[-2:3, -2:3]
    at = (top + peak[0], left + peak[1])
    core = frame[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3].clip(0)
    if core.shape != (5, 5) or core.sum() < 25 * noise:
        return None
    return (
        at[0] + (core * r).sum() / core.sum(),
        at[1] + (core * c).sum() / core.sum(),
    )


@pytest.mark.parametrize("number", [0, 11, 23])
def test_strong_reflections_fall_on_real_spots(number, real_frames):
    scan = VirtualScan.preset("farfield-100")
    grains = GrainListSample(
        path=str(real_frames / "grains.csv"), grain_size=20, element_size=20
    )
    simulator = Simulator(
        scan.model_copy(update={"sample": grains}).polycrystal(),
        scan.geometry,
        scan.beam.spectrum(),
        settings=SimulationSettings(families=8),
    )
    omega = scan.plan.omega_deg[number]
    assert omega == 180 - 3 * number
    spots = simulator.project(float(omega)).spots.frame
    strong = spots.sort_values("photons").iloc[-150:]

    name = f"Iron_sample_tomo-B_Export{number + 1:04d}.tiff"
    frame = tifffile.imread(real_frames / name).astype(float)
    # as stored, rows run along +z and columns along +y: half a turn of ours
    frame = frame[::-1, ::-1]
    blocks = frame.reshape(128, 8, 128, 8)
    frame = (blocks - np.median(blocks, axis=(1, 3), keepdims=True)).reshape(
        frame.shape
    )
    noise = 1.4826 * np.median(np.abs(frame))
    distance = []
    for spot in strong.itertuples():
        found = spot_near(frame, noise, spot.row_px, spot.column_px)
        if found is not None:
            distance.append(np.hypot(found[0] - spot.row_px, found[1] - spot.column_px))
    assert len(distance) > 100
    assert np.median(distance) < 1
