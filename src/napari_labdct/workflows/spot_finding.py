"""Spots of a whole scan, with or without the network's help.

First every projection by itself gives candidates, in any order and on any machine; then
neighbouring projections say which of the faint ones are spots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.binning import unbinned
from napari_labdct.analysis.find import FindSettings, find_spots
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import statistics_of
from napari_labdct.calibration.statistics import FEWEST_FRAMES
from napari_labdct.core import InputError, SpotTable
from napari_labdct.workflows.cleanup import iter_clean
from napari_labdct.workflows.scan_word import heard
from napari_labdct.workflows.suited import (
    binned,
    centre_of,
    least_score,
    loosened,
    settings_for,
    shadow_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.cleanup import CleanFrame

NO_SPOT = 0.001
"""Probability below which the network's word counts against a matched filter."""


def spots_of(
    done: CleanFrame,
    omega_deg: float,
    settings: FindSettings | None = None,
    mask: NDArray[np.bool_] | None = None,
    centre: tuple[float, float] | None = None,
) -> SpotTable:
    """Spots of one cleaned frame, their intensities measured on what was measured.

    Parameters
    ----------
    done
        The frame before and after.
    omega_deg
        Its rotation angle, for the table [deg].
    settings
        How spots are told from noise and from each other.
    mask
        Pixels to leave out, such as a beam stop's, shape (rows, columns).
    centre
        Row and column where the beam axis meets the detector [px], if known.
    """
    settings = settings or FindSettings()
    alone = done.statistics.static is None
    if not alone:
        # With the scan's median nothing but spots and noise is left, and matched
        # filters find the weakest; the network only speaks against.
        doubt = min(settings.least_probability, NO_SPOT)
        settings = settings.model_copy(update={"least_probability": doubt})
    return find_spots(
        done.residual,
        judging_sigma(done.statistics),
        probability=done.probability,
        mask=mask,
        centre=centre,
        settings=settings,
        by_network=alone,
        projection=done.index,
        omega_deg=omega_deg,
    )


def iter_candidates(
    stack: ProjectionStack,
    denoiser: Denoiser | None,
    settings: FindSettings,
    *,
    order: Iterable[int] | None = None,
) -> Iterator[SpotTable]:
    """Find candidates for spots in every projection in turn.

    Parameters
    ----------
    stack, denoiser
        As in `iter_spots`.
    settings
        As `settings_for` gives them.
    order
        Projections in the order wanted; all of them in turn by default.

    Yields
    ------
    candidates
        Table of one projection.

    Raises
    ------
    InputError
        If the stack is cleaned already.
    """
    if stack.kind == "cleaned":
        raise InputError(
            f"{stack.source or 'The stack'} is cleaned already, and the noise by which "
            "spots are judged is gone: give the scan as measured; it is cleaned on "
            "the way."
        )
    if settings.binning > 1:
        small, whole = binned(stack, settings)
        for table in iter_candidates(small, denoiser, whole, order=order):
            yield unbinned(table, settings.binning)
        return
    settings, omega = loosened(settings, stack), stack.omega
    shadow, centre = shadow_of(stack), centre_of(stack)
    if denoiser is not None:
        for done in iter_clean(stack, denoiser, order=order):
            angle = float(omega[done.index])
            yield spots_of(done, angle, settings, shadow, centre)
        return
    scan = statistics_of(stack)
    for index in range(len(stack)) if order is None else order:
        known = scan.of(index)
        yield find_spots(
            stack.frame(index) - known.background,
            judging_sigma(known),
            mask=shadow,
            centre=centre,
            settings=settings,
            projection=index,
            omega_deg=float(omega[index]),
        )


def chosen(
    candidates: SpotTable, stack: ProjectionStack, settings: FindSettings
) -> SpotTable:
    """The spots of a scan among the candidates of all its projections.

    Parameters
    ----------
    candidates
        As `iter_candidates` gives them, of all projections.
    stack
        The scan.
    settings
        As `settings_for` gives them.
    """
    if len(stack) < FEWEST_FRAMES:
        return candidates
    judged, hits = heard(candidates, stack, settings)
    kept = ~hits
    if settings.companions:
        kept &= judged.score > least_score(stack, settings)
        # Where nobody could be asked, no spot has companions.
        if judged.companions.any():
            kept &= judged.companions >= settings.least_companions
    # Most are noise: only the rest is copied.
    score, companions = judged.score[kept], judged.companions[kept]
    table = candidates.frame[kept]
    return SpotTable(table.assign(score=score, companions=companions))


def iter_spots(
    stack: ProjectionStack,
    denoiser: Denoiser | None,
    settings: FindSettings | None = None,
) -> Generator[SpotTable, None, SpotTable]:
    """Find the spots of a scan.

    Parameters
    ----------
    stack
        The scan as measured (or simulated with noise).
    denoiser
        Cleans every frame first. In a frame alone what it takes for spots is measured;
        in a scan it only speaks against light that noise does not explain. None finds
        spots by significance alone. The shadow of the beam stop is left out where the
        geometry is known.
    settings
        How spots are told from noise and from each other. Where spots are wide,
        frames are binned before anything else: background, noise and network then
        see them as they see small ones.

    Yields
    ------
    spots
        Those of each projection in turn, as it shows them by itself.

    Returns
    -------
    spots
        As the generator's value: those of the whole scan, with the faint ones that
        neighbouring projections confirm.

    Raises
    ------
    InputError
        If the stack is cleaned already: its noise, by which spots are judged, is
        gone.
    """
    settings = settings_for(stack, denoiser, settings)
    alone, tables = loosened(settings, stack) is settings, []
    least = -np.inf if alone else least_score(stack, settings)
    for table in iter_candidates(stack, denoiser, settings):
        tables.append(table)
        yield SpotTable(table.frame[table.frame["score"] > least])
    return chosen(SpotTable.concatenate(tables), stack, settings)
