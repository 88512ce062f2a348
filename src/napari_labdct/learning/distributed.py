"""Training on several processes: each draws and computes its share of every batch.

``torchrun --nproc-per-node 2 --no-python labdct train …`` starts the processes; torch's
DistributedDataParallel brings their gradients together. A batch is the same, crop by
crop, however many processes share it. Losses that are means over a batch then come
out the same up to rounding; the flux term, relative to the pixels near spots, is
relative to those of each share.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import distributed

from napari_labdct.core import InputError
from napari_labdct.learning.pairs import PairSource
from napari_labdct.learning.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_labdct.learning.settings import TrainingSettings
    from napari_labdct.learning.unet import SpotNet


@dataclass(frozen=True)
class Share:
    """One process among those that train together.

    Attributes
    ----------
    rank, count
        Number of this process, from 0, and how many there are.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def own(cls) -> Share:
        """That of this process: all of it, unless it has joined others."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process writes the results."""
        return self.rank == 0

    def source(self, whole: PairSource) -> PairSource:
        """This process's crops of every batch.

        Raises
        ------
        InputError
            If the crops of a batch cannot be shared evenly.
        """
        if self.count == 1:
            return whole
        if whole.batch % self.count:
            raise InputError(
                f"A batch of {whole.batch} crops cannot be shared by {self.count} "
                f"processes: choose a batch that is a multiple of {self.count}."
            )
        part = whole.batch // self.count
        shared = SharedSource(
            whole.clean, whole.look, whole.crop, part, whole.seed, whole.bank
        )
        return replace(shared, first=self.rank * part)

    def run(
        self, settings: TrainingSettings, device: torch.device, start: SpotNet | None
    ) -> Run:
        """The training run of this process."""
        kind = Run if self.count == 1 else SharedRun
        return kind(settings, self.device(device), start)

    def device(self, device: torch.device) -> torch.device:
        """The GPU of this process, where the machine has several."""
        several = self.count > 1 and device.type == "cuda" and device.index is None
        local = int(os.environ.get("LOCAL_RANK", "0"))
        return torch.device("cuda", local) if several else device


@dataclass(frozen=True)
class SharedSource(PairSource):
    """Some crops of every batch.

    Attributes
    ----------
    first
        Number of the first of them in the whole batch.
    """

    first: int = 0

    def rng(self, number: int, crop: int) -> np.random.Generator:
        """That of the crop in the whole batch."""
        return super().rng(number, self.first + crop)


class SharedRun(Run):
    """A run whose gradients and losses are means over all processes."""

    def __init__(
        self,
        settings: TrainingSettings,
        device: torch.device,
        start: SpotNet | None = None,
    ) -> None:
        super().__init__(settings, device, start)
        self._shared = torch.nn.parallel.DistributedDataParallel(
            self.model, device_ids=[device] if device.type == "cuda" else None
        )

    def _gradients(
        self, inputs: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> float:
        own = super()._gradients(inputs, targets)
        loss = torch.tensor(own, device=self.device)
        distributed.all_reduce(loss)
        return float(loss) / distributed.get_world_size()

    def _loss(
        self,
        model: torch.nn.Module,
        inputs: NDArray[np.float32],
        targets: NDArray[np.float32],
    ) -> torch.Tensor:
        shared = self._shared if model is self.model else model
        return super()._loss(shared, inputs, targets)


@contextmanager
def joined() -> Iterator[Share]:
    """Join the processes that ``torchrun`` started; alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not distributed.is_available():
        yield Share.own()
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Share.own()
    finally:
        distributed.destroy_process_group()
