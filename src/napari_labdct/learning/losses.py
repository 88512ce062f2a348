"""What a prediction is charged for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch.nn import functional

from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from torch import Tensor


class LossSettings(Parameters):
    """Weights of the default loss."""

    spot_weight: float = Field(
        10, ge=0, le=1000, description="Extra weight of pixels that belong to a spot."
    )
    detection: float = Field(
        20, ge=0, le=1000, description="Weight of the detection (cross-entropy) part."
    )
    flux: float = Field(
        0.1, ge=0, le=100, description="Weight of the spots' summed intensity."
    )


def default_loss(prediction: Tensor, target: Tensor, settings: LossSettings) -> Tensor:
    """Spot-weighted L1 in arcsinh of noise units, flux, and detection.

    A bare L1 on sparse spots collapses to an empty image: nearly every pixel is
    background, and an empty image is nearly right. Weight on the spots prevents it.

    Parameters
    ----------
    prediction
        (batch, 2, rows, columns): cleaned image in arcsinh of noise units, and
        the logit that a pixel belongs to a spot.
    target
        (batch, 3, rows, columns): the clean image in the same units, whether the
        pixel belongs to a spot (0 or 1), and whether that can be known (0 or 1).
    settings
        Weights.

    Returns
    -------
    loss
        Scalar.
    """
    image, logit = prediction[:, 0], prediction[:, 1]
    truth, spot, known = target[:, 0], target[:, 1], target[:, 2]
    weight = 1 + settings.spot_weight * (truth > 0.3).to(truth.dtype)
    pixel = (weight * (image - truth).abs()).mean()
    # Intensity over a spot's neighbourhood, in noise units, on a relative scale:
    # the median that L1 seeks would lose part of every weak spot.
    sums = [_neighbourhood(torch.sinh(x.clamp(-1, 12))) for x in (image, truth)]
    near = (sums[1] > 0.5).to(truth.dtype)
    relative = (sums[0] - sums[1]).abs() / (1 + sums[1].abs())
    flux = (near * relative).sum() / near.sum().clamp(min=1)
    entropy = functional.binary_cross_entropy_with_logits(logit, spot, reduction="none")
    detection = (known * entropy).mean()
    return pixel + settings.flux * flux + settings.detection * detection


def _neighbourhood(image: Tensor) -> Tensor:
    """Mean over 7 × 7 pixels."""
    return functional.avg_pool2d(image[:, None], 7, stride=1, padding=3)[:, 0]
