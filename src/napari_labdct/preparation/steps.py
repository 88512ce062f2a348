"""All steps in their order, for one frame and for a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from napari_labdct.calibration import zingers_replaced
from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters
from napari_labdct.preparation.defects import DefectFiller, find_defects
from napari_labdct.preparation.fields import Fields
from napari_labdct.preparation.regions import binned, cropped, geometry_of_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

_LOOK_AT = 9
"""Frames over which defects are looked for: an odd number, for a true median."""


class Preparation(Parameters):
    """Steps between the detector and the first look; all are off by default."""

    find_defects: bool = Field(
        False, description="Look for pixels that stand out in most frames, fill them."
    )
    defect_threshold: float = Field(
        8.0, gt=0, le=1000, description="How far a defect stands out [robust σ]."
    )
    exposure: bool = Field(
        False, description="Bring all frames to the scan's median exposure time."
    )
    drift: bool = Field(
        False,
        description="Bring all frames to the level (median) of the first one: the "
        "tube's output drifts.",
    )
    zingers: bool = Field(
        False,
        description="Replace direct hits of the sensor, which are sharper than any "
        "spot, by the median of their neighbours.",
    )
    top: int = Field(0, ge=0, le=32768, description="First row to keep [px].")
    bottom: int | None = Field(
        None, ge=1, le=32768, description="Row after the last to keep [px]."
    )
    left: int = Field(0, ge=0, le=32768, description="First column to keep [px].")
    right: int | None = Field(
        None, ge=1, le=32768, description="Column after the last to keep [px]."
    )
    bin: int = Field(
        1, ge=1, le=64, description="Side of squares summed to one pixel [px]."
    )


@dataclass(frozen=True)
class PreparedFrames:
    """Frames that look like an array and are prepared when they are asked for.

    Attributes
    ----------
    stack
        The scan as measured.
    fields, filler
        Dark and flat field, and defects; None where there are none.
    factors
        What each frame is multiplied by for its exposure, shape (P,).
    level
        Median that frames are brought to [grey values]; None to leave it.
    zingers
        Whether direct hits are replaced.
    box, side
        Part to keep, and side of the squares that are summed [px].
    """

    stack: ProjectionStack
    fields: Fields | None
    filler: DefectFiller | None
    factors: NDArray[np.float64]
    level: float | None
    zingers: bool
    box: tuple[int, int, int, int]
    side: int
    ndim = 3
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Projections, rows, columns."""
        top, bottom, left, right = self.box
        side = self.side
        return len(self.stack), (bottom - top) // side, (right - left) // side

    def corrected(self, index: int) -> NDArray[np.float32]:
        """A whole frame after all steps on grey values but the drift."""
        frame = self.stack.frame(index)
        frame = frame if self.fields is None else self.fields.correct(frame)
        frame = frame if self.filler is None else self.filler.fill(frame)
        return frame * np.float32(self.factors[index])

    def prepared(self, index: int) -> NDArray[np.float32]:
        """A frame after all steps, shape (rows, columns)."""
        frame = self.corrected(index)
        if self.level is not None:
            own = level_of(frame)
            if own <= 0:
                raise InputError(
                    f"Projection {index} of {self.stack.source or 'the stack'} has "
                    f"the median {own:.4g} and cannot be brought to another level: "
                    "check the dark field, or leave out the drift correction."
                )
            frame = frame * np.float32(self.level / own)
        # Not in `corrected`: defects are found by what would be replaced here.
        frame = zingers_replaced(frame) if self.zingers else frame
        return binned(cropped(frame, self.box), self.side)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        chosen = np.arange(len(self.stack))[first]
        if chosen.ndim == 0:
            one: NDArray[Any] = self.prepared(int(chosen))[tuple(rest)]
            return one
        many: NDArray[Any] = np.stack([self.prepared(int(i)) for i in chosen])
        return many[(slice(None), *rest)]


def level_of(frame: NDArray[np.float32]) -> float:
    """Median of a frame [grey values]: background, as spots cover little of it."""
    return float(np.median(frame[::2, ::2]))


