"""Every way to spots on simulated scans that look measured, each at its best threshold.

Far field, Laue focusing and magnified; samples that no network was trained on. The
magnified sample is small, as it has to be for its spots to lie apart: `crowded` is what
becomes of a large one.

    python benchmarks/bench_simulated.py [way ...] [--scans NAME ...] [--csv FILE]
"""

import argparse
from itertools import pairwise
from pathlib import Path

import pandas as pd

from napari_labdct.analysis import ConventionalSettings, FindSettings
from napari_labdct.analysis.match import SNR_BINS, sweep
from napari_labdct.core import drained
from napari_labdct.workflows.evaluate import (
    iter_simulated,
    iter_ways,
    score_simulated,
)
from napari_labdct.workflows.routes import DOUBTFUL, LOOSE, NETWORK, ROUTES, Way
from napari_labdct.workflows.virtual_sample import CylinderSample
from napari_labdct.workflows.virtual_scan import VirtualScan

SEED = 20260
FRAMES, STEP = 36, 2.0

# What suits the spots of each set-up: width of the recipe's Laplacian and of the
# single-frame filters, tolerance [px].
SUITED = {
    "farfield-100": (1.5, 2.5),
    "hovad2020": (2.5, 6.0),
    "magnified": (6.0, 8.0),
    "crowded": (10.0, 15.0),
}
SHOWN = ["route", "precision", "recall", "f1", "distance_px", "intensity_ratio"]
USUAL = tuple(SUITED)[:3]
SMALL = CylinderSample(
    diameter=150, height=200, grain_size=40, grain_size_sd=12, element_size=4
)


def scan_of(name):
    """The virtual scan with fewer frames, as close in angle, and a seed of its own."""
    scan = VirtualScan.preset("magnified" if name == "crowded" else name)
    sample = SMALL if name == "magnified" else scan.sample
    plan = scan.plan.model_copy(update={"count": FRAMES, "omega_step": STEP})
    return scan.model_copy(update={"sample": sample, "plan": plan, "seed": SEED})


def way_of(name):
    """Settings that suit the set-up."""
    width, _ = SUITED[name]
    return Way(
        find=FindSettings(false_alarms=LOOSE, least_probability=DOUBTFUL),
        conventional=ConventionalSettings(log_sigma=width, least_area=4, offset=1.0),
        band_sigma=width,
    )


def best_by_snr(tables, truth, tolerance):
    """Highest F1 of each way among spots of each SNR alone, whatever the threshold."""
    bins = list(pairwise(SNR_BINS[1:]))
    rows = {}
    for way, found in tables.items():
        rows[way] = [
            sweep(found, truth, tolerance, least_snr=low, most_snr=high, steps=50)[
                "f1"
            ].max()
            for low, high in bins
        ]
    names = [f"{low:g}-{high:g}" for low, high in bins]
    return pd.DataFrame.from_dict(rows, "index", columns=names)


def main():
    """Print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", default=[], help=", ".join(ROUTES))
    parser.add_argument("--scans", nargs="*", default=USUAL, help=", ".join(SUITED))
    parser.add_argument("--csv", type=Path, default=None)
    given = parser.parse_args()
    ways = given.ways or list(ROUTES)
    denoiser = None
    if set(ways) & set(NETWORK):
        from napari_labdct.learning import Denoiser

        denoiser = Denoiser.default()
    tables = []
    for name in given.scans:
        stack, truth = drained(iter_simulated(scan_of(name)))
        steps = iter_ways(stack, ways, denoiser=denoiser, way=way_of(name))
        found, tolerance = drained(steps), SUITED[name][1]
        scores = score_simulated(found, truth, tolerance)
        print(f"{name}: {len(truth) / FRAMES:.0f} spots a frame; SNR 2 to 10:")
        print(scores[SHOWN].round(3).to_string(index=False))
        print("F1 by SNR:")
        parts = {n: n[3:].replace("_", "-") for n in scores if n.startswith("f1_")}
        by_snr = scores.set_index("route")[list(parts)].rename(columns=parts)
        print(by_snr.drop(columns="above").round(2).to_string())
        print("F1 by SNR, at the threshold that suits each SNR best:")
        best = best_by_snr(found, truth, tolerance)
        print(best.round(3).to_string(), "\n", flush=True)
        tables.append(scores.assign(scan=name))
    if given.csv:
        pd.concat(tables).to_csv(given.csv, index=False)


if __name__ == "__main__":
    main()
