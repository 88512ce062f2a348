"""Jobs on a scan: clean it, find its spots."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import Field

from napari_labdct.analysis.find import FindSettings
from napari_labdct.files import write_spots
from napari_labdct.workflows.frame_job import FrameJob, FrameResult, OpenJob
from napari_labdct.workflows.scan_source import ScanSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from napari_labdct.analysis.agreement import Heard
    from napari_labdct.core import ProjectionStack, SpotTable
    from napari_labdct.core.stack import Kind
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.frame_job import Results


class NetworkJob(FrameJob):
    """Base of jobs that may run the network."""

    source: ScanSource = Field(description="The scan.")
    model: str = Field("default", description="Model folder or built-in model.")
    device: str = Field("auto", description="Where the network runs.")

    def stamp(self) -> object:
        """Files of the scan, and the weights of the model."""
        return self.source.stamp(), _weights(self.model)

    def alone(self, device: str | None) -> Self:
        """The same on the process's own GPU, unless one is named."""
        own = device if device and self.device == "auto" else self.device
        return self.model_copy(update={"device": own})


class CleanJob(NetworkJob):
    """Clean a scan: image `cleaned`, and `difference` where wanted."""

    difference: bool = Field(False, description="Give what was taken away too.")
    companions: bool = Field(
        True,
        description="Ask the projections before and after which faint light is "
        "diffraction; every process then looks at the whole scan first.",
    )

    def open(self) -> OpenJob:
        """Open scan and model."""
        from napari_labdct.learning import Denoiser
        from napari_labdct.workflows.cleanup import history_line, iter_clean
        from napari_labdct.workflows.scan_word import asked_with, iter_word

        stack = self.source.open()
        denoiser = Denoiser.load(self.model, self.device)
        settings = asked_with(stack, denoiser, companions=self.companions)
        line = history_line(stack, denoiser, asked=settings is not None)

        asked: list[tuple[Heard, ...]] = []  # once, however many blocks are done here

        def frames(indices: Sequence[int]) -> Results:
            if not asked:
                steps = iter_word(stack, denoiser, companions=self.companions)
                asked.append((yield from steps))
            for done in iter_clean(stack, denoiser, order=indices, word=asked[0]):
                images = {"cleaned": done.image}
                if self.difference:
                    images["difference"] = done.difference
                yield FrameResult(done.index, images)

        outputs = {"cleaned": header(stack, "cleaned", np.float32, line)}
        if self.difference:
            line = f"Taken away: {line}"
            outputs["difference"] = header(stack, "difference", np.float32, line)
        return OpenJob(len(stack), outputs, frames)


class SpotsJob(NetworkJob):
    """Find the spots of a scan; the model ``none`` finds them by significance."""

    settings: FindSettings = FindSettings()

    def settled(self) -> Self:
        """With the binning that suits the scan."""
        from napari_labdct.workflows.suited import settings_for

        settings = settings_for(*self._opened(), self.settings)
        return self.model_copy(update={"settings": settings})

    def open(self) -> OpenJob:
        """Open scan and model."""
        from napari_labdct.workflows.spot_finding import chosen, iter_candidates
        from napari_labdct.workflows.suited import settings_for

        stack, denoiser = self._opened()
        settings = settings_for(stack, denoiser, self.settings)

        def frames(indices: Sequence[int]) -> Results:
            steps = iter_candidates(stack, denoiser, settings, order=indices)
            for index, table in zip(indices, steps, strict=True):
                yield FrameResult(index, spots=table)

        def whole(candidates: SpotTable) -> SpotTable:
            return chosen(candidates, stack, settings)

        return OpenJob(len(stack), {}, frames, whole)

    def _opened(self) -> tuple[ProjectionStack, Denoiser | None]:
        if self.model == "none":
            return self.source.open(), None
        from napari_labdct.learning import Denoiser

        return self.source.open(), Denoiser.load(self.model, self.device)

    def write_table(self, spots: SpotTable, path: Path) -> None:
        """Write the spots; GrainRecon's file holds the frames too."""
        frames = self.source.open() if path.suffix.lower() == ".mat" else None
        write_spots(spots, path, frames)


def header(
    stack: ProjectionStack, kind: Kind, dtype: DTypeLike, step: str
) -> ProjectionStack:
    """A stack as it will be after a step, without its grey values."""
    zero = np.broadcast_to(np.dtype(dtype).type(0), stack.shape)
    history = (*stack.history, step) if step else stack.history
    return replace(stack, images=zero, kind=kind, history=history)


def _weights(model: str) -> list[str]:
    """Checksums of a model's files; a model of the same name may be another."""
    if model == "none":
        return []
    from napari_labdct.learning.denoiser import model_folders

    folder = model_folders().get(model, Path(model))
    files = (folder / name for name in ("config.json", "weights.safetensors"))
    return [
        hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()
    ]
