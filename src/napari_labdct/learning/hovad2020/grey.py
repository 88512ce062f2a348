"""Grey values of 8 bit: of simulated content images, and of measured frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field

from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

ALPHA = 5
"""Grey value below which a pixel of a content image counts as background."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and spread of ImageNet's colours (0 to 1): what its weights are used to."""


def content_image(
    photons: NDArray[np.floating], pedestal: int, white: float = 100
) -> NDArray[np.uint8]:
    """A clean projection as the grey values of 8 bit that the network learns.

    The brightest pixel becomes 65535 and pixels without photons become `pedestal`,
    of 16 bit; a division by 257 makes 8 bit of it.

    Parameters
    ----------
    photons
        Clean projection, shape (rows, columns).
    pedestal
        Grey value (16 bit) of pixels without photons.
    white
        Percentile of the projection that becomes 65535 in place of its brightest
        pixel; what is brighter is cut off there.
    """
    photons = np.asarray(photons, np.float64)
    # Spots on fewer pixels than the percentile leaves out are still to be seen.
    top = float(np.percentile(photons, white)) or float(photons.max())
    share = np.clip(photons / top, 0, 1) if top > 0 else np.zeros_like(photons)
    return np.rint((share * (65535 - pedestal) + pedestal) / 257).astype(np.uint8)


def normalised(grey: Tensor) -> Tensor:
    """Grey values (…, rows, columns) as 3 equal colours with ImageNet's statistics."""
    mean, std = (grey.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (grey[..., None, :, :] / 255 - mean) / std


def denormalised(colours: Tensor) -> Tensor:
    """Grey values (…, rows, columns) of images (…, 3, rows, columns): their mean."""
    mean, std = (colours.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return 255 * (colours * std + mean).mean(-3)


class FrameScaling(Parameters):
    """How a measured frame is brought to 8 bit: linearly, from two percentiles."""

    background_percentile: float = Field(
        50, ge=0, le=100, description="Percentile taken for the frame's background."
    )
    background_grey: float = Field(
        80, ge=0, le=254, description="Grey value (8 bit) the background is given."
    )
    white_percentile: float = Field(
        99.95, ge=0, le=100, description="Percentile that becomes white (255)."
    )
    pedestal: int = Field(
        926,
        ge=0,
        le=257 * ALPHA - 1,
        description="Grey value (16 bit) that content images have where no spot is.",
    )

    @property
    def black(self) -> float:
        """What the network was taught to answer where no spot is, of 8 bit."""
        return self.pedestal / 257

    def of(self, frame: NDArray[np.float32]) -> tuple[float, float]:
        """Slope and offset: grey = slope · frame + offset; slope 0 if it is flat."""
        background, white, top = (
            float(value)
            for value in np.percentile(
                frame, (self.background_percentile, self.white_percentile, 100)
            )
        )
        # Spots on fewer pixels than the percentile leaves out are still to be seen.
        white = white if white > background else top
        if white <= background:
            return 0.0, self.background_grey
        slope = (255 - self.background_grey) / (white - background)
        return slope, self.background_grey - slope * background


def eight_bit(
    frame: NDArray[np.float32], slope: float, offset: float
) -> NDArray[np.uint8]:
    """The frame as grey values of 8 bit, clipped at black and white."""
    grey = np.clip(np.rint(frame * slope + offset), 0, 255)
    return np.asarray(grey, np.uint8)


def network_input(grey: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Images (batch, rows, columns) of 8 bit as (batch, 3, rows, columns)."""
    return normalised(torch.from_numpy(grey).to(device, torch.float32))
