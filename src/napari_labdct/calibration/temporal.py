"""What stays while the sample turns: the median of neighbouring frames.

A median knows nothing of spots, but it is a quarter noisier than a mean, and the spots
of all the other frames still lift it a little. So the mean of those frames is taken
that are near the median, pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_labdct.calibration.background import smooth_background

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

REACH = 2.5
"""Spreads from the median up to which a frame counts; further off, it shows a spot."""

STEADY = 9
"""Neighbours in a row whose spreads are averaged: few frames tell little [px]."""

HELD = 2**28
"""Bytes of frames held at a time; larger windows are read in bands of rows."""


@dataclass(frozen=True)
class TemporalMedian:
    """What stays while the sample turns.

    Attributes
    ----------
    image
        Mean of the frames, brought to one level, that are near their median, shape
        (rows, columns).
    static
        Its pattern above the smooth background, shape (rows, columns).
    flicker
        Factor ≥ 1 by which a pixel's spread over the frames exceeds what its
        level explains (edges that move, unstable pixels), shape (rows, columns).
    own
        Part of its distance by which a frame that counts has moved the mean, shape
        (rows, columns); None where the frames it is taken off were no part of it.
    reach
        Distance up to which a frame counts, shape (rows, columns); None likewise.
    """

    image: NDArray[np.float32]
    static: NDArray[np.float32]
    flicker: NDArray[np.float32]
    own: NDArray[np.float32] | None = None
    reach: NDArray[np.float32] | None = None

    @classmethod
    def from_image(
        cls,
        image: NDArray[np.float32],
        flicker: NDArray[np.float32] | None = None,
        own: NDArray[np.float32] | None = None,
        reach: NDArray[np.float32] | None = None,
    ) -> TemporalMedian:
        """Median whose static pattern is still to be told from the background."""
        flicker = np.ones_like(image) if flicker is None else flicker
        return cls(image, image - smooth_background(image), flicker, own, reach)

    def without(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The image as it would be without a frame that is part of it.

        Parameters
        ----------
        frame
            Brought to the image's level, shape (rows, columns).
        """
        if self.own is None or self.reach is None:
            return self.image
        off = frame - self.image
        off[np.abs(off) > self.reach] = 0
        return self.image - off * self.own


class Window:
    """Neighbouring frames of a stack, read when asked for, as small as stored."""

    def __init__(self, stack: ProjectionStack, start: int, count: int) -> None:
        self.stack, self.start, self.count = stack, start, count
        stored = np.dtype(stack.images.dtype)
        self.dtype = stored if stored in (np.uint8, np.uint16) else np.dtype("f4")
        _, self.rows, self.columns = stack.shape

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for index in range(self.start, self.start + self.count):
            yield self.stack.frame(index).astype(self.dtype, copy=False)

    def bands(self) -> Iterator[NDArray[Any]]:
        """The frames in bands of rows of `HELD` bytes, shape (n, band, columns)."""
        row = self.count * self.columns * self.dtype.itemsize
        band = max(1, HELD // row)
        for top in range(0, self.rows, band):
            height = min(band, self.rows - top)
            part = np.empty((self.count, height, self.columns), self.dtype)
            # Copied one by one: a view would keep its whole frame in memory.
            for rows, frame in zip(part, self, strict=True):
                rows[:] = frame[top : top + height]
            yield part

    def held(self) -> Window | NDArray[Any]:
        """An array, shape (n, rows, columns), where that takes no more than `HELD`."""
        whole = self.count * self.rows * self.columns * self.dtype.itemsize <= HELD
        return np.stack(list(self)) if whole else self


def temporal_median(frames: NDArray[Any] | Window) -> TemporalMedian:
    """What stays in frames brought to one level, and each pixel's excess flicker.

    Parameters
    ----------
    frames
        Grey values: shape (n, rows, columns), or a window of a stack, of which at
        most `HELD` bytes are in memory at a time.
    """
    levels = np.array([np.median(frame[::4, ::4]) for frame in frames], np.float32)
    if not np.all(levels > 0):
        levels = np.ones_like(levels)
    levels = (levels / levels.mean())[:, None, None]
    bands = [frames] if isinstance(frames, np.ndarray) else frames.bands()
    parts = [_middle(band, levels) for band in bands]
    image, own, spread = (np.concatenate(part) for part in zip(*parts, strict=True))
    excess = ndimage.uniform_filter(spread, 3) / _typical_spread(spread, image)
    # A tenth above 1 is the scatter of the estimate itself.
    flicker = np.clip(excess / 1.1, 1.0, 5.0).astype(np.float32)
    return TemporalMedian.from_image(image, flicker, own, _reach(spread))


def _middle(
    frames: NDArray[Any], levels: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean of frames near their median, what one of them adds, the spread below.

    Frames of shape (n, rows, columns), levels of shape (n, 1, 1).
    """
    count, rows, columns = frames.shape
    image = np.empty((rows, columns), np.float32)
    own, spread = np.empty_like(image), np.empty_like(image)
    half = [(count - 1) // 2, count // 2]
    step = max(1, 2**22 // (count * columns))
    for row in range(0, rows, step):
        here = slice(row, row + step)
        off = frames[:, here] / levels
        middle = np.partition(off, half, axis=0)[half].mean(0)
        off -= middle
        # Rotating spots brighten a pixel now and then; the part below the median
        # knows nothing of them.
        below = np.minimum(off, 0)
        spread[here] = np.sqrt(np.einsum("nrc,nrc->rc", below, below) * (2 / count))
        near = np.abs(off) <= _reach(spread[here])
        number = np.count_nonzero(near, axis=0)
        off *= near
        image[here] = middle + off.sum(0) / np.maximum(number, 1)
        own[here] = 1 / np.maximum(number - 1, 1)
    return image, own, spread


def _reach(spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance from the median up to which frames count, by the spread below it."""
    return REACH * ndimage.uniform_filter1d(spread, STEADY, axis=1)


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
