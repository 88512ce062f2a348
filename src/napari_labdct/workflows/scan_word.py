"""What a whole scan says of the light in each of its projections.

One projection shows how significant a maximum is; the others, whether it comes back
where lattice planes would send it. Pictures that are to show the spots, and nothing
else, are painted after all projections were asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.agreement import Heard, spot_share
from napari_labdct.analysis.candidates import spot_table
from napari_labdct.analysis.companions import Judged, ask_neighbours, unheard
from napari_labdct.analysis.find import find_candidates
from napari_labdct.analysis.hits import direct_hits
from napari_labdct.analysis.motion import Places
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import FEWEST_FRAMES, statistics_of
from napari_labdct.core import Progress, SpotTable
from napari_labdct.core.spots import COLUMNS
from napari_labdct.workflows.suited import (
    binned,
    centre_of,
    loosened,
    searched,
    settings_for,
    shadow_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_labdct.analysis.candidates import Candidates
    from napari_labdct.analysis.find import FindSettings
    from napari_labdct.calibration import ScanStatistics
    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser

ASKED = [*COLUMNS, "score", "significance", "sharpness_px2"]
"""What is kept of every candidate: a scan has thousands in each projection."""

HARDLY = 0.02
"""Share of spots below which light is not shown."""

LOWEST = 2.0
"""Lowest score that neighbouring projections give [standard deviations]."""


def heard(
    candidates: SpotTable, stack: ProjectionStack, settings: FindSettings
) -> tuple[Judged, NDArray[np.bool_]]:
    """What a scan of 9 projections or more says of its candidates.

    Parameters
    ----------
    candidates, stack, settings
        As in `chosen`.

    Returns
    -------
    judged
        By their neighbours, if those are to be asked.
    hits
        Which are direct hits of the sensor, shape (N,).
    """
    table = candidates.frame
    if settings.companions:
        judged = _asked(candidates, stack, settings)
    else:
        judged = unheard(table["score"].to_numpy())
    # In bins, hits were replaced before.
    if not settings.point_spread or settings.binning > 1:
        return judged, np.zeros(len(table), np.bool_)
    hits = direct_hits(
        table["sharpness_px2"].to_numpy(),
        table["significance"].to_numpy(),
        judged.companions,
        judged.word,
    )
    return judged, hits


def _asked(
    candidates: SpotTable, stack: ProjectionStack, settings: FindSettings
) -> Judged:
    """What neighbouring projections say of candidates."""
    small, table = stack, candidates.frame
    row, column = (table[name].to_numpy() for name in ("row_px", "column_px"))
    if settings.binning > 1:
        small, middle = binned(stack, settings)[0], (settings.binning - 1) / 2
        row, column = ((x - middle) / settings.binning for x in (row, column))
    places = Places(table["projection"].to_numpy(np.intp), row, column, small.shape[1:])
    return ask_neighbours(
        places,
        table["score"].to_numpy(),
        table["significance"].to_numpy(),
        small.omega,
        settings.kernels,
        area=searched(small),
        geometry=small.geometry,
    )


def asked_with(
    stack: ProjectionStack, denoiser: Denoiser, *, companions: bool = True
) -> FindSettings | None:
    """Settings by which a scan is asked before it is cleaned; None where it is not.

    Too few projections say nothing, nor do spots so wide that they are found in bins;
    a network of the paper's recipe answers for itself.

    Parameters
    ----------
    stack, denoiser, companions
        As in `iter_word`.
    """
    filters = getattr(denoiser, "knows_noise", False)
    if not (companions and filters) or len(stack) < FEWEST_FRAMES:
        return None
    settings = settings_for(stack, denoiser)
    return None if settings.binning > 1 else settings


def iter_word(
    stack: ProjectionStack,
    denoiser: Denoiser,
    *,
    companions: bool = True,
    statistics: ScanStatistics | None = None,
) -> Generator[Progress, None, tuple[Heard, ...]]:
    """Ask a scan, before it is cleaned, which light in it is diffraction.

    Parameters
    ----------
    stack
        The scan as measured.
    denoiser
        The network that will clean it; one that was calibrated on a scan knows what
        suits it.
    companions
        Ask the projections before and after which faint light is diffraction.
    statistics
        Statistics of the stack, when they are already at hand.

    Yields
    ------
    progress
        After every projection.

    Returns
    -------
    word
        As the generator's value, one for each projection; nothing where the scan is
        not asked (`asked_with`) and every projection speaks for itself.

    Raises
    ------
    InputError
        If a frame cannot be read or holds NaN.
    """
    settings = asked_with(stack, denoiser, companions=companions)
    if settings is None:
        return ()
    scan = statistics_of(stack) if statistics is None else statistics
    shadow, centre = shadow_of(stack), centre_of(stack)
    # What is a direct hit the whole scan tells, whatever the detector's point spread.
    loose = loosened(settings, stack).model_copy(update={"point_spread": 0.0})
    use = np.ones(stack.shape[1:], bool) if shadow is None else ~shadow
    found: list[Candidates] = []
    tables = []
    for index in range(len(stack)):
        known = scan.of(index)
        residual, sigma = stack.frame(index) - known.background, judging_sigma(known)
        spots = find_candidates(residual, sigma, loose, mask=shadow, centre=centre)
        table = spot_table(spots.cut_off(), residual, sigma, use, projection=index)
        found.append(spots.small())
        tables.append(SpotTable(table.frame[ASKED]))
        yield Progress(index + 1, len(stack), f"projection {index + 1} asked")
    judged, hits = heard(SpotTable.concatenate(tables), stack, settings)
    pixels = float(use.sum()) * len(stack)
    share = spot_share(judged.score, pixels, settings.kernels, LOWEST)
    share[hits] = 0
    word, start = [], 0
    for spots in found:
        stop = start + spots.score.size
        # Tables have the brightest first.
        order = np.argsort(-spots.score, kind="stable")
        own, hit = np.empty(order.size), np.empty(order.size, bool)
        own[order], hit[order] = share[start:stop], hits[start:stop]
        keep = (own > HARDLY) | hit
        word.append(Heard(spots.only(keep), own[keep]))
        start = stop
    return tuple(word)
