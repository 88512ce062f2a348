"""A recipe small enough for a test: the same layers, fewer feature maps."""

from __future__ import annotations

import pytest

from napari_labdct.learning.hovad2020 import Hovad2020Settings

SMALL = Hovad2020Settings.model_validate(
    {
        "frozen_epochs": 1,
        "unfrozen_epochs": 2,
        "encoder": "random",
        "content": {"size": 64},
        "network": {"width": 4, "blocks": (1, 1, 1, 1)},
        "loss": {"perceptual": "random", "vgg_width": 4},
    }
)


@pytest.fixture
def small() -> Hovad2020Settings:
    return SMALL
