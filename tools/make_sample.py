"""Make the sample scan that comes with the package: simulated, with noise.

    python tools/make_sample.py [folder]

Twelve projections of a virtual aluminium sample, 400 × 400 pixels; the same
without noise and the true spots stand beside them.
"""

import sys
from pathlib import Path

import numpy as np

from napari_labdct.core import (
    BeamStop,
    Detector,
    Geometry,
    ScanPlan,
)
from napari_labdct.files import sample_path, write_spots, write_stack
from napari_labdct.physics import SimulationSettings
from napari_labdct.workflows.measured_scan import MeasuredScan, ScanLook
from napari_labdct.workflows.virtual_sample import Beam, CylinderSample
from napari_labdct.workflows.virtual_scan import VirtualScan

SCAN = VirtualScan(
    name="virtual aluminium",
    crystal="Al",
    sample=CylinderSample(
        diameter=320, height=420, grain_size=90, grain_size_sd=25, element_size=10
    ),
    beam=Beam(kvp=140),
    geometry=Geometry(
        source_to_sample=14,
        sample_to_detector=14,
        detector=Detector(rows=400, columns=400, pixel_size=17, blur_sigma=0.9),
        beam_stop=BeamStop(height=1.3, width=1.2),
    ),
    plan=ScanPlan(omega_start=-44, omega_step=8, count=12, exposure=600),
    settings=SimulationSettings(families=5),
    seed=4,
)
LOOK = ScanLook(photons=500, typical_peak=7, gain=1.5, streaks=1.5)


def main(folder: Path) -> None:
    clean, truth = SCAN.simulate()
    detector = MeasuredScan.draw(clean.frame(0), SCAN.geometry, LOOK, seed=SCAN.seed)
    frames = [detector.expose(clean.frame(i), i) for i in range(len(clean))]
    stack = clean.with_images(np.stack(frames), "corrupted", "Made to look measured.")
    folder.mkdir(parents=True, exist_ok=True)
    path = write_stack(stack, folder / "scan.tif", compress=True)
    photons = np.rint(np.asarray(clean.images)).astype(np.uint16)
    whole = clean.with_images(photons, "simulated", "Rounded to whole photons.")
    write_stack(whole, folder / "clean.tif", compress=True)
    write_spots(detector.in_grey_values(truth), folder / "truth.csv")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(truth)} spots")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else sample_path().parent)
