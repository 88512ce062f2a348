"""Clean a frame with a network of this recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_labdct.learning.hovad2020.grey import (
    ALPHA,
    denormalised,
    eight_bit,
    network_input,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.learning.hovad2020.dynamic_unet import DynamicUNet


def clean_whole(
    model: DynamicUNet, frame: NDArray[np.float32], device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Clean one frame in one piece.

    The network knows grey values of 8 bit and nothing of noise: its answer where no
    spot is lies near black but not exactly at it, spots brighter than white are
    cut off, and a spot keeps the background it stands on. (The network was taught
    to return spots as it sees them.)

    Parameters
    ----------
    model
        The network.
    frame
        Grey values, shape (rows, columns).
    device
        Where the network is.

    Returns
    -------
    image
        Grey values of the frame above the network's black, linear, shape (rows,
        columns); 0 and above.
    probability
        The network's grey value on a scale from 0 at its black to one half at 2 α,
        twice what counts as spot in a content image; at most 1, shape (rows,
        columns). It is no probability that was learned.
    """
    scaling = model.settings.scaling
    slope, offset = scaling.of(frame)
    if slope == 0:
        return np.zeros_like(frame), np.zeros_like(frame)
    answer = predicted_grey(model, eight_bit(frame, slope, offset), device)
    image = np.maximum(answer - scaling.black, 0) / slope
    half = 2 * ALPHA - scaling.black
    probability = np.clip((answer - scaling.black) / (2 * half), 0, 1)
    return image.astype(np.float32), probability.astype(np.float32)


def predicted_grey(
    model: DynamicUNet, grey: NDArray[np.uint8], device: torch.device
) -> NDArray[np.float32]:
    """The network's answer as it was trained to give it.

    Parameters
    ----------
    model
        The network.
    grey
        Grey values of 8 bit, shape (rows, columns).
    device
        Where the network is.

    Returns
    -------
    answer
        Grey values on the scale of 8 bit, same shape; where no spot is, near the
        black of the content images, `FrameScaling.black`.
    """
    with torch.inference_mode():
        x = network_input(grey[None], device)
        answer = denormalised(model(x.contiguous(memory_format=torch.channels_last)))
    return np.asarray(answer[0].cpu().numpy(), np.float32)
