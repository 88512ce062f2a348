"""Every number of the recipe; the defaults are the paper's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNetSettings
from napari_labdct.learning.hovad2020.grey import ALPHA
from napari_labdct.learning.hovad2020.perceptual import PerceptualSettings


class ContentSettings(Parameters):
    """How training images are made of clean projections."""

    size: int = Field(
        500, ge=64, le=4096, description="Rows and columns of a training image [px]."
    )
    fit: Literal["crop", "resize"] = Field(
        "crop",
        description="How a projection is brought to that size: a part of it at full "
        "resolution, or the whole of it made smaller.",
    )
    white_percentile: float = Field(
        100,
        ge=50,
        le=100,
        description="Percentile of a projection that becomes white (255); 100 is its "
        "brightest pixel.",
    )
    flips: bool = Field(
        True, description="Mirror every second training image left to right."
    )
    threshold: int = Field(
        ALPHA, ge=1, le=255, description="α: darker pixels (8 bit) are background."
    )
    lowest: int = Field(25, ge=0, le=255, description="Lowest background Δ (8 bit).")
    highest: int = Field(225, ge=0, le=255, description="Highest background Δ (8 bit).")
    per_pixel: bool = Field(
        False, description="Draw the background Δ for every pixel, not every image."
    )

    @model_validator(mode="after")
    def _ordered(self) -> ContentSettings:
        if self.lowest > self.highest:
            raise ValueError("lowest must not exceed highest")
        return self


class Hovad2020Settings(Parameters):
    """Everything a training run depends on, besides the clean projections."""

    frozen_epochs: int = Field(
        10, ge=0, le=10000, description="Epochs with the encoder frozen."
    )
    unfrozen_epochs: int = Field(
        50, ge=0, le=10000, description="Most epochs afterwards, all layers training."
    )
    patience: int = Field(
        3,
        ge=1,
        le=10000,
        description="The second phase ends after this many epochs without a lower "
        "validation loss.",
    )
    cycle: int = Field(
        10,
        ge=1,
        le=10000,
        description="Epochs of a one-cycle schedule in the second phase; it repeats.",
    )
    batch: int = Field(1, ge=1, le=256, description="Images per batch.")
    learning_rate: float = Field(
        0.01, gt=0, le=10, description="Highest learning rate of the first phase."
    )
    find_rate: bool = Field(
        False,
        description="Search the learning rate before training (100 steps) in place of "
        "the one given.",
    )
    unfrozen_rate: float = Field(
        1e-3, gt=0, le=10, description="Highest learning rate of the second phase."
    )
    slowest_rate: float = Field(
        1e-5,
        gt=0,
        le=10,
        description="Learning rate of the encoder's first layers in the second phase.",
    )
    encoder_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Learning rate of the encoder's BatchNorm in the first phase, as "
        "part of the decoder's.",
    )
    rise: float = Field(
        0.9, gt=0, lt=1, description="Part of a cycle in which the learning rate rises."
    )
    weight_decay: float = Field(
        1e-3, ge=0, le=1, description="Decoupled weight decay (AdamW)."
    )
    validation_share: float = Field(
        0.1, gt=0, lt=1, description="Part of the projections kept for validation."
    )
    seed: int = Field(
        42, ge=0, description="Seed of the split, the weights and the examples."
    )
    encoder: Literal["imagenet", "random"] = Field(
        "imagenet", description="Weights that the encoder starts from."
    )
    content: ContentSettings = ContentSettings()
    network: DynamicUNetSettings = DynamicUNetSettings()
    loss: PerceptualSettings = PerceptualSettings()

    @property
    def epochs(self) -> int:
        """Most epochs of both phases."""
        return self.frozen_epochs + self.unfrozen_epochs

    def check(self) -> None:
        """Refuse settings that contradict each other.

        Raises
        ------
        InputError
            If ImageNet weights are wanted for a network they do not fit, or there
            is nothing to train.
        """
        if self.epochs == 0:
            raise InputError(
                "There is nothing to train: set frozen_epochs or unfrozen_epochs."
            )
        if self.encoder == "imagenet" and not self.network.is_resnet34:
            raise InputError(
                "ImageNet weights fit a whole ResNet34 only: set width 64 and blocks "
                "3, 4, 6, 3, or encoder random."
            )
        if self.loss.perceptual == "imagenet" and self.loss.vgg_width != 64:
            raise InputError(
                "ImageNet weights fit a whole VGG16 only: set vgg_width 64, or "
                "perceptual random."
            )
