"""How good a model is on simulated frames it never saw, for its model card.

    python benchmarks/bench_model.py [MODEL] [--frames 3] [--empty 6]

Copper samples with seeds that training does not use, in three set-ups, made to look
measured with ranges as in training; each frame once alone and once with its scan's
median. Prints a table in Markdown:

flux       median of cleaned over true intensity, summed over 9 × 9 px around spots,
           and its scatter (half the 16 to 84 % range), by peak height in noise units
corners    what is left in the corners where there is no spot, of the background's
           own variation over the frame
invented   spots found on frames without any, per frame, at the default threshold: of
           background and photon noise alone; with zingers, hot pixels and moving
           shadows; and with streaks that stay as well, mean and median
"""

from __future__ import annotations

import argparse
from unittest import mock

import numpy as np
import torch
from scipy import ndimage

from napari_labdct import ProjectionStack
from napari_labdct.analysis import FindSettings
from napari_labdct.calibration import TemporalMedian, combine, measure_frame
from napari_labdct.core import SpotTable
from napari_labdct.learning import Denoiser, MeasuredLook
from napari_labdct.learning.corruption import Scene, View, background, draw_scene
from napari_labdct.learning.corruption.background import static_streaks
from napari_labdct.workflows.cleanup import CleanFrame
from napari_labdct.workflows.spot_finding import chosen, spots_of
from napari_labdct.workflows.training_scans import KINDS, draw_simulator

BINS = ((2, 5), (5, 10), (10, 30), (30, 1000))
SIZE, SEED = 1024, 90_000


def scenes(kind: str, count: int, share: float, *, spots=True, streaks=True):
    """Frames of one set-up; `share` 1 with the scan's median, 0 without."""
    dim = 1.0 if streaks else 0.0
    look = MeasuredLook(scan_fraction=share, faintest=3, brightest=20)
    whole = View.of_crop((SIZE, SIZE), (0, 0), (SIZE, SIZE))
    for number in range(count):
        rng = np.random.default_rng([SEED, number, *kind.encode()])
        simulator = draw_simulator(rng, ["Cu"], {kind: 1.0}, SIZE)
        clean = simulator.project(float(rng.uniform(0, 360))).image
        with mock.patch.object(
            background, "static_streaks", lambda *of: dim * static_streaks(*of)
        ):
            scene = draw_scene(clean * spots, whole, rng, look)
        yield scene


def empty_scenes(count: int, share: float):
    """Gradients and photon noise, nothing else."""
    whole = View.of_crop((SIZE, SIZE), (0, 0), (SIZE, SIZE))
    for number in range(count):
        rng = np.random.default_rng([SEED, number, 1])
        level = float(10 ** rng.uniform(2, 3.3)) * background.gradients(rng, whole)
        frame = rng.poisson(level).astype(np.float32)
        if share:
            # A median of 31 frames has noise of its own.
            own = np.sqrt(level / 31) * 1.25 * rng.standard_normal(level.shape)
            median = TemporalMedian.from_image((level + own).astype(np.float32))
            statistics = combine(frame, median)
        else:
            statistics = measure_frame(frame)
        yield Scene(frame, np.zeros_like(frame), statistics, whole)


def cleaned(denoiser, scene) -> CleanFrame:
    """A scene as the package cleans it."""
    answer = denoiser.clean_frame(scene.frame, scene.statistics)
    return CleanFrame(0, scene.frame, answer, scene.statistics, denoiser.knows_noise)


def invented(denoiser, scenes) -> list[int]:
    """Spots found in each of some frames that have none.

    Of frames in their scan, all together tell direct hits of the sensor from spots.
    """
    scenes = list(scenes)
    done = [cleaned(denoiser, scene) for scene in scenes]
    if scenes[0].statistics.static is None:
        return [len(spots_of(one, 0.0)) for one in done]
    frames = np.stack([scene.frame for scene in scenes])
    stack = ProjectionStack(frames, None, None, "corrupted")
    tables = [
        SpotTable(spots_of(one, 0.0).frame.assign(projection=number))
        for number, one in enumerate(done)
    ]
    usual = FindSettings(companions=False, binning=1, elongation=1)
    found = chosen(SpotTable.concatenate(tables), stack, usual)
    return np.bincount(found.frame["projection"], minlength=len(scenes)).tolist()


def flux(scene, image) -> list[tuple[float, float]]:
    """Peak height in noise units and cleaned over true intensity of lone spots."""
    units = scene.spots / scene.statistics.sigma
    true, got = (ndimage.uniform_filter(x, 9) * 81 for x in (scene.spots, image))
    top = (units == ndimage.maximum_filter(units, 15)) & (units > BINS[0][0])
    # What saturates cannot be measured by anyone.
    top &= ndimage.maximum_filter(scene.frame, 9) < scene.frame.max()
    return list(zip(units[top], got[top] / true[top], strict=True))


def corners(scene, image) -> float:
    """Mean grey value left in spotless corners, of the background's variation."""
    side = SIZE // 8
    quiet = ndimage.maximum_filter(scene.spots / scene.statistics.sigma, 15) < 0.02
    parts = [
        np.s_[a, b]
        for a in (slice(side), slice(-side, None))
        for b in (slice(side), slice(-side, None))
    ]
    left = [
        image[part][quiet[part]].mean() for part in parts if quiet[part].sum() > 100
    ]
    low, high = np.percentile(scene.statistics.background, [2, 98])
    return float(np.max(np.abs(left)) / max(high - low, 1e-6)) if left else np.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="default")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--empty", type=int, default=6, help="frames without spots")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    denoiser = Denoiser.load(asked.model, "cpu")
    names = [f"flux {low}-{high} σ" for low, high in BINS]
    print(
        "| set-up | frame | "
        + " | ".join(names)
        + " | corners | invented, noise alone | no streaks | in full |"
    )
    print("|" + "---|" * (len(BINS) + 6))
    for kind in KINDS:
        for share, mode in ((0.0, "alone"), (1.0, "in its scan")):
            ratios, rest = [], []
            for scene in scenes(kind, asked.frames, share):
                image = cleaned(denoiser, scene).image
                ratios += flux(scene, image)
                rest.append(corners(scene, image))
            none = asked.empty, share
            plain = np.mean(invented(denoiser, empty_scenes(*none)))
            few, full = (
                invented(denoiser, scenes(kind, *none, spots=False, streaks=streaks))
                for streaks in (False, True)
            )
            height, ratio = np.array(ratios).T
            cells = []
            for low, high in BINS:
                part = ratio[(height >= low) & (height < high)]
                if part.size < 5:
                    cells.append("–")
                    continue
                a, middle, b = np.percentile(part, [16, 50, 84])
                cells.append(f"{middle:.2f} ± {(b - a) / 2:.2f}")
            print(
                f"| {kind} | {mode} | {' | '.join(cells)} | "
                f"{np.nanmedian(rest):.2%} | {plain:.1f} | {np.mean(few):.1f} | "
                f"{np.mean(full):.1f}, {np.median(full):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
