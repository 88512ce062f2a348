"""Training examples: corrupted in, clean out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_labdct.core import InputError
from napari_labdct.learning.corruption import MeasuredLook, View, draw_scene
from napari_labdct.learning.inputs import CHANNELS, network_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.learning.corruption import BackgroundBank, Scene

SURE, UNSURE = 2.0, 0.7
"""Signal-to-noise ratio of a spot above which it counts as one, and below which
it counts as none; between them the detection output is not charged."""

BANK = 0.7
"""Share of the crops over a scan's own frames, where there are any. The rest keeps
the network from forgetting what it knew."""

CENTRAL = 0.3
"""Share of the crops near the beam stop, where spots are lost most easily."""


@dataclass(frozen=True)
class PairSource:
    """Batches of training pairs, each a pure function of seed and number.

    Because batch n depends on nothing but (seed, n), training resumes exactly
    and the order in which threads finish does not matter.

    Attributes
    ----------
    clean
        Clean projections [photons], each of shape (rows, columns).
    look
        How they are corrupted.
    crop
        Side of a crop [px].
    batch
        Crops per batch.
    seed
        Seed of everything drawn.
    bank
        Frames of a scan emptied of spots; where given, `BANK` of the crops lie over
        parts of them.
    """

    clean: Sequence[NDArray[np.floating]]
    look: MeasuredLook = field(default_factory=MeasuredLook)
    crop: int = 256
    batch: int = 4
    seed: int = 0
    bank: BackgroundBank | None = None

    def __post_init__(self) -> None:
        if not self.clean:
            raise InputError("No clean projections to train on: simulate some first.")
        smallest = min(min(image.shape) for image in self.clean)
        if smallest < 32:
            raise InputError(
                f"Clean projections of {smallest} px are too small to train on: "
                "give frames of at least 32 × 32 px."
            )
        bad = [i for i, image in enumerate(self.clean) if not np.isfinite(image).all()]
        if bad:
            raise InputError(
                f"Clean projection {bad[0]} holds NaN or infinite values: "
                "leave it out, or simulate it again."
            )
        if not any(bool((image > 0).any()) for image in self.clean):
            raise InputError(
                "The clean projections hold no spots: every pixel is zero; "
                "check geometry, crystal and exposure of the simulation."
            )
        if self.bank is not None:
            smallest = min(smallest, *self.bank.frames.shape[1:])
        object.__setattr__(self, "crop", min(self.crop, smallest // 16 * 16))

    def scene(self, rng: np.random.Generator) -> Scene:
        """One corrupted crop."""
        image = self.clean[int(rng.integers(len(self.clean)))]
        image = np.rot90(image, int(rng.integers(4)))
        image = image[::-1] if rng.random() < 0.5 else image
        if self.bank is not None and rng.random() < BANK:
            return self.bank.scene(image, self.crop, rng)
        room = [n - self.crop for n in image.shape]
        if rng.random() < CENTRAL:
            corner = [
                int(np.clip(rng.normal(n / 2, self.crop / 3), 0, n)) for n in room
            ]
        else:
            corner = [int(rng.integers(0, n + 1)) for n in room]
        row, column = corner
        crop = image[row : row + self.crop, column : column + self.crop]
        shift = rng.normal(0, 0.015 * max(image.shape), 2)
        view = View.of_crop(
            (image.shape[0], image.shape[1]),
            (row, column),
            (self.crop, self.crop),
            (float(shift[0]), float(shift[1])),
        )
        return draw_scene(np.ascontiguousarray(crop, np.float32), view, rng, self.look)

    def rng(self, number: int, crop: int) -> np.random.Generator:
        """What crop `crop` of batch `number` is drawn with."""
        return np.random.default_rng([self.seed, number, crop])

    def get(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Batch `number`.

        Returns
        -------
        inputs
            Shape (batch, 8, crop, crop), see `inputs.CHANNELS`.
        targets
            Shape (batch, 3, crop, crop), see `losses.default_loss`.
        """
        inputs = np.empty((self.batch, len(CHANNELS), self.crop, self.crop), np.float32)
        targets = np.empty((self.batch, 3, self.crop, self.crop), np.float32)
        for i in range(self.batch):
            scene = self.scene(self.rng(number, i))
            view = scene.view
            inputs[i] = network_input(
                scene.frame, scene.statistics, view.row, view.column
            )
            targets[i] = target_of(scene)
        return inputs, targets

    def iterate(
        self, start: int, stop: int, threads: int = 2
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Batches `start` to `stop` − 1 in order, drawn ahead in threads."""
        with ThreadPoolExecutor(threads) as pool:
            ahead = [
                pool.submit(self.get, n)
                for n in range(start, min(start + 2 * threads, stop))
            ]
            for number in range(start, stop):
                batch = ahead.pop(0).result()
                following = number + 2 * threads
                if following < stop:
                    ahead.append(pool.submit(self.get, following))
                yield batch


def target_of(scene: Scene) -> NDArray[np.float32]:
    """What the network should answer, shape (3, rows, columns)."""
    units = scene.spots / scene.statistics.sigma
    # Signal-to-noise of the whole spot around a pixel: the root of its summed
    # squares, which is what a matched filter reaches.
    energy = ndimage.uniform_filter(units**2, 9) * 81
    snr = np.sqrt(np.maximum(energy, 0))
    core = units >= 0.5 * ndimage.maximum_filter(units, 7)
    core &= units > 0.05 * np.maximum(snr, 0.1)
    spot = core & (snr > SURE)
    known = ~core | (snr > SURE) | (snr < UNSURE)
    return np.stack([np.arcsinh(units), spot, known]).astype(np.float32)
