"""VGG16 feature stacks under torchvision's weight names.

K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
recognition", ICLR 2015, configuration D; with batch normalisation as `vgg16_bn`.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Feature maps and convolutions of the five stages."""

TAPS = {"vgg16": (15, 22, 29), "vgg16_bn": (22, 32, 42)}
"""Layers before the last three poolings: ReLU after conv3_3, conv4_3 and conv5_3."""


class VggFeatures(nn.Module):
    """The convolutions of a VGG16, read out at three depths.

    Parameters
    ----------
    name
        ``"vgg16"`` or ``"vgg16_bn"`` (with batch normalisation).
    width
        Feature maps of the first stage; 64 in a VGG16.
    """

    def __init__(self, name: str = "vgg16", width: int = 64) -> None:
        super().__init__()
        self.taps = TAPS[name]
        layers: list[nn.Module] = []
        inside = 3
        for maps, convolutions in STAGES:
            outside = maps * width // 64
            for _ in range(convolutions):
                conv = nn.Conv2d(inside, outside, 3, padding=1)
                nn.init.kaiming_normal_(
                    conv.weight, mode="fan_out", nonlinearity="relu"
                )
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # the stub allows no bias
                layers.append(conv)
                if name == "vgg16_bn":
                    layers.append(nn.BatchNorm2d(outside))
                layers.append(nn.ReLU(inplace=True))
                inside = outside
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Outputs of the layers `taps` for images (batch, 3, rows, columns)."""
        outputs = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.taps:
                outputs.append(x)
            if number == self.taps[-1]:
                break
        return outputs
