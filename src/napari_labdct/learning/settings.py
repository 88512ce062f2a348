"""Every number of a training run of the default recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.corruption import MeasuredLook
from napari_labdct.learning.losses import LossSettings
from napari_labdct.learning.unet import UNetSettings


class TrainingSettings(Parameters):
    """Everything a training run depends on, besides the clean projections."""

    epochs: int = Field(20, ge=1, le=10000, description="Epochs.")
    steps: int = Field(200, ge=1, le=100000, description="Batches per epoch.")
    validation_steps: int = Field(
        12, ge=1, le=10000, description="Batches of validation after every epoch."
    )
    batch: int = Field(4, ge=1, le=1024, description="Crops per batch.")
    crop: int = Field(256, ge=32, le=2048, description="Side of a crop [px].")
    learning_rate: float = Field(
        2e-3, gt=0, le=1, description="Highest learning rate, after the warm-up."
    )
    weight_decay: float = Field(
        1e-4, ge=0, le=1, description="Decoupled weight decay (AdamW)."
    )
    averaging: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Decay of the running average of the weights that is kept.",
    )
    patience: int = Field(
        0,
        ge=0,
        le=10000,
        description="Stop after this many epochs without improvement; 0 never stops.",
    )
    seed: int = Field(0, ge=0, description="Seed of weights and examples.")
    threads: int = Field(
        2, ge=1, le=64, description="Threads that draw examples ahead."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="What the network computes in while it trains: bfloat16 is "
        "quicker where the hardware has it, and then what auto takes. Weights and "
        "losses stay float32.",
    )
    network: UNetSettings = UNetSettings()
    loss: LossSettings = LossSettings()
    look: MeasuredLook = MeasuredLook()
