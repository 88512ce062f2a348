"""A virtual scan on disk: frames, label images, table of true spots, run file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.files import StackWriter, write_spots

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import ArrayLike

    from napari_labdct.core.stack import Kind
    from napari_labdct.physics import Polycrystal
    from napari_labdct.workflows.virtual_scan import VirtualScan


@dataclass(frozen=True)
class RunFiles:
    """Where the results of a run go: beside its frames, named after them.

    Attributes
    ----------
    frames
        The frames: measured ones when the scan is noisy, else clean photons.
    """

    frames: Path

    @property
    def clean(self) -> Path:
        """Clean photons of a noisy scan."""
        return self._beside(f"_clean{self.frames.suffix}")

    @property
    def labels(self) -> Path:
        """Label images: column `label` of the spot table, 0 for no spot."""
        return self._beside(f"_labels{self.frames.suffix}")

    @property
    def spots(self) -> Path:
        """Table of the true spots."""
        return self._beside("_spots.csv")

    @property
    def run(self) -> Path:
        """The run file, which gives the very same scan again."""
        return self._beside("_run.json")

    def _beside(self, ending: str) -> Path:
        return self.frames.with_name(f"{self.frames.stem}{ending}")


def iter_to_files(
    scan: VirtualScan, path: str | Path, polycrystal: Polycrystal | None = None
) -> Generator[SpotTable]:
    """Simulate a scan into files, projection by projection.

    Stopped in the middle (the generator closed, an error), the projections written
    so far make up whole and readable files, with the table of their spots.

    Parameters
    ----------
    scan
        What to simulate.
    path
        The stack of frames, TIFF or HDF5 by its suffix: clean photons (float32), or
        with ``scan.noise`` what a detector makes of them. `RunFiles` names the
        files that come along.
    polycrystal
        The sample, when it was made before; otherwise it is made.

    Yields
    ------
    spots
        True spots of each projection once it is written; in a noisy scan `peak` and
        `intensity` are in grey values of the frames.

    Raises
    ------
    InputError
        If no spot can meet the detector, or a file cannot be written.
    """
    from napari_labdct.workflows.measured_scan import MeasuredScan

    files = RunFiles(Path(path))
    sample = polycrystal or scan.polycrystal()
    settings = scan.settings.model_copy(update={"labels": True})
    # made before any file: what is impossible, or stopped now, leaves none behind
    simulator = scan.model_copy(update={"settings": settings}).simulator(sample)
    steps = ("Simulated photons.", f"Sample: {sample.summary}.")
    kinds: list[tuple[Path, Kind, type, tuple[str, ...]]] = []
    if scan.noise:
        grey = np.uint8 if scan.look.bits == 8 else np.uint16
        noisy = (*steps, "Made to look measured.")
        kinds = [(files.frames, "corrupted", grey, noisy)]
    photons = files.clean if scan.noise else files.frames
    kinds += [(photons, "simulated", np.float32, steps)]
    kinds += [(files.labels, "simulated", np.uint32, (*steps, "Label images."))]
    tables: list[SpotTable] = []
    stopped: BaseException | None = None
    with ExitStack() as opened:
        writers = [
            opened.enter_context(
                StackWriter(
                    file,
                    _header(scan, kind, history),
                    kind,
                    dtype=dtype,
                    compress=file == files.labels,
                )
            )
            for file, kind, dtype, history in kinds
        ]
        detector = None
        try:
            for projection in simulator.iter_projections(scan.plan.omega_deg):
                frames: list[ArrayLike | None]
                frames = [projection.image, projection.labels]
                spots = projection.spots
                if scan.noise:
                    detector = detector or MeasuredScan.draw(
                        projection.image, scan.geometry, scan.look, scan.seed
                    )
                    exposed = detector.expose(projection.image, projection.index)
                    frames.insert(0, exposed)
                    spots = detector.in_grey_values(spots)
                for writer, frame in zip(writers, frames, strict=True):
                    if frame is not None:
                        writer.write(frame)
                tables.append(spots)
                yield spots
        except InputError:
            raise  # the scan as a whole is impossible, or the disk is full
        except BaseException as error:
            if not tables:
                raise
            for writer in writers:
                writer.keep()
            stopped = error
    write_spots(SpotTable.concatenate(tables), files.spots)
    scan.write(files.run)
    if stopped is not None:
        raise stopped


def _header(scan: VirtualScan, kind: Kind, history: tuple[str, ...]) -> ProjectionStack:
    """The scan without its grey values."""
    return ProjectionStack(
        np.broadcast_to(
            np.float32(0), (scan.plan.count, *scan.geometry.detector.shape)
        ),
        scan.plan.omega_deg,
        scan.geometry,
        kind,
        scan.name,
        history,
        scan.seed,
    )
