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
        The network's grey value over 2 α, at most 1, shape (rows, columns): one
        half at α = 5, from which on a content image counts as spot.
    """
    scaling = model.settings.scaling
    slope, offset = scaling.of(frame)
    if slope == 0:
        return np.zeros_like(frame), np.zeros_like(frame)
    with torch.inference_mode():
        x = network_input(eight_bit(frame, slope, offset)[None], device)
        grey = denormalised(model(x.contiguous(memory_format=torch.channels_last)))[0]
    answer = grey.cpu().numpy()
    image = np.maximum(answer - scaling.black, 0) / slope
    probability = np.clip(answer / (2 * ALPHA), 0, 1)
    return image.astype(np.float32), probability.astype(np.float32)
