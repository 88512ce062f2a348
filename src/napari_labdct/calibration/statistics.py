"""Background, static pattern and noise of a frame, alone or out of its scan."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_labdct.calibration.background import smooth_background
from napari_labdct.calibration.noise import noise_map
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


@dataclass(frozen=True)
class TemporalMedian:
    """What stays while the sample turns.

    Attributes
    ----------
    image
        Median of the frames brought to one level, shape (rows, columns).
    static
        Its pattern above the smooth background, shape (rows, columns).
    flicker
        Factor ≥ 1 by which a pixel's spread over the frames exceeds what its
        level explains (edges that move, unstable pixels), shape (rows, columns).
    own
        How far a frame above the median raises it, shape (rows, columns); None
        where the frames it is taken off were no part of it.
    """

    image: NDArray[np.float32]
    static: NDArray[np.float32]
    flicker: NDArray[np.float32]
    own: NDArray[np.float32] | None = None

    @classmethod
    def from_image(
        cls,
        image: NDArray[np.float32],
        flicker: NDArray[np.float32] | None = None,
        own: NDArray[np.float32] | None = None,
    ) -> TemporalMedian:
        """Median whose static pattern is still to be told from the background."""
        flicker = np.ones_like(image) if flicker is None else flicker
        return cls(image, image - smooth_background(image), flicker, own)

    def without(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The median as it would be without a frame that is part of it.

        Parameters
        ----------
        frame
            Brought to the median's level, shape (rows, columns).
        """
        if self.own is None:
            return self.image
        return np.where(
            frame > self.image, self.image - self.own, self.image + self.own
        )


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
            frames = [self.stack.frame(i) for i in range(start, start + width)]
            found = temporal_median(np.stack(frames))
            # Two are kept: a viewer that steps back and forth over a border
            # between windows would otherwise work both out again and again.
            while len(self._medians) > 1:
                self._medians.pop(next(iter(self._medians)))
            self._medians[start] = found
        return self._medians[start]


def temporal_median(frames: NDArray[np.float32]) -> TemporalMedian:
    """Median of frames brought to one level, and each pixel's excess flicker.

    Parameters
    ----------
    frames
        Shape (n, rows, columns), grey values.
    """
    levels = np.median(frames[:, ::4, ::4].reshape(len(frames), -1), axis=1)
    if not np.all(levels > 0):
        levels = np.ones_like(levels)
    levels = levels / levels.mean()
    median = np.empty(frames.shape[1:], np.float32)
    spread, own = np.empty_like(median), np.empty_like(median)
    # The values around the middle: two of an even number, of which a frame above
    # hides the lower; three of an odd one, which moves by half as much.
    half = len(frames) // 2
    around = [half - 1, half] if len(frames) % 2 == 0 else [half - 1, half, half + 1]
    step = max(1, 2**22 // (len(frames) * frames.shape[2]))
    for row in range(0, frames.shape[1], step):
        part = frames[:, row : row + step] / levels[:, None, None]
        ranked = np.partition(part, around, axis=0)[around]
        middle = ranked.mean(0) if len(around) == 2 else ranked[1]
        own[row : row + step] = (ranked[-1] - ranked[0]) / (2 * (len(around) - 1))
        median[row : row + step] = middle
        # Rotating spots brighten a pixel now and then; the part below the median
        # knows nothing of them.
        below = np.maximum(middle - part, 0)
        spread[row : row + step] = np.sqrt((below**2).mean(0) * 2)
    excess = ndimage.uniform_filter(spread, 3) / _typical_spread(spread, median)
    # A tenth above 1 is the scatter of the estimate itself.
    flicker = np.clip(excess / 1.1, 1.0, 5.0).astype(np.float32)
    return TemporalMedian.from_image(median, flicker, own)


def _typical_spread(
    spread: NDArray[np.float32], median: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Typical temporal spread at each level of the median."""
    edges = np.unique(np.quantile(median[::3, ::3], np.linspace(0, 1, 25)))
    if edges.size < 3:
        return np.full_like(spread, max(float(np.median(spread)), 1e-6))
    which = np.clip(np.searchsorted(edges, median[::2, ::2]) - 1, 0, edges.size - 2)
    values = ndimage.median(spread[::2, ::2], which, np.arange(edges.size - 1))
    middle = (edges[1:] + edges[:-1]) / 2
    expected = np.interp(median, middle, values)
    bright = median > middle[-1]
    expected[bright] *= np.sqrt(median[bright] / max(middle[-1], 1e-6))
    return np.maximum(expected, 1e-6).astype(np.float32)


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
