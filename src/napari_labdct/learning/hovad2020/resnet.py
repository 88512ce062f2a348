"""The encoder: a ResNet without its classifier, under torchvision's weight names.

K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition",
CVPR 2016. Names of weights are those of torchvision's `resnet34`, so that its
published files can be read; torchvision itself is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

RESNET34 = (3, 4, 6, 3)
"""Residual blocks in the four stages of a ResNet34."""


def _conv(inside: int, outside: int, size: int, stride: int) -> nn.Conv2d:
    conv = nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut.

    Parameters
    ----------
    inside, outside
        Feature maps before and after.
    stride
        Pixels per step; 2 halves rows and columns.
    """

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv(inside, outside, 3, stride)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = _conv(outside, outside, 3, 1)
        self.bn2 = nn.BatchNorm2d(outside)
        self.stride = stride
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(
                _conv(inside, outside, 1, 1), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inside, rows, columns) to (batch, outside, …)."""
        shortcut = x
        if self.downsample is not None:
            # The same as a stride of the 1 × 1 convolution, whose gradient some
            # builds of PyTorch 2.13 write beyond their memory on a CPU.
            shortcut = self.downsample(x[..., :: self.stride, :: self.stride])
        out = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(out)) + shortcut)


class ResNetEncoder(nn.Module):
    """Stem and four stages of a ResNet of basic blocks.

    Parameters
    ----------
    width
        Feature maps of the first stage; 64 in a ResNet34.
    blocks
        Residual blocks in each stage; `RESNET34` in a ResNet34.
    """

    def __init__(self, width: int = 64, blocks: Sequence[int] = RESNET34) -> None:
        super().__init__()
        self.conv1 = _conv(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks[0], 1)
        self.layer2 = _stage(width, 2 * width, blocks[1], 2)
        self.layer3 = _stage(2 * width, 4 * width, blocks[2], 2)
        self.layer4 = _stage(4 * width, 8 * width, blocks[3], 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Feature maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input's size."""
        stem = functional.relu(self.bn1(self.conv1(x)))
        kept = [stem]
        x = functional.max_pool2d(stem, 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            kept.append(x)
        return kept


def _stage(inside: int, outside: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        BasicBlock(inside, outside, stride),
        *(BasicBlock(outside, outside) for _ in range(blocks - 1)),
    )
