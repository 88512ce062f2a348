"""The loss: pixels, features of a VGG16, and their Gram matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.hovad2020.vgg import VggFeatures
from napari_labdct.learning.hovad2020.weights import load_imagenet

if TYPE_CHECKING:
    from pathlib import Path

LESSON_WEIGHTS = (5.0, 15.0, 2.0)
"""Weights of the three VGG outputs in the lesson the paper builds on."""

LESSON_GRAM = 5000.0
"""Factor of the Gram terms in that lesson, beside the squared weights."""


class PerceptualSettings(Parameters):
    """What a prediction is charged for."""

    weighting: Literal["paper", "lesson7"] = Field(
        "paper",
        description="Weights of the terms: the paper's equation (all 1), or the "
        "fastai lesson it builds on (5, 15, 2; VGG16 with batch normalisation).",
    )
    perceptual: Literal["imagenet", "random", "none"] = Field(
        "imagenet",
        description="Weights of the VGG16 that compares features; none compares "
        "pixels alone.",
    )
    gram: bool = Field(True, description="Compare Gram matrices of features too.")
    vgg_width: int = Field(
        64,
        ge=2,
        le=64,
        description="Feature maps of the VGG's first stage; VGG16: 64.",
    )

    @property
    def vgg(self) -> str:
        """Name of the network that compares features."""
        return "vgg16" if self.weighting == "paper" else "vgg16_bn"


def gram(features: Tensor) -> Tensor:
    """Gram matrices F Fᵀ / (C H W) of features (batch, C, H, W): (batch, C, C)."""
    batch, channels, rows, columns = features.shape
    flat = features.reshape(batch, channels, rows * columns)
    return flat @ flat.mT / (channels * rows * columns)


class PerceptualLoss(nn.Module):
    """‖ŷ − y‖₁/(CHW) + Σⱼ (‖φⱼ(ŷ) − φⱼ(y)‖₁/(CⱼHⱼWⱼ) + gⱼ), j = 0, 1, 2.

    φⱼ are the last outputs of VGG16 before its third, fourth and fifth pooling, gⱼ
    compares their Gram matrices: as the squared Frobenius norm of the difference
    (J. Johnson, A. Alahi and L. Fei-Fei, ECCV 2016, which the paper cites) in the
    weighting ``"paper"``; as their mean absolute difference, with the weights of
    the lesson, in ``"lesson7"``.

    Parameters
    ----------
    settings
        Which terms, and their weights.
    features
        The VGG that compares; None compares pixels alone.
    """

    def __init__(
        self, settings: PerceptualSettings, features: nn.Module | None
    ) -> None:
        super().__init__()
        self.settings = settings
        self.features = features
        if features is not None:
            features.requires_grad_(False)

    def train(self, mode: bool = True) -> PerceptualLoss:
        """The VGG is never trained: its BatchNorm keeps its statistics."""
        return super().train(False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Loss of images (batch, 3, rows, columns), averaged over the batch."""
        loss = functional.l1_loss(prediction, target)
        if self.features is None:
            return loss
        with torch.no_grad():
            wanted = self.features(target)
        paper = self.settings.weighting == "paper"
        weights = (1.0, 1.0, 1.0) if paper else LESSON_WEIGHTS
        for weight, seen, truth in zip(
            weights, self.features(prediction), wanted, strict=True
        ):
            loss = loss + weight * functional.l1_loss(seen, truth)
            if self.settings.gram:
                difference = gram(seen) - gram(truth)
                if paper:
                    loss = loss + difference.square().sum((1, 2)).mean()
                else:
                    loss = loss + weight**2 * LESSON_GRAM * difference.abs().mean()
        return loss


def build_loss(
    settings: PerceptualSettings,
    weights: Path | str | None = None,
    *,
    download: bool = False,
) -> tuple[PerceptualLoss, str]:
    """The loss with its VGG, and in words where that has its weights from.

    Random weights are drawn from PyTorch's current random state.

    Raises
    ------
    InputError
        If ImageNet weights are wanted and missing.
    """
    if settings.perceptual == "none":
        return PerceptualLoss(settings, None), "none"
    vgg = VggFeatures(settings.vgg, settings.vgg_width)
    source = "random"
    if settings.perceptual == "imagenet":
        file = load_imagenet(vgg, settings.vgg, weights, download=download)
        source = f"imagenet ({file.name})"
    return PerceptualLoss(settings, vgg), f"{settings.vgg}, {source}"
