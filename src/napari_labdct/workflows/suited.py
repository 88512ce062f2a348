"""How spots are looked for in a given scan: what suits it, what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.detection import threshold_for
from napari_labdct.analysis.find import CANDIDATES, FindSettings
from napari_labdct.calibration import FEWEST_FRAMES
from napari_labdct.core import InputError
from napari_labdct.preparation import Preparation, prepare
from napari_labdct.workflows.scan_traits import ScanTraits, usual_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser


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


def loosened(settings: FindSettings, stack: ProjectionStack) -> FindSettings:
    """Settings for candidates, of which companions then tell the spots."""
    if not settings.companions or len(stack) < FEWEST_FRAMES:
        return settings
    alarms = max(CANDIDATES, settings.false_alarms)
    return settings.model_copy(update={"false_alarms": alarms})


def binned(
    stack: ProjectionStack, settings: FindSettings
) -> tuple[ProjectionStack, FindSettings]:
    """The scan with its pixels binned, and settings for it."""
    # In a bin, what is left of a direct hit's track would pass for a spot.
    small = prepare(stack, Preparation(bin=settings.binning, zingers=True))
    return small, settings.model_copy(update={"binning": 1})


def searched(stack: ProjectionStack) -> int:
    """Pixels of a frame that are searched."""
    shadow = shadow_of(stack)
    rows, columns = stack.shape[1:]
    return rows * columns - (0 if shadow is None else int(np.count_nonzero(shadow)))


def least_score(stack: ProjectionStack, settings: FindSettings) -> float:
    """Score that noise reaches as rarely as wanted."""
    area = searched(stack) // max(settings.binning, 1) ** 2
    return threshold_for(settings.false_alarms, area, settings.kernels)
