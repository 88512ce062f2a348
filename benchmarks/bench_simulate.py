"""How long the paper's scan takes, beside a plain NumPy simulation in the same run.

    python benchmarks/bench_simulate.py [--projections 181] [--device cpu]

The plain simulation (tests/physics/oracle.py) goes through grains and reflections one
by one, in double precision, vectorised over a grain's elements; it makes the same
spots and photons, and blurs the frame once. It is timed on a few projections.
"""

import argparse
import os
import platform
import resource
import sys
import time
from pathlib import Path

from napari_labdct.physics.projection import SimulationSettings, Simulator
from napari_labdct.workflows.virtual_scan import VirtualScan

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.physics import oracle


def plain_seconds(scan, sample, spectrum, angles):
    """Wall and processor seconds of a plain projection, and its spots."""
    start, used, spots = time.perf_counter(), time.process_time(), 0
    for omega in angles:
        found = list(
            oracle.spots(
                sample,
                scan.geometry,
                spectrum,
                float(omega),
                scintillator=scan.settings.scintillator,
                path=oracle.analytic_path,
            )
        )
        oracle.image(found, scan.geometry, scan.geometry.detector.blur_sigma)
        spots += len(found)
    wall, used = time.perf_counter() - start, time.process_time() - used
    return wall / len(angles), used / len(angles), spots / len(angles)


def scan_seconds(scan, sample, spectrum, angles, settings):
    """Wall and processor seconds of a scan, spots and photons of all its frames."""
    start, used = time.perf_counter(), time.process_time()
    simulator = Simulator(sample, scan.geometry, spectrum, settings=settings)
    spots, photons = 0, 0.0
    for projection in simulator.iter_projections(angles):
        spots += len(projection.spots)
        photons += float(projection.image.sum())
    wall = time.perf_counter() - start
    return wall, time.process_time() - used, spots / len(angles), photons


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--projections", type=int, default=181)
    options.add_argument("--plain", type=int, default=3, help="plain projections")
    options.add_argument("--device", default="cpu")
    options.add_argument("--workers", type=int, default=2)
    chosen = options.parse_args()

    scan = VirtualScan.preset("hovad2020")
    spectrum = scan.beam.spectrum()
    settings = SimulationSettings(device=chosen.device, workers=chosen.workers)
    start = time.perf_counter()
    sample = scan.polycrystal()
    made = time.perf_counter() - start
    angles = scan.plan.omega_deg[: chosen.projections]
    print(
        f"machine     {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"sample      {len(sample)} grains, {len(sample.centre)} elements, "
        f"made in {made:.2f} s"
    )

    scan_seconds(scan, sample, spectrum, angles[:2], settings)  # warm up
    wall, used, spots, photons = scan_seconds(scan, sample, spectrum, angles, settings)
    share = len(angles) / scan.plan.count
    print(
        f"scan        {len(angles)} projections of {scan.geometry.detector.shape} "
        f"on {chosen.device}, {chosen.workers} workers: {wall:.2f} s "
        f"({used:.1f} s of processor), {1000 * wall / len(angles):.0f} ms each, "
        f"{spots:.0f} spots each"
    )
    if share < 1:
        print(f"            {wall / share:.1f} s for all {scan.plan.count}")
    if chosen.plain:
        each, plain_used, plain_spots = plain_seconds(
            scan, sample, spectrum, angles[: chosen.plain]
        )
        print(
            f"plain NumPy {each:.2f} s each ({plain_spots:.0f} spots), "
            f"{each * scan.plan.count:.0f} s for {scan.plan.count}: "
            f"{each * len(angles) / wall:.0f} times as long, "
            f"{plain_used * len(angles) / used:.0f} times the processor's work"
        )
    fewer, *_ = scan_seconds(
        scan, sample, spectrum, angles[: len(angles) // 2], settings
    )
    print(f"half of the projections take {fewer / wall:.2f} of the time")
    some = angles[: min(len(angles), 20)]
    _, whole, *_ = scan_seconds(scan, sample, spectrum, some, settings)
    finer = scan.sample.model_copy(update={"element_size": 12 / 2 ** (1 / 3)})
    twice = scan.model_copy(update={"sample": finer}).polycrystal()
    _, double, *_ = scan_seconds(scan, twice, spectrum, some, settings)
    print(
        f"{len(twice.centre) / len(sample.centre):.2f} times the elements take "
        f"{double / whole:.2f} times the processor's work"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"memory      {peak:.2f} GB at most; photons {photons:.6g}")


if __name__ == "__main__":
    main()
