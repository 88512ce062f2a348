"""The networks are those of the paper, weight by weight."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_labdct.learning.hovad2020.dynamic_unet import (
    DynamicUNet,
    DynamicUNetSettings,
    PixelShuffleUp,
)
from napari_labdct.learning.hovad2020.resnet import ResNetEncoder
from napari_labdct.learning.hovad2020.vgg import VggFeatures

SMALL = DynamicUNetSettings(width=4, blocks=(1, 1, 1, 1))


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_the_encoder_is_torchvisions_resnet34_without_its_classifier():
    encoder = ResNetEncoder()
    shapes = {name: tuple(t.shape) for name, t in encoder.state_dict().items()}
    assert parameters(encoder) == 21_797_672 - 513_000  # ResNet34 less its classifier
    assert len(shapes) == 216
    assert shapes["conv1.weight"] == (64, 3, 7, 7)
    assert shapes["bn1.running_mean"] == (64,)
    assert shapes["layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["layer2.0.downsample.1.running_var"] == (128,)
    assert shapes["layer3.5.bn2.num_batches_tracked"] == ()
    assert shapes["layer4.2.conv2.weight"] == (512, 512, 3, 3)
    assert "layer1.0.downsample.0.weight" not in shapes


@pytest.mark.parametrize(
    ("name", "convolutions", "count"),
    [
        ("vgg16", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), 14_714_688),
        ("vgg16_bn", (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40), 14_723_136),
    ],
)
def test_the_vgg_is_torchvisions(name, convolutions, count):
    vgg = VggFeatures(name)
    assert parameters(vgg) == count
    shapes = {key: tuple(t.shape) for key, t in vgg.state_dict().items()}
    found = [int(k.split(".")[1]) for k, shape in shapes.items() if len(shape) == 4]
    assert tuple(found) == convolutions
    assert all(key.startswith("features.") for key in shapes)
    # The layer after each tap is a pooling, the tap itself a ReLU.
    for tap in vgg.taps:
        assert isinstance(vgg.features[tap], torch.nn.ReLU)
        assert isinstance(vgg.features[tap + 1], torch.nn.MaxPool2d)


def test_vgg_outputs_are_those_of_its_layers():
    torch.manual_seed(0)
    vgg = VggFeatures("vgg16", 4).eval()
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        seen = vgg(x)
        for tap, output in zip(vgg.taps, seen, strict=True):
            torch.testing.assert_close(output, vgg.features[: tap + 1](x))
    assert [tuple(o.shape[1:]) for o in seen] == [(16, 8, 8), (32, 4, 4), (32, 2, 2)]


def test_the_paper_sized_network_has_41_million_parameters():
    network = DynamicUNet(DynamicUNetSettings()).eval()
    assert parameters(network) / 1e6 == pytest.approx(41.2, abs=0.05)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 50, 50)).shape == (1, 3, 50, 50)
    # 99 feature maps are left when the input is joined at full size.
    assert network.head.parametrizations.weight.original1.shape == (3, 99, 1, 1)
    assert DynamicUNetSettings().is_resnet34
    assert not SMALL.is_resnet34


@pytest.mark.parametrize("shape", [(64, 64), (65, 97), (101, 70), (33, 34)])
def test_any_size_goes_in_and_comes_out(shape):
    out = DynamicUNet(SMALL).eval()(torch.zeros(1, 3, *shape))
    assert out.shape == (1, 3, *shape)


def test_upsampling_starts_without_checkerboards():
    torch.manual_seed(0)
    up = PixelShuffleUp(6, 5, blur=False)
    x = torch.rand(1, 6, 4, 3)
    y = up(x)
    assert y.shape == (1, 5, 8, 6)
    torch.testing.assert_close(y, functional.interpolate(y[..., ::2, ::2], (8, 6)))


def test_blur_averages_with_the_pixels_above_and_to_the_left():
    torch.manual_seed(0)
    up = PixelShuffleUp(2, 1, blur=True)
    x = torch.rand(1, 2, 3, 3)
    blurred = up(x)[0, 0]
    up.blur = False
    sharp = up(x)[0, 0]
    torch.testing.assert_close(blurred[3, 4], sharp[2:4, 3:5].mean())
    torch.testing.assert_close(blurred[0, 0], sharp[0, 0])


def test_freezing_holds_the_encoder_but_not_its_batch_norm():
    network = DynamicUNet(SMALL)
    network.freeze_encoder(True)
    names = {n for n, p in network.named_parameters() if not p.requires_grad}
    assert names == {
        n
        for n, _ in network.encoder.named_parameters(prefix="encoder")
        if "conv" in n or "downsample.0" in n
    }
    network.freeze_encoder(False)
    assert all(p.requires_grad for p in network.parameters())


def test_every_parameter_is_in_one_group():
    network = DynamicUNet(SMALL)
    grouped = [
        id(p) for g in network.groups() for module in g for p in module.parameters()
    ]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in network.parameters()}