def prepare(
    stack: ProjectionStack,
    steps: Preparation,
    *,
    dark: NDArray[np.float32] | None = None,
    flat: NDArray[np.float32] | None = None,
    defects: NDArray[np.bool_] | None = None,
) -> ProjectionStack:
    """Prepare a scan; frames are computed when they are asked for.

    The order is that of the physics backwards: dark field, flat field, defects,
    exposure, drift, zingers, then crop and bin. Each step that is done adds its
    sentence to the history. The result is float32, and its geometry fits the frames.

    Parameters
    ----------
    stack
        The scan as measured.
    steps
        What to do.
    dark, flat
        Mean dark and flat (reference) frame, shape (rows, columns) [grey values].
    defects
        Pixels that do not work, shape (rows, columns).

    Raises
    ------
    InputError
        If a field does not fit the frames, exposure times are unknown, or the
        part to keep is empty.
    """
    import dask.array  # late: it takes half a second

    from_array: Any = dask.array.from_array
    shape = stack.shape[1:]
    for what, image in (("dark", dark), ("flat", flat), ("defect", defects)):
        if image is not None and image.shape != shape:
            raise InputError(
                f"The {what} image has shape {image.shape}, the projections {shape}: "
                "give one of the same detector, without crop."
            )
    lines: list[str] = []
    fields = None
    if dark is not None or flat is not None:
        fields = Fields.measure(dark, flat)
        lines += ["Dark field subtracted."] if dark is not None else []
        lines += ["Divided by the flat field's gain."] if flat is not None else []
    bad = np.zeros(shape, bool) if defects is None else defects.astype(bool)
    bad = bad | fields.blind if fields is not None else bad
    factors, line = _exposure_factors(stack, steps)
    lines_after = [line] if line else []
    box = _box(steps, shape)
    frames = PreparedFrames(
        stack, fields, None, factors, None, steps.zingers, box, steps.bin
    )
    if steps.find_defects:
        spread = np.linspace(0, len(stack) - 1, min(len(stack), _LOOK_AT))
        sample = (frames.corrected(int(index)) for index in np.unique(spread.round()))
        bad = bad | find_defects(sample, steps.defect_threshold)
    if bad.any():
        frames = replace(frames, filler=DefectFiller.of(bad))
        lines += [f"{int(bad.sum())} defect pixels filled from their neighbours."]
    lines += lines_after
    if steps.drift:
        level = level_of(frames.corrected(0))
        frames = replace(frames, level=level)
        lines += [f"Every frame brought to the level {level:.6g} of the first."]
    lines += ["Direct hits replaced."] if steps.zingers else []
    geometry = stack.geometry
    if box != (0, shape[0], 0, shape[1]) or steps.bin > 1:
        top, bottom, left, right = box
        if box != (0, shape[0], 0, shape[1]):
            lines += [f"Cropped to rows {top}:{bottom}, columns {left}:{right}."]
        lines += [f"Binned {steps.bin} × {steps.bin}, summed."] if steps.bin > 1 else []
        if geometry is not None:
            geometry = geometry_of_part(geometry, box, steps.bin)
    images = from_array(
        frames,
        (1, *frames.shape[1:]),
        name=False,
        meta=np.empty((0, 0, 0), np.float32),
    )
    history = (*stack.history, *lines)
    return replace(stack, images=images, geometry=geometry, history=history)


def _exposure_factors(
    stack: ProjectionStack, steps: Preparation
) -> tuple[NDArray[np.float64], str]:
    if not steps.exposure:
        return np.ones(len(stack)), ""
    if stack.exposure_s is None:
        raise InputError(
            f"The exposure times of {stack.source or 'the stack'} are unknown: leave "
            "out the exposure correction, or use the drift correction instead."
        )
    typical = float(np.median(stack.exposure_s))
    line = f"Every frame brought to an exposure of {typical:g} s."
    return typical / stack.exposure_s, line


def _box(steps: Preparation, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    bottom = shape[0] if steps.bottom is None else steps.bottom
    right = shape[1] if steps.right is None else steps.right
    fits = steps.top + steps.bin <= bottom <= shape[0]
    if not fits or not steps.left + steps.bin <= right <= shape[1]:
        raise InputError(
            f"Rows {steps.top}:{bottom} and columns {steps.left}:{right}, binned by "
            f"{steps.bin}, are no part of frames of {shape[0]} × {shape[1]} px: give "
            "a part inside of them."
        )
    return steps.top, bottom, steps.left, right
