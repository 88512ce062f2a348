"""The paper's numbers beside ours, and what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_labdct.workflows.reproduce_figures import NAMES

if TYPE_CHECKING:
    import pandas as pd

    from napari_labdct.learning.hovad2020 import Hovad2020Settings
    from napari_labdct.workflows.reproduce_figures import Trial

OPEN = {
    "Background Δ drawn for every pixel (or every image)": "content.per_pixel",
    "How 1015 px become the size trained on": "content.fit",
    "Grey value (16 bit) of pixels without photons": "network.scaling.pedestal",
    "Outputs of VGG and weights of the terms": "loss.weighting",
    "Where the VGG's weights come from": "loss.perceptual",
    "Gram matrices compared": "loss.gram",
    "Where the encoder's weights come from": "encoder",
    "Feature maps of the first stage (64: ResNet34)": "network.width",
    "Percentile of a projection that becomes white": "content.white_percentile",
    "Learning rate searched anew (or the 0.01 given)": "find_rate",
    "Highest learning rate once all layers train": "unfrozen_rate",
    "Epochs without improvement that end it": "patience",
    "Every second image mirrored": "content.flips",
    "Percentile of a measured frame that becomes white": (
        "network.scaling.white_percentile"
    ),
}
"""Questions that the paper does not answer, and the setting that does."""

EMPTY = 0.5
"""Part of the grey values of spots below which a network has all but lost them."""

COLLAPSED = (
    "The network of the recipe has all but lost the spots: on few small spots an empty "
    "image is nearly right, and short trainings with random weights settle there. What "
    "it leaves of noise and gradient says little then."
)


@dataclass
class Numbers:
    """What the report says; filled while the job goes on.

    Attributes
    ----------
    recipe, binning
        As in `Size`.
    grains, spots
        Grains of the virtual sample, and spots of each projection.
    seconds
        Time that training took, of all epochs [s].
    cleaning, quality
        Seconds a frame, and `Quality`, by network.
    fidelity
        How the recipe's network answers the kind of input it was trained on.
    """

    recipe: Hovad2020Settings
    binning: int
    grains: int = 0
    spots: list[int] = field(default_factory=list)
    seconds: float = 0.0
    cleaning: dict[str, float] = field(default_factory=dict)
    fidelity: Fidelity | None = None
    quality: dict[str, Quality] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    best_epoch: int = 0
    epochs: int = 0

    def of_model(self, config: dict[str, Any], history: pd.DataFrame) -> None:
        """Take in what the trained model's folder says."""
        self.config, self.epochs = config, len(history)
        self.seconds = float(history["seconds"].sum())
        best = int(history["validation_loss"].argmin())
        self.best_epoch = int(history["epoch"].iloc[best])


@dataclass(frozen=True)
class Quality:
    """How good a cleaned frame is.

    Attributes
    ----------
    kept
        Grey values of spots above 3 σ: output over truth, by least squares.
    noise
        Scatter of the output where no spot is, of the input's.
    gradient
        The same of what is left after smoothing: slow changes of the background.
    """

    kept: float
    noise: float
    gradient: float


@dataclass(frozen=True)
class Fidelity:
    """How near an answer is to a content image, in grey values of 8 bit.

    Attributes
    ----------
    bright, dark
        Grey values of spots brighter and darker than the background, above black:
        answer over content, by least squares.
    background
        Mean and scatter of the answer where no spot is; 4 in a content image.
    """

    bright: float
    dark: float
    background: tuple[float, float]


def fidelity(trial: Trial, background: float) -> Fidelity:
    """Judge the recipe's answer to a synthetic input of that background."""
    content, answer = trial.truth, trial.answers["paper"]
    black = float(content.min())
    empty = trial.frame != content

    def slope(chosen: Any) -> float:
        true, seen = content[chosen] - black, answer[chosen] - black
        return float(np.sum(seen * true) / max(1.0, float(np.sum(true**2))))

    rest = answer[empty]
    return Fidelity(
        slope(~empty & (content > background)),
        slope(~empty & (content < background)),
        (float(rest.mean()), float(rest.std())),
    )


