"""The loss, against values worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_labdct.learning.hovad2020.perceptual import (
    PerceptualLoss,
    PerceptualSettings,
    build_loss,
    gram,
)


class Same(nn.Module):
    """Three "outputs" that are the image itself."""

    def forward(self, x):
        return [x, x, x]


def loss(weighting, **changes):
    settings = PerceptualSettings(weighting=weighting, perceptual="random", **changes)
    return PerceptualLoss(settings, Same())


def test_gram_is_divided_by_channels_and_pixels():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # 2 channels, 1 × 2
    expected = torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4
    torch.testing.assert_close(gram(features), expected)


def test_gram_does_not_grow_with_the_image():
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(gram(x.repeat(1, 1, 4, 4)), gram(x))


class TestByHand:
    """Images of ones against images of zeros, 3 colours of 2 × 2.

    Pixel L1 = feature L1 = 1; every entry of the Gram matrix of ones is
    4 / (3 · 4) = 1/3, so Frobenius² = 9 · (1/3)² = 1 and the mean is 1/3.
    """

    ones, zeros = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)

    def test_the_papers_equation(self):
        assert loss("paper")(self.ones, self.zeros).item() == pytest.approx(1 + 3 * 2)

    def test_the_lesson(self):
        expected = 1 + (5 + 15 + 2) + (25 + 225 + 4) * 5000 / 3
        found = loss("lesson7")(self.ones, self.zeros).item()
        assert found == pytest.approx(expected)

    def test_without_gram(self):
        assert loss("paper", gram=False)(self.ones, self.zeros).item() == pytest.approx(
            4
        )

    def test_pixels_alone(self):
        alone, source = build_loss(PerceptualSettings(perceptual="none"))
        assert alone(self.ones, self.zeros).item() == pytest.approx(1)
        assert source == "none"

    def test_the_truth_costs_nothing(self):
        x = torch.rand(1, 3, 32, 32)
        with_vgg, _ = build_loss(PerceptualSettings(perceptual="random", vgg_width=4))
        assert with_vgg(x, x).item() == 0


@pytest.mark.parametrize("weighting", ["paper", "lesson7"])
def test_the_vgg_stays_as_it_is_while_gradients_reach_the_prediction(weighting):
    settings = PerceptualSettings(weighting=weighting, perceptual="random", vgg_width=4)
    criterion, source = build_loss(settings)
    assert source == f"{settings.vgg}, random"
    before = {k: v.clone() for k, v in criterion.state_dict().items()}
    criterion.train()  # must not wake the VGG's BatchNorm
    prediction = torch.rand(1, 3, 32, 32, requires_grad=True)
    criterion(prediction, torch.rand(1, 3, 32, 32)).backward()
    assert prediction.grad.abs().sum() > 0
    after = criterion.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(p.grad is None for p in criterion.parameters())
