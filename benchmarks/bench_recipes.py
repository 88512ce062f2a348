"""The paper's recipe beside the default one, trained on the same projections.

    python benchmarks/bench_recipes.py [--epochs 60] [--threads 1] [--weights FILE]

The small reproduction's projections (aluminium in Laue focusing, as in the paper,
2 × 2 pixels binned), networks and crops, so that a processor trains each in minutes;
every row sees the same number of crops. With the weights of torchvision's VGG16 (a file
of its own, see docs/hovad2020.md) the feature losses are those of the paper, else those
of a narrow network with random weights. Judged on copper, other seeds, made to look
measured (gradients, streaks that stay, photon noise, zingers), each frame by itself:

recall    true spots of peak height 3 to 10 σ and above 10 σ that are found among as
          many detections as there are true spots: maxima of the smoothed answer, or of
          the detection output where a network has one
flux      cleaned over true intensity of spots above 10 σ: median and scatter
corners   what is left there of the background's own variation
step      time of a training step with 4 crops of 96 × 96 px
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial import KDTree

from napari_labdct.calibration import measure_frame
from napari_labdct.learning import (
    Denoiser,
    MeasuredLook,
    TrainingSettings,
    UNetSettings,
    hovad2020,
    iter_epochs,
)
from napari_labdct.learning.corruption import (
    Scene,
    View,
    constant_background,
    draw_scene,
)
from napari_labdct.learning.hovad2020.grey import content_image
from napari_labdct.workflows.reproduce import SMALL_TRAINING, TRAINED_ON, Size
from napari_labdct.workflows.training_scans import iter_clean_projections

SIZE, CROP, BATCH, TOLERANCE = 384, 96, 4, 3.0
FEATURES = {
    "pixels, features": {"gram": False},
    "pixels, features, Gram": {"gram": True},
}


@dataclass(frozen=True)
class PaperLook:
    """The paper's corruption, for a network of the default recipe."""

    # As large as any projection, so that these decide on the crops.
    frames = np.broadcast_to(np.float32(0), (1, 4096, 4096))

    def scene(self, clean, side, rng):
        """A crop of a content image on a constant background."""
        row, column = (int(rng.integers(0, n - side + 1)) for n in clean.shape)
        part = np.s_[row : row + side, column : column + side]
        settings = Size.small().training
        content = content_image(
            clean,
            settings.network.scaling.pedestal,
            settings.content.white_percentile,
        )[part]
        frame = constant_background(content, rng).astype(np.float32)
        spots = np.where(content >= 5, content, 0).astype(np.float32)
        view = View.of_crop(clean.shape, (row, column), (side, side))
        return Scene(frame, spots, measure_frame(frame), view)


def scenes(count: int) -> list[Scene]:
    look = MeasuredLook(scan_fraction=0, faintest=4, brightest=20, fewest_photons=30)
    clean = iter_clean_projections(
        count, 90_000, materials=["Cu"], kinds={"Laue focusing": 1.0}, size=SIZE
    )
    whole = View.of_crop((SIZE, SIZE), (0, 0), (SIZE, SIZE))
    return [
        draw_scene(
            np.asarray(image, np.float32), whole, np.random.default_rng([7, n]), look
        )
        for n, image in enumerate(clean)
    ]


def peaks(image, least):
    top = (image == ndimage.maximum_filter(image, 5)) & (image > least)
    return np.argwhere(top), image[top]


