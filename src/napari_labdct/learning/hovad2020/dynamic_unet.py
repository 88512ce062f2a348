"""A U-Net on a ResNet34 encoder, in the manner of fastai's first version.

Written from the published structure: J. Howard and S. Gugger, "fastai: a layered API
for deep learning", Information 11, 108 (2020); the super-resolution lesson of their
2019 course, on which Hovad et al. 2020 build. Upsampling by pixel shuffle follows
W. Shi et al., CVPR 2016; its start that avoids checkerboards (ICNR) and the blur
follow A. Aitken et al., arXiv:1707.02937, and Y. Sugawara et al., arXiv:1806.02658;
weight normalisation follows T. Salimans and D. Kingma, NeurIPS 2016.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.hovad2020.grey import FrameScaling
from napari_labdct.learning.hovad2020.resnet import RESNET34, ResNetEncoder

Blocks = Annotated[int, Field(ge=1, le=64)]


class DynamicUNetSettings(Parameters):
    """Shape of the network, and how a frame is brought to what it sees."""

    width: int = Field(
        64,
        ge=2,
        le=128,
        multiple_of=2,
        description="Feature maps of the encoder's first stage; 64 in a ResNet34.",
    )
    blocks: tuple[Blocks, Blocks, Blocks, Blocks] = Field(
        RESNET34,
        description="Residual blocks of the encoder's stages; ResNet34: 3, 4, 6, 3.",
    )
    blur: bool = Field(
        True, description="Average 2 × 2 pixels after every pixel shuffle."
    )
    scaling: FrameScaling = FrameScaling()

    @property
    def is_resnet34(self) -> bool:
        """Whether published ImageNet weights fit the encoder."""
        return self.width == 64 and self.blocks == RESNET34


class DynamicUNet(nn.Module):
    """Images of 3 channels in, images of 3 channels out, of any size.

    Parameters
    ----------
    settings
        Shape of the network.
    """

    def __init__(self, settings: DynamicUNetSettings) -> None:
        super().__init__()
        self.settings = settings
        width, blur = settings.width, settings.blur
        self.encoder = ResNetEncoder(width, settings.blocks)
        deep = 8 * width
        self.middle = nn.Sequential(
            _batch_norm(deep),
            nn.ReLU(),
            *_conv_relu(deep, 2 * deep),
            *_conv_relu(2 * deep, deep),
        )
        self.up = nn.ModuleList()
        maps = deep
        for skip in (4 * width, 2 * width, width, width):
            last = len(self.up) == 3
            block = UpBlock(maps, skip, blur=blur, halve=last)
            self.up.append(block)
            maps = block.outside
        self.to_full_size = PixelShuffleUp(maps, maps, blur=blur)
        maps += 3
        self.cross = nn.Sequential(*_conv_relu(maps, maps), *_conv_relu(maps, maps))
        self.head = weight_norm(_conv(maps, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, 3, rows, columns) to the same shape."""
        *skips, deepest = self.encoder(x)
        y = self.middle(deepest)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            y = block(y, skip)
        y = _resized(self.to_full_size(y), x)
        y = torch.cat([y, x], 1)
        answer: Tensor = self.head(y + self.cross(y))
        return answer

    def groups(self) -> list[list[nn.Module]]:
        """Layers that share a learning rate: early encoder, late encoder, decoder."""
        encoder = self.encoder
        early = [encoder.conv1, encoder.bn1, encoder.layer1, encoder.layer2]
        late = [encoder.layer3, encoder.layer4]
        decoder = [self.middle, self.up, self.to_full_size, self.cross, self.head]
        return [list(early), list(late), list(decoder)]

    def freeze_encoder(self, frozen: bool) -> None:
        """Keep the encoder's convolutions as they are; its BatchNorm still trains."""
        for module in self.encoder.modules():
            trains = not frozen or isinstance(module, nn.BatchNorm2d)
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(trains)


class PixelShuffleUp(nn.Module):
    """Twice as many rows and columns: 1 × 1 convolution, ReLU, pixel shuffle, blur.

    Parameters
    ----------
    inside, outside
        Feature maps before and after.
    blur
        Average 2 × 2 pixels afterwards.
    """

    def __init__(self, inside: int, outside: int, *, blur: bool) -> None:
        super().__init__()
        conv = _conv(inside, 4 * outside, 1)
        # ICNR: the four pixels that come of one start equal.
        with torch.no_grad():
            conv.weight.copy_(conv.weight[::4].repeat_interleave(4, 0))
        self.conv = weight_norm(conv)
        self.blur = blur

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inside, rows, columns) to (batch, outside, 2 rows, 2 columns)."""
        x = functional.pixel_shuffle(functional.relu(self.conv(x)), 2)
        if self.blur:
            x = functional.pad(x, (1, 0, 1, 0), mode="replicate")
            x = functional.avg_pool2d(x, 2, stride=1)
        return x


class UpBlock(nn.Module):
    """One level up: enlarge, join what the encoder saw at that size, convolve twice.

    Parameters
    ----------
    inside
        Feature maps from below.
    skip
        Feature maps from the encoder.
    blur
        Blur after the pixel shuffle.
    halve
        Go on with half of the joined feature maps.
    """

    def __init__(self, inside: int, skip: int, *, blur: bool, halve: bool) -> None:
        super().__init__()
        joined = inside // 2 + skip
        self.outside = joined // 2 if halve else joined
        self.enlarge = PixelShuffleUp(inside, inside // 2, blur=blur)
        self.bn = _batch_norm(skip)
        self.convs = nn.Sequential(
            *_conv_relu(joined, self.outside), *_conv_relu(self.outside, self.outside)
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Join maps from below and from the encoder, at the encoder's size."""
        x = _resized(self.enlarge(x), skip)
        joined = functional.relu(torch.cat([x, self.bn(skip)], 1))
        answer: Tensor = self.convs(joined)
        return answer


def _conv(inside: int, outside: int, size: int = 3) -> nn.Conv2d:
    conv = nn.Conv2d(inside, outside, size, padding=size // 2)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # the stub allows no bias
    return conv


def _conv_relu(inside: int, outside: int) -> tuple[nn.Module, nn.Module]:
    return weight_norm(_conv(inside, outside)), nn.ReLU(inplace=True)


def _batch_norm(maps: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(maps)
    nn.init.constant_(norm.bias, 1e-3)
    return norm


def _resized(x: Tensor, like: Tensor) -> Tensor:
    """Nearest pixels where an odd size was rounded up on the way down."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return functional.interpolate(x, like.shape[-2:], mode="nearest")
