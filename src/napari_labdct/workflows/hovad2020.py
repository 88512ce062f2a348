"""The projections that Hovad et al. 2020 trained on, simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_labdct.workflows.virtual_scan import VirtualScan

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

PROJECTIONS = 181
"""Projections of the paper's virtual scan, 2° apart."""


def iter_paper_projections(
    count: int = PROJECTIONS, seed: int = 0
) -> Iterator[NDArray[np.floating]]:
    """Clean projections of the paper's virtual sample.

    Parameters
    ----------
    count
        How many, spread over a full turn; the paper's 181 are 2° apart.
    seed
        Seed of the sample's grains.

    Yields
    ------
    projection
        Shape (1015, 1015) [photons].
    """
    scan = VirtualScan.preset("hovad2020")
    if count != PROJECTIONS:
        turn = {"count": count, "omega_step": 360 / count}
        plan = scan.plan.model_copy(update=turn)
        scan = scan.model_copy(update={"plan": plan})
    for projection in scan.model_copy(update={"seed": seed}).iter_projections():
        yield projection.image
