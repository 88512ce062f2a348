"""Spots of a whole scan, with or without the network's help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_labdct.analysis.binning import unbinned
from napari_labdct.analysis.find import FindSettings, find_spots
from napari_labdct.analysis.trust import judging_sigma
from napari_labdct.calibration import statistics_of
from napari_labdct.core import InputError
from napari_labdct.preparation import Preparation, prepare
from napari_labdct.workflows.cleanup import iter_clean
from napari_labdct.workflows.scan_traits import ScanTraits, binning_for, usual_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack, SpotTable
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.cleanup import CleanFrame

NO_SPOT = 0.01
"""Probability below which the network's word counts against a matched filter."""


def shadow_of(stack: ProjectionStack) -> NDArray[np.bool_] | None:
    """The beam stop's shadow, shape (rows, columns); None where it is not known."""
    if stack.geometry is None or stack.geometry.beam_stop.transmission > 0:
        return None
    shadow = stack.geometry.beam_stop_mask()
    return shadow if shadow.shape == stack.shape[1:] and shadow.any() else None


def settings_for(
    stack: ProjectionStack,
    denoiser: Denoiser | None,
    settings: FindSettings | None = None,
) -> FindSettings:
    """Settings with the binning that suits the spots of a scan.

    Parameters
    ----------
    stack
        The scan as measured; where nobody knows better, a few of its frames tell how
        wide its spots are.
    denoiser
        The network; one that was calibrated on a scan knows it.
    settings
        What the user asks for; a binning other than 0 is kept.
    """
    settings = settings or FindSettings()
    if settings.binning:
        return settings
    facts = getattr(denoiser, "scan", None)  # None, and whatever else can clean
    if facts is None:
        binning = binning_for(usual_width(stack))
    else:
        binning = ScanTraits.model_validate(facts).binning
    return settings.model_copy(update={"binning": binning})


def spots_of(
    done: CleanFrame,
    omega_deg: float,
    settings: FindSettings | None = None,
    mask: NDArray[np.bool_] | None = None,
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
        settings=settings,
        by_network=alone,
        projection=done.index,
        omega_deg=omega_deg,
    )


def iter_spots(
    stack: ProjectionStack,
    denoiser: Denoiser | None,
    settings: FindSettings | None = None,
    *,
    order: Iterable[int] | None = None,
) -> Iterator[SpotTable]:
    """Find the spots of every projection in turn.

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
    order
        Projections in the order wanted; all of them in turn by default.

    Yields
    ------
    spots
        Table of one projection.

    Raises
    ------
    InputError
        If the stack is cleaned already: its noise, by which spots are judged, is
        gone.
    """
    if stack.kind == "cleaned":
        raise InputError(
            f"{stack.source or 'The stack'} is cleaned already, and the noise by which "
            "spots are judged is gone: give the scan as measured; it is cleaned on "
            "the way."
        )
    settings = settings_for(stack, denoiser, settings)
    if settings.binning > 1:
        small = prepare(stack, Preparation(bin=settings.binning))
        whole = settings.model_copy(update={"binning": 1})
        for table in iter_spots(small, denoiser, whole, order=order):
            yield unbinned(table, settings.binning)
        return
    omega, shadow = stack.omega, shadow_of(stack)
    if denoiser is not None:
        for done in iter_clean(stack, denoiser, order=order):
            yield spots_of(done, float(omega[done.index]), settings, shadow)
        return
    scan = statistics_of(stack)
    for index in range(len(stack)) if order is None else order:
        known = scan.of(index)
        yield find_spots(
            stack.frame(index) - known.background,
            judging_sigma(known),
            mask=shadow,
            settings=settings,
            projection=index,
            omega_deg=float(omega[index]),
        )
