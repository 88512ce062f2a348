"""Background, static pattern and noise of a frame, alone or out of its scan."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_labdct.calibration.background import smooth_background
from napari_labdct.calibration.noise import noise_map
from napari_labdct.calibration.temporal import TemporalMedian, Window, temporal_median
from napari_labdct.core import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

FEWEST_FRAMES = 9
"""Fewest projections for a temporal median: with fewer, spots leave ghosts."""

WINDOW = 31
"""Projections around a frame that its temporal median is taken over."""

BLOCK = 4
"""Side of the squares of pixels whose means are compared with the median's [px]."""

LEVELS = 24
"""Levels of the median at which a frame is compared with it."""

FEWEST_BLOCKS = 40
"""Squares that a level needs to count."""

WIDE_RANGE = 8.0
"""Range of levels over the scatter of squares that shows an offset for certain."""

STRIDE = 8
"""Neighbouring frames that share one temporal median."""


@dataclass(frozen=True)
class FrameStatistics:
    """What one frame looks like without its spots.

    Attributes
    ----------
    background
        Grey values expected without spots, shape (rows, columns).
    sigma
        Standard deviation of the noise in a pixel, shape (rows, columns) [grey
        values].
    static
        Pattern that stays while the sample turns, above the smooth background,
        shape (rows, columns) [grey values]; None when only this frame is known.
    """

    background: NDArray[np.float32]
    sigma: NDArray[np.float32]
    static: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        parts = [self.background, self.sigma]
        parts += [] if self.static is None else [self.static]
        if len({part.shape for part in parts}) != 1 or self.background.ndim != 2:
            raise ValueError(
                "background, sigma and static need one shape (rows, columns)"
            )


def measure_frame(frame: NDArray[np.float32]) -> FrameStatistics:
    """Statistics of a frame about whose scan nothing is known.

    Parameters
    ----------
    frame
        Grey values, shape (rows, columns).
    """
    background = smooth_background(frame)
    return FrameStatistics(background, noise_map(frame - background, background))


def combine(frame: NDArray[np.float32], median: TemporalMedian) -> FrameStatistics:
    """Statistics of a frame whose scan's median is known.

    Parameters
    ----------
    frame
        Grey values, shape (rows, columns).
    median
        Temporal median of the scan around the frame, at any common level.
    """
    gain, offset = brought_to(frame, median.image)
    # A spot lifts a median that its own frame is part of, and would lose by it.
    background = median.without((frame - offset) / gain) * gain + offset
    # What drifts from frame to frame is smooth; a wide median leaves spots alone.
    background = background + smooth_background(frame - background, 160, 8)
    sigma = noise_map(frame - background, background) * median.flicker
    return FrameStatistics(background, sigma, median.static * gain)


def brought_to(
    frame: NDArray[np.float32], median: NDArray[np.float32]
) -> tuple[np.float32, np.float32]:
    """Gain and offset that bring a scan's median to the level of one of its frames.

    The source drifts, the detector's dark level does not: where both a beam stop's
    shadow and bright background are in sight, one factor cannot fit both. Levels of
    the median are compared by medians, which spots leave alone.

    Parameters
    ----------
    frame, median
        Grey values, shape (rows, columns).

    Returns
    -------
    gain, offset
        The frame is about `gain` · median + `offset` [grey values].
    """
    image, shown = (_means(part, BLOCK) for part in (median, frame))
    gain = max(float(np.median(shown / np.maximum(image, 1e-6))), 1e-6)
    low, high = np.quantile(image, [0.002, 0.998])
    scatter = 1.4826 * float(np.median(np.abs(shown - gain * image)))
    if high - low < WIDE_RANGE * scatter:
        return np.float32(gain), np.float32(0)
    which = np.round((image - low) / (high - low) * LEVELS).astype(np.intp)
    pixels = np.bincount(which[(which >= 0) & (which <= LEVELS)], minlength=LEVELS + 1)
    known = np.flatnonzero(pixels >= FEWEST_BLOCKS)
    if known.size < 2:
        return np.float32(gain), np.float32(0)
    x, y = (ndimage.median(part, which, known) for part in (image, shown))
    slope, start = np.polyfit(x, y, 1, w=np.sqrt(pixels[known]))
    if not 0.5 * gain < slope < 2 * gain:
        return np.float32(gain), np.float32(0)
    return np.float32(slope), np.float32(start)


def _means(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Means of squares of pixels, as many as are whole."""
    rows, columns = (max(1, length // side) for length in image.shape)
    part = image[: rows * side, : columns * side]
    return np.asarray(
        part.reshape(rows, part.shape[0] // rows, columns, -1).mean((1, 3)), np.float32
    )


@dataclass(frozen=True)
class ScanStatistics:
    """Statistics of every frame of a scan, worked out when asked for.

    Attributes
    ----------
    stack
        The scan.
    window
        Projections that a temporal median is taken over.
    """

    stack: ProjectionStack
    window: int = WINDOW
    _medians: dict[int, TemporalMedian] = field(
        default_factory=dict, repr=False, compare=False
    )

    @cached_property
    def uses_scan(self) -> bool:
        """Whether the scan is long enough for a temporal median."""
        return len(self.stack) >= FEWEST_FRAMES

    def of(self, index: int) -> FrameStatistics:
        """Statistics of projection `index`."""
        frame = self.stack.frame(index)
        if not self.uses_scan:
            return measure_frame(frame)
        return combine(frame, self._median_around(index))

    def _median_around(self, index: int) -> TemporalMedian:
        """Temporal median shared by the frames near `index`."""
        count = len(self.stack)
        width = min(self.window, count)
        anchor = index // STRIDE * STRIDE + STRIDE // 2
        start = int(np.clip(anchor - width // 2, 0, count - width))
        if start not in self._medians:
            found = temporal_median(Window(self.stack, start, width).held())
            # Two are kept: a viewer that steps back and forth over a border
            # between windows would otherwise work both out again and again.
            while len(self._medians) > 1:
                self._medians.pop(next(iter(self._medians)))
            self._medians[start] = found
        return self._medians[start]


def measure_scan(stack: ProjectionStack, window: int = WINDOW) -> ScanStatistics:
    """Statistics of a scan by temporal medians.

    Raises
    ------
    InputError
        If the scan has fewer than `FEWEST_FRAMES` projections.
    """
    if len(stack) < FEWEST_FRAMES:
        raise InputError(
            f"A temporal median needs at least {FEWEST_FRAMES} projections, "
            f"{stack.source or 'the stack'} has {len(stack)}: clean its frames singly."
        )
    return ScanStatistics(stack, window)


def statistics_of(stack: ProjectionStack) -> ScanStatistics:
    """Statistics of a stack: by temporal medians from `FEWEST_FRAMES` frames on."""
    return ScanStatistics(stack)
