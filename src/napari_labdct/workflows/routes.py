"""Ways to spots: single-frame classics, the conventional pipeline, networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from napari_labdct.analysis.bands import find_in_band
from napari_labdct.analysis.conventional import ConventionalSettings, iter_conventional
from napari_labdct.analysis.find import FindSettings
from napari_labdct.calibration import measure_frame
from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.core.geometry import Parameters
from napari_labdct.workflows.spot_finding import iter_spots
from napari_labdct.workflows.suited import shadow_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_labdct.learning import Denoiser

ROUTES: dict[str, str] = {
    "raw": "matched filters on single frames",
    "log": "Laplacian of Gaussian on single frames",
    "dog": "difference of Gaussians on single frames",
    "tophat": "white top-hat on single frames",
    "conventional": "rolling median, Laplacian of Gaussian, thresholds",
    "classical": "scan's median, matched filters in noise units",
    "network-single": "network, frame by frame",
    "network": "network with the scan's median",
}
"""Ways to spots, by name, with what each does."""

NETWORK = ("network-single", "network")
"""Those of `ROUTES` that need a denoiser."""

LOOSE, DOUBTFUL = 400.0, 0.02
"""False alarms a frame allowed when thresholds are chosen afterwards."""


class Way(Parameters):
    """Settings of every way to spots.

    By default so loose that thresholds can be chosen afterwards.
    """

    find: FindSettings = Field(
        FindSettings(false_alarms=LOOSE, least_probability=DOUBTFUL),
        description="All ways but the conventional one.",
    )
    conventional: ConventionalSettings = Field(
        ConventionalSettings(offset=1.0), description="The conventional pipeline."
    )
    band_sigma: float = Field(
        1.5,
        ge=0.3,
        le=25,
        description="Width of the single-frame filters, Gaussian σ [px].",
    )


def iter_route(
    stack: ProjectionStack,
    route: str,
    *,
    denoiser: Denoiser | None = None,
    way: Way | None = None,
) -> Generator[SpotTable, None, SpotTable]:
    """Find the spots of a scan in one of the ways.

    Parameters
    ----------
    stack
        The scan as measured.
    route
        One of `ROUTES`.
    denoiser
        The network, for those that need one.
    way
        Settings.

    Yields
    ------
    spots
        Those of each projection in turn.

    Returns
    -------
    spots
        As the generator's value: those of the whole scan.

    Raises
    ------
    InputError
        If there is no such route, or it needs a network.
    """
    way = way or Way()
    if route not in ROUTES:
        raise InputError(
            f"There is no way to spots named {route!r}: "
            f"choose one of {', '.join(ROUTES)}."
        )
    if route in NETWORK and denoiser is None:
        raise InputError(f"The way {route!r} needs a network: give a denoiser.")
    if route in ("classical", "network"):
        network = denoiser if route == "network" else None
        return (yield from iter_spots(stack, network, way.find))
    steps = (
        iter_conventional(stack, way.conventional)
        if route == "conventional"
        else (_single(stack, i, route, denoiser, way) for i in range(len(stack)))
    )
    tables = []
    for table in steps:
        tables.append(table)
        yield table
    return SpotTable.concatenate(tables)


def _single(
    stack: ProjectionStack,
    index: int,
    route: str,
    denoiser: Denoiser | None,
    way: Way,
) -> SpotTable:
    """Spots of one frame about whose scan nothing is known."""
    omega, frame = stack.omega[index : index + 1], stack.frame(index)
    if route in ("raw", "network-single"):
        network = denoiser if route == "network-single" else None
        alone = ProjectionStack(frame[None], omega, stack.geometry)
        (table,) = iter_spots(alone, network, way.find)
        return SpotTable(table.frame.assign(projection=index))
    return find_in_band(
        frame,
        route,  # type: ignore[arg-type]  # checked against ROUTES
        sigma=way.band_sigma,
        statistics=measure_frame(frame),
        mask=shadow_of(stack),
        settings=way.find,
        projection=index,
        omega_deg=float(omega[0]),
    )