def quality(trial: Trial, name: str) -> Quality:
    """Judge a network's answer by the truth."""
    truth, answer = trial.truth, trial.answers[name]
    sigma = trial.statistics.sigma
    spot = truth > 3 * sigma
    quiet = ndimage.maximum_filter(truth / sigma, 9) < 0.3
    share = np.maximum(ndimage.gaussian_filter(quiet.astype(float), 6), 1e-6)

    def slow(image: Any) -> float:
        smooth = ndimage.gaussian_filter(np.where(quiet, image, 0).astype(float), 6)
        return float(np.std((smooth / share)[quiet]))

    kept = float(np.sum(answer[spot] * truth[spot]) / np.sum(truth[spot] ** 2.0))
    return Quality(
        kept=kept,
        noise=float(np.std(answer[quiet]) / np.std(trial.frame[quiet])),
        gradient=slow(answer) / slow(trial.frame),
    )


def report(numbers: Numbers) -> str:
    """The report, in Markdown."""
    recipe, about = numbers.recipe, numbers.config.get("about", {})
    rows = [
        ("grains of the virtual sample", "144", numbers.grains),
        (
            "spots a projection",
            "625 ± 22",
            f"{np.mean(numbers.spots):.0f} ± {np.std(numbers.spots):.0f}",
        ),
        ("projections", "181", len(numbers.spots)),
        ("images", "163 trained on, 18 validation", about.get("images", "")),
        ("pixels joined along a side", "2 (1015 px to 500)", numbers.binning),
        ("side of an image [px]", "500", recipe.content.size),
        ("images a batch", "1", recipe.batch),
        ("highest learning rate", "0.01, by search", recipe.learning_rate),
        ("epochs with the encoder frozen", "10", recipe.frozen_epochs),
        ("epochs after, until the loss stops falling", "10", _after(numbers)),
        ("encoder", "pretrained", about.get("encoder", "")),
        ("perceptual network", "VGG16", about.get("perceptual", "")),
        ("training", "5 to 6 h, one RTX 2080", _duration(numbers.seconds)),
        (
            "cleaning a frame",
            "181 in a few seconds",
            ", ".join(f"{NAMES[n]} {s:.2f} s" for n, s in numbers.cleaning.items()),
        ),
    ]
    lines = ["# Hovad et al. 2020, reproduced", ""]
    lines += ["| | paper | here |", "|---|---|---|"]
    lines += [f"| {name} | {paper} | {here} |" for name, paper, here in rows]
    if (found := numbers.fidelity) is not None:
        level, scatter = found.background
        lines += ["", "## On the kind of input it was trained on (figure 1)", ""]
        lines += ["| of 8 bit | content image | recipe of Hovad et al. 2020 |"]
        lines += ["|---|---|---|"]
        lines += [
            f"| spots brighter than the background | 100% | {found.bright:.0%} |",
            f"| spots darker than it | 100% | {found.dark:.0%} |",
            f"| where no spot is | 4 | {level:.1f} ± {scatter:.1f} |",
        ]
    lines += ["", "## On a frame that looks measured (figures 4 and 5)", ""]
    lines += ["| | grey values of spots kept | noise left | gradient left |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {NAMES[name]} | {q.kept:.0%} | {q.noise:.1%} | {q.gradient:.1%} |"
        for name, q in numbers.quality.items()
    ]
    if numbers.quality["paper"].kept < EMPTY:
        lines += ["", COLLAPSED]
    lines += ["", "## What the paper leaves open, and the choice made", ""]
    lines += ["| question | setting | here |", "|---|---|---|"]
    lines += [
        f"| {question} | `{path}` | {_setting(recipe, path)} |"
        for question, path in OPEN.items()
    ]
    return "\n".join([*lines, ""])


def _after(numbers: Numbers) -> str:
    done = max(0, numbers.epochs - numbers.recipe.frozen_epochs)
    return f"{done}; lowest validation loss after epoch {numbers.best_epoch}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def _setting(recipe: Hovad2020Settings, path: str) -> Any:
    return reduce(getattr, path.split("."), recipe)
