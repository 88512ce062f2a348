"""Medians over the rotation, frame after frame."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack

ROWS_AT_ONCE = 32
"""Rows whose median is taken together: few enough to stay in the cache."""


def iter_rolling_median(
    stack: ProjectionStack, window: int = 11, *, cyclic: bool = True
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Every frame with the median of the frames around it.

    Frames are brought to one level for the median, because exposures drift, and
    the median back to the level of its frame. Only the frames of one window are
    held in memory.

    Parameters
    ----------
    stack
        The scan.
    window
        Odd number of frames that a median is taken over, this one in their middle.
    cyclic
        Whether the scan's ends meet, as after a full turn; otherwise the first
        and last frames share the window at their end.

    Yields
    ------
    frame, median
        Shape (rows, columns), grey values, in the order of the stack.

    Raises
    ------
    InputError
        If the window is even or longer than the scan.
    """
    count, half = len(stack), window // 2
    if window % 2 == 0:
        raise InputError(
            f"A median over {window} projections has no middle one: choose an odd "
            "number."
        )
    if window > count:
        raise InputError(
            f"A median over {window} projections does not fit "
            f"{stack.source or 'the scan'}, which has {count}: choose a shorter "
            "window, or find spots frame by frame."
        )
    held: dict[int, NDArray[np.float32]] = {}
    level: dict[int, np.float32] = {}
    for index in range(count):
        start = index - half
        if not cyclic:
            start = min(max(start, 0), count - window)
        wanted = [i % count for i in range(start, start + window)]
        # The first frames are read twice where the ends meet.
        for new in set(wanted) - set(held):
            frame = stack.frame(new)
            level[new] = _level(frame)
            held[new] = frame / level[new]
        held = {i: held[i] for i in wanted}
        together = median([held[i] for i in wanted])
        yield held[index] * level[index], together * level[index]


def _level(frame: NDArray[np.float32]) -> np.float32:
    """Level that a frame is brought to 1 by; 1 where its background is 0."""
    middle = np.median(frame[::4, ::4])
    return np.float32(middle) if middle > 0 else np.float32(1)


def median(frames: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Pixel by pixel median of an odd number of frames.

    A sorting network: its comparisons do not depend on the values, so each is
    one minimum and one maximum of whole rows (Batcher 1968). Twenty times as
    fast as sorting pixel by pixel.

    Parameters
    ----------
    frames
        Each of shape (rows, columns).
    """
    comparisons = _network(len(frames))
    out = np.empty_like(frames[0])
    for row in range(0, out.shape[0], ROWS_AT_ONCE):
        lines = [frame[row : row + ROWS_AT_ONCE].copy() for frame in frames]
        for low, high in comparisons:
            least = np.minimum(lines[low], lines[high])
            np.maximum(lines[low], lines[high], out=lines[high])
            lines[low] = least
        out[row : row + ROWS_AT_ONCE] = lines[len(frames) // 2]
    return out


@cache
def _network(count: int) -> tuple[tuple[int, int], ...]:
    """Comparisons of Batcher's merge sort that the middle value depends on."""
    pairs: list[tuple[int, int]] = []
    merged = 1
    while merged < count:
        step = merged
        while step >= 1:
            for start in range(step % merged, count - step, 2 * step):
                for low in range(start, min(start + step, count - step)):
                    if low // (2 * merged) == (low + step) // (2 * merged):
                        pairs.append((low, low + step))
            step //= 2
        merged *= 2
    wanted, needed = {count // 2}, []
    for pair in reversed(pairs):
        if wanted & set(pair):
            needed.append(pair)
            wanted |= set(pair)
    return tuple(reversed(needed))
