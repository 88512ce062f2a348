"""A virtual scan on disk: run file, one TIFF a projection, table of true spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import ProjectionStack, SpotTable
from napari_labdct.files import make_folder, write_spots, write_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_labdct.physics import Projection
    from napari_labdct.workflows.virtual_scan import VirtualScan

RUN_FILE, PROJECTIONS, SPOTS = "scan.json", "projections", "spots.csv"


def iter_to_folder(scan: VirtualScan, folder: str | Path) -> Iterator[Projection]:
    """Simulate a scan into a folder, projection by projection.

    Stopped in the middle (the generator closed, Ctrl-C), the projections written so
    far and the table of their spots stay, whole and readable.

    Parameters
    ----------
    scan
        What to simulate.
    folder
        Gets ``scan.json``, ``projections/projection_0000.tif`` … (photons, float32)
        and ``spots.csv``.

    Yields
    ------
    projection
        Each projection once it is on the disk.
    """
    folder = make_folder(folder)
    frames = make_folder(folder / PROJECTIONS)
    scan.write(folder / RUN_FILE)
    tables: list[SpotTable] = []
    try:
        for projection in scan.iter_projections():
            stack = ProjectionStack(
                projection.image,
                np.array([projection.omega_deg]),
                scan.geometry,
                "simulated",
                scan.name,
                ("Simulated photons.",),
                scan.seed,
            )
            write_stack(stack, frames / f"projection_{projection.index:04d}.tif")
            tables.append(projection.spots)
            yield projection
    finally:
        write_spots(SpotTable.concatenate(tables), folder / SPOTS)
