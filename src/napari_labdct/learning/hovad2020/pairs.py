"""Training pairs: a content image on a constant background in, the image out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from napari_labdct.core import InputError
from napari_labdct.learning.corruption import constant_background
from napari_labdct.learning.hovad2020.grey import content_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_labdct.learning.hovad2020.settings import ContentSettings

SMALLEST = 64
"""Shortest side of a projection [px]: less leaves the encoder nothing to see."""


def content_images(
    clean: Iterable[NDArray[np.floating]], pedestal: int, white: float = 100
) -> list[NDArray[np.uint8]]:
    """Content images of clean projections, one byte a pixel.

    Parameters
    ----------
    clean
        Clean projections, each of shape (rows, columns) [photons].
    pedestal
        Grey value (16 bit) of pixels without photons.
    white
        Percentile of a projection that becomes white.

    Raises
    ------
    InputError
        If a projection is too small or not finite, or none holds a spot.
    """
    images = []
    for number, photons in enumerate(clean):
        if min(photons.shape) < SMALLEST:
            raise InputError(
                f"Clean projection {number} has {photons.shape[0]} × "
                f"{photons.shape[1]} px, too few to train on: give at least "
                f"{SMALLEST} × {SMALLEST} px."
            )
        if not np.isfinite(photons).all():
            raise InputError(
                f"Clean projection {number} holds NaN or infinite values: "
                "leave it out, or simulate it again."
            )
        images.append(content_image(photons, pedestal, white))
    if not any(np.ptp(image) for image in images):
        raise InputError(
            "The clean projections hold no spots: check geometry, crystal and "
            "exposure of the simulation."
        )
    return images


def split(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the projections for training and for validation, drawn at random.

    181 projections and a share of 0.1 make 163 and 18, as in the paper.

    Raises
    ------
    InputError
        If there are fewer than 2 projections.
    """
    if count < 2:
        raise InputError(
            f"{count} clean projection is too few to train on: give at least two, one "
            "of them for validation."
        )
    order = np.random.default_rng(seed).permutation(count)
    held_out = min(max(1, int(share * count)), count - 1)
    return sorted(order[held_out:].tolist()), sorted(order[:held_out].tolist())


@dataclass(frozen=True)
class ContentPairs:
    """Batches of pairs, each a pure function of seed and number.

    Attributes
    ----------
    images
        Content images of 8 bit.
    settings
        How they are cut and corrupted.
    batch
        Pairs per batch.
    seed
        Seed of everything drawn.
    """

    images: Sequence[NDArray[np.uint8]]
    settings: ContentSettings
    batch: int
    seed: int

    @property
    def batches(self) -> int:
        """Batches per epoch; what does not fill one is left out."""
        return max(1, len(self.images) // self.batch)

    def get(
        self, epoch: int, number: int, *, flips: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Batch `number` of an epoch.

        Returns
        -------
        inputs, targets
            Shape (batch, rows, columns) each: images with a background, and
            without [grey values of 8 bit].
        """
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
        first = number * self.batch
        pairs = []
        for place in range(first, first + self.batch):
            rng = np.random.default_rng([self.seed, epoch, place])
            image = self.images[order[place % len(order)]]
            pairs.append(self._pair(image, rng, flips))
        inputs, targets = zip(*pairs, strict=True)
        return np.stack(inputs), np.stack(targets)

    def _pair(
        self, content: NDArray[np.uint8], rng: np.random.Generator, flips: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        chosen = self.settings
        if flips and rng.random() < 0.5:
            content = content[:, ::-1]
        if chosen.fit == "crop":
            content = _crop(content, self._side, rng)
        corrupted = constant_background(
            content,
            rng,
            threshold=chosen.threshold,
            lowest=chosen.lowest,
            highest=chosen.highest,
            per_pixel=chosen.per_pixel,
        )
        x, y = corrupted.astype(np.float32), content.astype(np.float32)
        if chosen.fit == "resize":
            x, y = _resize(np.stack([x, y]), chosen.size)
        return x, y

    @property
    def _side(self) -> int:
        """Side of a crop: smaller where the projections are."""
        sides: list[int] = [side for image in self.images for side in image.shape]
        return min(self.settings.size, *sides)


def _crop(
    image: NDArray[np.uint8], side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    row, column = (int(rng.integers(0, n - side + 1)) for n in image.shape)
    return image[row : row + side, column : column + side]


def _resize(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Bilinear, without smoothing first, as the lesson's transform does it."""
    small = functional.interpolate(
        torch.from_numpy(images)[None], (side, side), mode="bilinear"
    )
    return np.asarray(small[0].numpy(), np.float32)
