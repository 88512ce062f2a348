"""Simulation as a job gives what the simulation itself gives, and goes on."""

from contextlib import closing
from itertools import islice

import numpy as np
import pytest

from napari_labdct.core import BeamStop, Detector, Geometry, InputError, ScanPlan
from napari_labdct.files import read_spots, read_stack
from napari_labdct.physics import SimulationSettings
from napari_labdct.workflows.frame_job import iter_job
from napari_labdct.workflows.simulate_job import SimulateJob
from napari_labdct.workflows.simulation_run import RunFiles, iter_to_files
from napari_labdct.workflows.virtual_sample import CylinderSample
from napari_labdct.workflows.virtual_scan import VirtualScan


def small(**changes):
    return VirtualScan(
        sample=CylinderSample(diameter=150, height=150, grain_size=60),
        geometry=Geometry(
            detector=Detector(rows=100, columns=120, pixel_size=66),
            beam_stop=BeamStop(height=3.24, width=3.24),
        ),
        plan=ScanPlan(count=6, omega_step=30),
        settings=SimulationSettings(workers=1),
        seed=4,
        **changes,
    )


@pytest.mark.parametrize("noise", [False, True])
def test_stopped_and_taken_up_it_is_the_simulation(tmp_path, noise):
    scan = small(noise=noise)
    files = RunFiles(tmp_path / "a.tif")
    list(iter_to_files(scan, files.frames))
    wanted = {"scan": files.frames, "labels": files.labels}
    wanted |= {"clean": files.clean} if noise else {}
    found = {name: tmp_path / f"b_{name}.h5" for name in wanted}
    for stop in (4, None):
        steps = iter_job(SimulateJob(scan=scan), found, tmp_path / "b.csv")
        with closing(steps):
            assert next(steps).done == (0 if stop else 3)
            for _ in islice(steps, stop and stop - 1):
                pass
    for name, path in found.items():
        one, other = read_stack(path), read_stack(wanted[name])
        np.testing.assert_array_equal(one.images, other.images)
        assert one.images.dtype == other.images.dtype
        assert one.history == other.history
        assert one.kind == other.kind
        assert one.seed == other.seed
    one, other = read_spots(tmp_path / "b.csv"), read_spots(files.spots)
    assert one.frame.equals(other.frame)
    assert len(one) > 20


def test_a_scan_without_spots_is_a_mistake(tmp_path):
    far = Geometry(
        sample_to_detector=5000, detector=Detector(rows=9, columns=9, pixel_size=1)
    )
    scan = small().model_copy(update={"geometry": far})
    with pytest.raises(InputError, match="No diffracted ray of the 6 projections"):
        list(iter_job(SimulateJob(scan=scan), {"scan": tmp_path / "a.tif"}))
    assert not (tmp_path / "a.tif").exists()
