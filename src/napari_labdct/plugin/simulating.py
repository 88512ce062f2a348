"""The job behind *Simulate projections*: fill arrays projection by projection."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import Progress, ProjectionStack, SpotTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_labdct.physics import Polycrystal
    from napari_labdct.workflows.virtual_scan import VirtualScan

_samples: dict[str, Polycrystal] = {}


@dataclass
class Simulating:
    """A virtual scan and what is simulated of it so far.

    Attributes
    ----------
    scan
        What is simulated.
    clean
        Photons of the spots alone, shape (P, rows, columns), zero where not done.
    measured
        The same scan as a detector would have measured it, shape (P, rows, columns)
        [grey values]; None unless wanted.
    tables
        True spots of each projection done.
    sample
        The grains, once they are grown.
    """

    scan: VirtualScan
    clean: NDArray[np.float32]
    measured: NDArray[np.uint8 | np.uint16] | None = None
    tables: list[SpotTable] = field(default_factory=list)
    sample: Polycrystal | None = None

    def steps(self) -> Iterator[int | Progress]:
        """Simulate all projections.

        Yields
        ------
        step
            Index of the projection that was written, then the progress.
        """
        from napari_labdct.workflows.measured_scan import MeasuredScan

        total = self.scan.plan.count
        yield Progress(0, total, "growing grains")
        self.sample = sample_of(self.scan)
        detector = None
        for projection in polite(self.scan).iter_projections(self.sample):
            index = projection.index
            self.clean[index] = projection.image
            spots = projection.spots
            if self.measured is not None:
                detector = detector or MeasuredScan.draw(
                    projection.image,
                    self.scan.geometry,
                    self.scan.look,
                    self.scan.seed,
                )
                self.measured[index] = detector.expose(projection.image, index)
                spots = detector.in_grey_values(spots)
            self.tables.append(spots)
            yield index
            yield Progress(index + 1, total, f"{index + 1} of {total} projections")

    def stack(self, measured: bool) -> ProjectionStack:
        """The clean or the measured scan as a stack."""
        history = ("Simulated photons.", *(["Made to look measured."] * measured))
        return ProjectionStack(
            self.measured if measured else self.clean,
            self.scan.plan.omega_deg,
            self.scan.geometry,
            "corrupted" if measured else "simulated",
            self.scan.name,
            history,
            self.scan.seed,
        )

    @property
    def spots(self) -> SpotTable:
        """All true spots so far; of the measured scan, in its grey values."""
        return SpotTable.concatenate(self.tables)


def sample_of(scan: VirtualScan) -> Polycrystal:
    """The sample of a scan; the last one is kept, growing it takes seconds."""
    key = f"{scan.crystal} {scan.sample!r} {scan.seed}"
    if key not in _samples:
        _samples.clear()
        _samples[key] = scan.polycrystal()
    return _samples[key]


def polite(scan: VirtualScan) -> VirtualScan:
    """The scan, computed on all cores but one: the window needs one."""
    if scan.settings.workers is not None:
        return scan
    workers = max(1, (os.cpu_count() or 2) - 1)
    settings = scan.settings.model_copy(update={"workers": workers})
    return scan.model_copy(update={"settings": settings})


def empty(scan: VirtualScan, clean: NDArray[np.float32]) -> Simulating:
    """The job of a scan; `clean` is where its photons go."""
    measured = None
    if scan.noise:
        measured = np.zeros(clean.shape, np.uint8 if scan.look.bits == 8 else np.uint16)
    return Simulating(scan, clean, measured)


def one_projection(scan: VirtualScan, omega_deg: float) -> VirtualScan:
    """The scan reduced to one projection at ω."""
    plan = scan.plan.model_copy(update={"omega_start": omega_deg, "count": 1})
    return scan.model_copy(update={"plan": plan, "name": f"{scan.name} preview"})
