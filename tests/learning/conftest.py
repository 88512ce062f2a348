"""Small clean projections and a small trained run, shared by the learning tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

# Small networks gain nothing from threads, and lose much where cores are shared.
torch.set_num_threads(1)


def draw_clean(seed: int, size: int = 96, count: int = 14) -> np.ndarray:
    """Round spots of many intensities, as a far-field detector shows them."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:size, :size]
    image = np.zeros((size, size))
    for r, c in rng.uniform(4, size - 4, (count, 2)):
        sigma = rng.uniform(1.2, 1.8)
        height = np.exp(rng.normal(0, 0.8))
        image += height * np.exp(-((row - r) ** 2 + (column - c) ** 2) / (2 * sigma**2))
    image[image < 1e-4] = 0
    return image.astype(np.float32)


@pytest.fixture(scope="session")
def clean_projections() -> list[np.ndarray]:
    return [draw_clean(seed) for seed in range(12)]