def judge(denoiser: Denoiser, tests: list[Scene]) -> list[str]:
    """Recalls, flux and corners over all test frames."""
    hits, flux, left = {"3-10": [], ">10": []}, [], []
    for scene in tests:
        answer = denoiser.clean_frame(scene.frame, scene.statistics)
        sigma = scene.statistics.sigma
        ranked = ndimage.gaussian_filter(answer.image / sigma, 1.0)
        if isinstance(denoiser.config.get("recipe"), str) and (
            denoiser.config["recipe"] == "default"
        ):
            ranked = ndimage.gaussian_filter(answer.probability, 0.7)
        truth, height = peaks(scene.spots / sigma, 3)
        found, score = peaks(ranked, 0)
        if len(truth) == 0:
            continue
        found = found[np.argsort(-score)[: len(truth)]]
        near = np.full(len(truth), np.inf)
        if len(found):
            near, _ = KDTree(found).query(truth)
        hits["3-10"] += list(near[height <= 10] <= TOLERANCE)
        hits[">10"] += list(near[height > 10] <= TOLERANCE)
        true, got = (
            ndimage.uniform_filter(x, 9) * 81 for x in (scene.spots, answer.image)
        )
        bright = tuple(truth[height > 10].T)
        flux += list(got[bright] / true[bright])
        quiet = ndimage.maximum_filter(scene.spots / sigma, 15) < 0.02
        side = SIZE // 8
        parts = [
            np.s_[a, b]
            for a in (slice(side), slice(-side, None))
            for b in (slice(side), slice(-side, None))
        ]
        values = [
            answer.image[p][quiet[p]].mean() for p in parts if quiet[p].sum() > 50
        ]
        low, high = np.percentile(scene.statistics.background, [2, 98])
        if values:
            left.append(np.max(np.abs(values)) / max(high - low, 1e-6))
    a, middle, b = np.percentile(flux, [16, 50, 84])
    return [
        *(f"{np.mean(values):.2f}" for values in hits.values()),
        f"{middle:.2f} ± {(b - a) / 2:.2f}",
        f"{np.median(left):.1%}",
    ]


def paper(clean, loss, chosen, folder) -> tuple[Denoiser, float]:
    frozen = SMALL_TRAINING["frozen_epochs"]
    rest = chosen.epochs - frozen
    length = {"unfrozen_epochs": rest, "cycle": rest, "patience": rest}
    settings = hovad2020.Hovad2020Settings.model_validate(
        SMALL_TRAINING | length | {"loss": loss}
    )
    start = time.process_time()
    epochs = hovad2020.iter_epochs(
        clean, settings, folder, device="cpu", weights=chosen.weights
    )
    steps = sum(1 for _ in epochs) * (len(clean) * 9 // 10) / BATCH
    return Denoiser.load(folder, "cpu"), (time.process_time() - start) / steps


def default(clean, look, chosen, folder) -> tuple[Denoiser, float]:
    settings = TrainingSettings(
        epochs=12,
        steps=len(clean) * 9 // 10 * chosen.epochs // BATCH // 12,
        batch=BATCH,
        crop=CROP,
        validation_steps=4,
        threads=1,
        network=UNetSettings(base=16),
        look=MeasuredLook(scan_fraction=0),
    )
    start = time.process_time()
    if look is None:
        list(iter_epochs(clean, settings, folder, device="cpu"))
    else:
        from napari_labdct.learning import pairs

        usual, pairs.BANK = pairs.BANK, 1.0  # every crop is the paper's
        list(iter_epochs(clean, settings, folder, device="cpu", bank=look))
        pairs.BANK = usual
    steps = settings.epochs * settings.steps
    return Denoiser.load(folder, "cpu"), (time.process_time() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--weights", default=None, help="torchvision's VGG16")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    size = Size.small()
    scan = size.scan(TRAINED_ON, size.projections, 0)
    clean = [projection.image for projection in scan.iter_projections()]
    vgg = {"perceptual": "random", "vgg_width": 8}
    if chosen.weights:
        vgg = {"perceptual": "imagenet"}
    losses = {"pixels": {"perceptual": "none"}}
    losses |= {name: vgg | loss for name, loss in FEATURES.items()}
    tests = scenes(8)
    print("| recipe | loss | recall 3-10 σ | recall > 10 σ | flux | corners | step |")
    print("|---|---|---|---|---|---|---|")

    def row(recipe, loss, trained):
        denoiser, seconds = trained
        cells = judge(denoiser, tests)
        print(
            f"| {recipe} | {loss} | {' | '.join(cells)} | {seconds:.3f} s |", flush=True
        )

    with tempfile.TemporaryDirectory() as place:
        folders = (Path(place) / str(n) for n in range(9))
        for name, loss in losses.items():
            row("paper", name, paper(clean, loss, chosen, next(folders)))
        row(
            "default network, paper's corruption",
            "default",
            default(clean, PaperLook(), chosen, next(folders)),
        )
        row("default", "default", default(clean, None, chosen, next(folders)))
    row("default, as it comes", "default", (Denoiser.default("cpu"), float("nan")))


if __name__ == "__main__":
    main()
