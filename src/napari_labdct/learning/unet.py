"""The network: a plain U-Net behind a pixel-unshuffle, and what its answer means."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from napari_labdct.core.geometry import Parameters


class UNetSettings(Parameters):
    """Shape of a U-Net; what `config.json` says of it."""

    channels: int = Field(8, ge=1, le=64, description="Input channels.")
    outputs: int = Field(3, ge=1, le=8, description="Output channels.")
    base: int = Field(16, ge=4, le=256, description="Feature maps of the top level.")
    depth: int = Field(3, ge=1, le=6, description="Levels below the top one.")
    unshuffle: int = Field(
        2, ge=1, le=4, description="Side of the pixel blocks folded into channels."
    )

    @property
    def multiple(self) -> int:
        """Rows and columns are padded to a multiple of this [px]."""
        return self.unshuffle << self.depth

    @property
    def reach(self) -> int:
        """Pixels beyond which nothing changes an output pixel (half the field)."""
        # Two 3 × 3 convolutions on each level on the way down and up.
        levels = sum(4 << level for level in range(self.depth)) + (2 << self.depth)
        return self.unshuffle * (levels + (1 << self.depth) + 2)


def _pair(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outside, outside, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Plain 3 × 3 convolutions, no normalisation layers.

    Folding 2 × 2 pixels into channels first makes every layer four times cheaper
    and keeps all pixels; without batch statistics one frame alone gives the
    answer it gives in a batch, and intensities stay linear.

    Parameters
    ----------
    settings
        Shape of the network.
    """

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.settings = settings
        widths = [settings.base * 2**level for level in range(settings.depth + 1)]
        folded = settings.channels * settings.unshuffle**2
        self.down = nn.ModuleList(
            _pair(inside, outside)
            for inside, outside in zip([folded, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[:-1]
        )
        self.join = nn.ModuleList(_pair(2 * width, width) for width in widths[:-1])
        self.head = nn.Conv2d(
            widths[0], settings.outputs * settings.unshuffle**2, 3, padding=1
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, rows, columns) to (batch, outputs, rows, columns)."""
        rows, columns = x.shape[-2:]
        multiple = self.settings.multiple
        pad = (0, -columns % multiple, 0, -rows % multiple)
        if any(pad):
            x = functional.pad(x, pad, mode="replicate")
        x = functional.pixel_unshuffle(x, self.settings.unshuffle)
        kept = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for level in reversed(range(self.settings.depth)):
            x = torch.cat([self.up[level](x), kept[level]], 1)
            x = self.join[level](x)
        x = functional.pixel_shuffle(self.head(x), self.settings.unshuffle)
        return x[..., :rows, :columns]


class SpotNet(nn.Module):
    """A U-Net that says which share of the signal is spot, and where spots are.

    The cleaned image is g · signal + δ with a gate g between 0 and 1. A bright spot
    stands far above the noise and needs no more than g = 1, which keeps its
    intensity exactly linear; weak spots are what δ is for.

    Parameters
    ----------
    settings
        Shape of the U-Net; it has three outputs (gate, δ, detection).
    """

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.unet = UNet(settings)
        # Most pixels are background: start with the gate nearly closed.
        gates = settings.unshuffle**2
        with torch.no_grad():
            weight, bias = self.unet.head.parameters()
            weight.mul_(0.1)
            bias.zero_()
            bias[:gates] = -3.0
            bias[2 * gates :] = -4.0

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs to (batch, 2, rows, columns): cleaned image, detection logit.

        The first input channel is the signal, in arcsinh of noise units, and so is
        the cleaned image.
        """
        # Next to 1 the steps of bfloat16 are 0.4 %, too coarse for a gate.
        gate, rest, logit = self.unet(x).float().unbind(1)
        return torch.stack([torch.sigmoid(gate) * x[:, 0] + rest, logit], 1)
