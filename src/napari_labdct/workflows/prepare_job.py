"""Preparation of measured frames as a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_labdct.files import read_stack
from napari_labdct.preparation import Preparation, prepare
from napari_labdct.workflows.frame_job import FrameJob, FrameResult, OpenJob
from napari_labdct.workflows.jobs import header
from napari_labdct.workflows.scan_source import ScanSource, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.workflows.frame_job import Results


class PrepareJob(FrameJob):
    """Prepare a scan: image `prepared`."""

    source: ScanSource = Field(description="The scan.")
    dark: str | None = Field(None, description="Frames without a beam.")
    flat: str | None = Field(None, description="Frames of the open beam.")
    defects: str | None = Field(
        None, description="Image that is not 0 where pixels do not work."
    )
    steps: Preparation = Preparation()

    def open(self) -> OpenJob:
        """Open scan, fields and defect map; look for defects if asked to."""
        source = self.source
        bad = mean_of(self.defects, source)
        stack = prepare(
            source.open(),
            self.steps,
            dark=mean_of(self.dark, source),
            flat=mean_of(self.flat, source),
            defects=None if bad is None else bad != 0,
        )

        def frames(indices: Sequence[int]) -> Results:
            for index in indices:
                yield FrameResult(index, {"prepared": np.asarray(stack.images[index])})

        outputs = {"prepared": header(stack, stack.kind, np.float32, "")}
        return OpenJob(len(stack), outputs, frames)

    def stamp(self) -> object:
        """Files of the scan and of the fields."""
        files = [Path(name) for name in (self.dark, self.flat, self.defects) if name]
        fields = [ScanSource(path=str(file)).stamp() for file in files]
        return self.source.stamp(), fields, stamp(files)


def mean_of(path: str | None, source: ScanSource) -> NDArray[np.float32] | None:
    """Mean of all frames of a file or folder, turned as the scan's frames are.

    Parameters
    ----------
    path
        What `read_stack` reads; None gives None.
    source
        The scan that the frames belong to.
    """
    if path is None:
        return None
    stack = read_stack(path, flip=source.flip)
    total = np.zeros(stack.shape[1:])
    for frame in stack.frames():
        total += frame
    mean: NDArray[np.float32] = (total / len(stack)).astype(np.float32)
    return mean
