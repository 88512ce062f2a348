"""Simulation as a job: resumable, and on many machines."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from napari_labdct.core import InputError, ProjectionStack
from napari_labdct.workflows.frame_job import FrameJob, FrameResult, OpenJob
from napari_labdct.workflows.scan_source import stamp
from napari_labdct.workflows.virtual_scan import VirtualScan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import DTypeLike, NDArray

    from napari_labdct.core.stack import Kind
    from napari_labdct.physics import Projection, Simulator
    from napari_labdct.workflows.frame_job import Results

_STEPS = ("Simulated photons.",)


class SimulateJob(FrameJob):
    """Simulate a scan: images `scan`, `labels`, with noise `clean`; true spots."""

    scan: VirtualScan = Field(description="Sample, beam, geometry and rotation.")

    def open(self) -> OpenJob:
        """Make the sample; the simulation itself waits for the first frame."""
        scan = self.scan
        sample = scan.polycrystal()
        steps = (*_STEPS, f"Sample: {sample.summary}.")
        names = (*steps, "Label images.")
        outputs = {
            "scan": _header(scan, "simulated", np.float32, steps),
            "labels": _header(scan, "simulated", np.uint32, names),
        }
        if scan.noise:
            grey = np.uint8 if scan.look.bits == 8 else np.uint16
            outputs["clean"] = outputs["scan"]
            noisy = (*steps, "Made to look measured.")
            outputs["scan"] = _header(scan, "corrupted", grey, noisy)

        def frames(indices: Sequence[int]) -> Results:
            from napari_labdct.workflows.measured_scan import MeasuredScan

            settings = scan.settings.model_copy(update={"labels": True})
            labelled = scan.model_copy(update={"settings": settings})
            simulator = labelled.simulator(sample)
            detector = None
            if scan.noise:  # drawn for the whole scan, to the scale of its first frame
                first = simulator.project(float(scan.plan.omega_deg[0]), 0)
                detector = MeasuredScan.draw(
                    first.image, scan.geometry, scan.look, scan.seed
                )
            workers = scan.settings.workers or 2
            for done in _ahead(simulator, scan.plan.omega_deg, indices, workers):
                images: dict[str, NDArray[Any]] = {"scan": done.image}
                spots = done.spots
                if done.labels is not None:
                    images["labels"] = done.labels
                if detector is not None:
                    exposed = detector.expose(done.image, done.index)
                    images |= {"scan": exposed, "clean": done.image}
                    spots = detector.in_grey_values(spots)
                yield FrameResult(done.index, images, spots)

        return OpenJob(scan.plan.count, outputs, frames)

    def stamp(self) -> object:
        """Crystal and grain files, when there are any."""
        texts = _texts(self.scan.model_dump(mode="json"))
        return stamp([Path(each) for each in texts if Path(each).suffix])

    def alone(self, device: str | None) -> Self:
        """One projection at a time; other processes do the others."""
        device = device or self.scan.settings.device
        settings = self.scan.settings.model_copy(
            update={"workers": 1, "device": device}
        )
        scan = self.scan.model_copy(update={"settings": settings})
        return self.model_copy(update={"scan": scan})

    def check(self, spots: int) -> None:
        """A scan without a single spot is a mistake in the settings."""
        if spots == 0:
            raise InputError(
                f"No diffracted ray of the {self.scan.plan.count} projections meets "
                "the detector: check distances, detector size and centre, beam stop, "
                "lattice spacings and tube voltage."
            )


def _ahead(
    simulator: Simulator,
    omega: NDArray[np.float64],
    indices: Sequence[int],
    workers: int,
) -> Iterator[Projection]:
    """Projections in turn, a few of them computed ahead."""
    waiting: deque[Future[Projection]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        try:
            for index in indices:
                angle = float(omega[index])
                waiting.append(threads.submit(simulator.project, angle, index))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _header(
    scan: VirtualScan, kind: Kind, dtype: DTypeLike, history: tuple[str, ...]
) -> ProjectionStack:
    shape = (scan.plan.count, *scan.geometry.detector.shape)
    return ProjectionStack(
        np.broadcast_to(np.dtype(dtype).type(0), shape),
        scan.plan.omega_deg,
        scan.geometry,
        kind,
        scan.name,
        history,
        scan.seed,
    )


def _texts(values: Any) -> list[str]:
    """All texts in a parameter model, as some of them name files."""
    if isinstance(values, dict):
        return [text for each in values.values() for text in _texts(each)]
    if isinstance(values, list):
        return [text for each in values for text in _texts(each)]
    return [values] if isinstance(values, str) else []
