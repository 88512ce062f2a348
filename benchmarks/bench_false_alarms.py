"""How many spots are found where there is none, beside how many were asked for.

Three simulated scans of 12 projections each, without any spot, of the set-ups' own
sizes: `plain` is background and photon noise, `full` adds streaks that stay, drift,
zingers and hot pixels. Prints a table in Markdown: found a frame with the scan's
median, without and with the network, and by the network on single frames.

    python benchmarks/bench_false_alarms.py
"""

import numpy as np

from napari_labdct import ProjectionStack
from napari_labdct.analysis import FindSettings
from napari_labdct.core import drained
from napari_labdct.learning import Denoiser
from napari_labdct.workflows.measured_scan import MeasuredScan
from napari_labdct.workflows.scan_look import ScanLook
from napari_labdct.workflows.spot_finding import iter_spots
from napari_labdct.workflows.virtual_scan import VirtualScan

PROJECTIONS, SINGLE, SEEDS = 12, 6, (3, 4, 5)
ASKED = (0.5, 1, 10, 100)
SETUPS = {"far field": "farfield-100", "Laue focusing": "hovad2020"}
SETUPS |= {"magnified (bins of 4)": "magnified"}
LOOKS = {
    "plain": ScanLook(streaks=0, zinger_rate=0, hot_rate=0, drift=0),
    "full": ScanLook(),
}


def one(frame, geometry):
    """A frame without its scan."""
    return ProjectionStack(frame[None], None, geometry, "corrupted")


def empty_scan(preset, look, seed):
    """A scan of background and noise alone."""
    scan = VirtualScan.preset(preset)
    frame = scan.simulator().project(0.0).image
    measured = MeasuredScan.draw(frame, scan.geometry, look, seed)
    dark = np.zeros_like(frame)
    frames = np.stack([measured.expose(dark, i) for i in range(PROJECTIONS)])
    return ProjectionStack(frames, None, scan.geometry, "corrupted")


def found(stack, denoiser, asked, binning):
    """Spots a frame: without the network, with it, and by it on single frames."""
    settings = FindSettings(false_alarms=asked, binning=binning)
    whole = [drained(iter_spots(stack, way, settings)) for way in (None, denoiser)]
    alone = [
        drained(iter_spots(one(frame, stack.geometry), denoiser, settings))
        for frame in stack.images[::SINGLE]
    ]
    counts = [len(table) / len(stack) for table in whole]
    return [*counts, float(np.mean([len(table) for table in alone]))]


def main():
    """Print the table."""
    denoiser = Denoiser.default()
    print("| set-up |", " | ".join(f"asked {asked}" for asked in ASKED), "|")
    print("|---|" + "---|" * len(ASKED))
    for label, preset in SETUPS.items():
        binning = 4 if preset == "magnified" else 1
        for name, look in LOOKS.items():
            scans = [empty_scan(preset, look, seed) for seed in SEEDS]
            counts = np.mean(
                [[found(scan, denoiser, n, binning) for n in ASKED] for scan in scans],
                axis=0,
            )
            cells = [", ".join(f"{count:.1f}" for count in part) for part in counts]
            print(f"| {label}, {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
