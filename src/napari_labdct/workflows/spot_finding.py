"""Spots of a whole scan, with or without the network's help.

First every projection by itself gives candidates, in any order and on any machine; then
neighbouring projections say which of the faint ones are spots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.binning import unbinned
from napari_labdct.analysis.companions import Judged, ask_neighbours, unheard
from napari_labdct.analysis.detection import threshold_for
from napari_labdct.analysis.find import CANDIDATES, FindSettings, find_spots
from napari_labdct.analysis.hits import direct_hits
from napari_labdct.analysis.motion import Places
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import statistics_of
from napari_labdct.calibration.statistics import FEWEST_FRAMES
from napari_labdct.core import InputError, SpotTable
from napari_labdct.preparation import Preparation, prepare
from napari_labdct.workflows.cleanup import iter_clean
from napari_labdct.workflows.scan_traits import ScanTraits, usual_shape

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.cleanup import CleanFrame

NO_SPOT = 0.001
"""Probability below which the network's word counts against a matched filter."""


def shadow_of(stack: ProjectionStack) -> NDArray[np.bool_] | None:
    """The beam stop's shadow, shape (rows, columns); None where it is not known."""
    if stack.geometry is None or stack.geometry.beam_stop.transmission > 0:
        return None
    shadow = stack.geometry.beam_stop_mask()
    return shadow if shadow.shape == stack.shape[1:] and shadow.any() else None


def centre_of(stack: ProjectionStack) -> tuple[float, float] | None:
    """Row and column where the beam axis meets the frames [px]; None if not known."""
    if stack.geometry is None or stack.geometry.detector.shape != stack.shape[1:]:
        return None
    return stack.geometry.detector.centre


def settings_for(
    stack: ProjectionStack,
    denoiser: Denoiser | None,
    settings: FindSettings | None = None,
) -> FindSettings:
    """Settings with the binning and the filters that suit the spots of a scan.

    Parameters
    ----------
    stack
        The scan as measured; where nobody knows better, a few of its frames tell how
        wide and how long its spots are.
    denoiser
        The network; one that was calibrated on a scan knows it.
    settings
        What the user asks for; a binning or an elongation other than 0 is kept.

    Raises
    ------
    InputError
        If spots are to be confirmed by projections that are not to be asked.
    """
    settings = settings or FindSettings()
    if settings.least_companions and not settings.companions:
        raise InputError(
            "Spots cannot be confirmed by projections that are not asked: leave "
            "companions on, or set least_companions to 0."
        )
    if settings.binning and settings.elongation:
        return settings
    facts = getattr(denoiser, "scan", None)  # None, and whatever else can clean
    if facts is None:
        suited = usual_shape(stack, centre_of(stack))
    else:
        suited = ScanTraits.model_validate(facts)
    update: dict[str, object] = {"binning": settings.binning or suited.binning}
    if not settings.elongation:
        update |= {"elongation": suited.filters, "direction": suited.direction}
    return settings.model_copy(update=update)


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


def loosened(settings: FindSettings, stack: ProjectionStack) -> FindSettings:
    """Settings for candidates, of which companions then tell the spots."""
    if not settings.companions or len(stack) < FEWEST_FRAMES:
        return settings
    alarms = max(CANDIDATES, settings.false_alarms)
    return settings.model_copy(update={"false_alarms": alarms})


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
        small, whole = _binned(stack, settings)
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
    table = candidates.frame
    judged = unheard(table["score"].to_numpy())
    kept = np.ones(len(table), np.bool_)
    if settings.companions:
        judged = _asked(candidates, stack, settings)
        kept = judged.score > _least(stack, settings)
        # Where nobody could be asked, no spot has companions.
        if judged.companions.any():
            kept &= judged.companions >= settings.least_companions
    # In bins, hits were replaced before.
    if settings.point_spread and settings.binning <= 1:
        kept &= ~direct_hits(
            table["sharpness_px2"].to_numpy(),
            table["significance"].to_numpy(),
            judged.companions,
            judged.word,
        )
    # Most are noise: only the rest is copied.
    score, companions = judged.score[kept], judged.companions[kept]
    return SpotTable(table[kept].assign(score=score, companions=companions))


def _asked(
    candidates: SpotTable, stack: ProjectionStack, settings: FindSettings
) -> Judged:
    """What neighbouring projections say of candidates."""
    small, table = stack, candidates.frame
    row, column = (table[name].to_numpy() for name in ("row_px", "column_px"))
    if settings.binning > 1:
        small, middle = _binned(stack, settings)[0], (settings.binning - 1) / 2
        row, column = ((x - middle) / settings.binning for x in (row, column))
    places = Places(table["projection"].to_numpy(np.intp), row, column, small.shape[1:])
    return ask_neighbours(
        places,
        table["score"].to_numpy(),
        table["significance"].to_numpy(),
        small.omega,
        settings.kernels,
        area=_area(small),
        geometry=small.geometry,
    )


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
        Cleans every frame first, so that only what the network takes for spots
        is measured; None finds spots by significance alone. The shadow of the beam
        stop is left out where the geometry is known.
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
    least = -np.inf if alone else _least(stack, settings)
    for table in iter_candidates(stack, denoiser, settings):
        tables.append(table)
        yield SpotTable(table.frame[table.frame["score"] > least])
    return chosen(SpotTable.concatenate(tables), stack, settings)


def _binned(
    stack: ProjectionStack, settings: FindSettings
) -> tuple[ProjectionStack, FindSettings]:
    """The scan with its pixels binned, and settings for it."""
    # In a bin, what is left of a direct hit's track would pass for a spot.
    small = prepare(stack, Preparation(bin=settings.binning, zingers=True))
    return small, settings.model_copy(update={"binning": 1})


def _area(stack: ProjectionStack) -> int:
    """Pixels of a frame that are searched."""
    shadow = shadow_of(stack)
    rows, columns = stack.shape[1:]
    return rows * columns - (0 if shadow is None else int(np.count_nonzero(shadow)))


def _least(stack: ProjectionStack, settings: FindSettings) -> float:
    """Score that noise reaches as rarely as wanted."""
    area = _area(stack) // max(settings.binning, 1) ** 2
    return threshold_for(settings.false_alarms, area, settings.kernels)
