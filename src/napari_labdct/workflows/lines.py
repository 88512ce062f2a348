"""Lines that show what cleaning did: over strong spots, weak spots, background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import SpotTable

Line = tuple[tuple[float, float], tuple[float, float]]

LENGTH = 0.22
"""Length of a line as a share of the frame's shorter side."""

MOST_SPOTS = 250
"""Spots whose pairs are tried; with more, every n-th in order of strength."""

_SAMPLES = 64


def choose_lines(
    spots: SpotTable, background: NDArray[np.float32], cleaned: NDArray[np.float32]
) -> dict[str, Line]:
    """Choose three lines, each through two spots where there are enough.

    Parameters
    ----------
    spots
        Spots of this projection.
    background
        Grey values expected without spots, shape (rows, columns).
    cleaned
        The cleaned frame, same shape.

    Returns
    -------
    lines
        Ends (row, column) [px] of the lines: A over two of the strongest spots, B
        over weak ones with nothing strong on it, C where the background changes
        most (edge of the beam stop, gradient).
    """
    rows, columns = background.shape
    length = max(4.0, LENGTH * min(rows, columns))
    table = spots.frame.sort_values("snr", kind="stable")
    table = table.iloc[:: max(1, -(-len(table) // MOST_SPOTS))]
    at = table[["row_px", "column_px"]].to_numpy(np.float64)
    snr = table["snr"].to_numpy(np.float64)
    pairs = _Lines.inside((rows, columns), *_through_pairs(at, snr, length))
    rays = _Lines.inside((rows, columns), *_through_spots(at, snr, length))
    if len(pairs) < 2 or len(rays) < 1:
        return _evenly(rows, columns)
    lines: dict[str, Line] = {}
    taken: list[NDArray[np.float64]] = []

    def choose(name: str, among: _Lines, score: NDArray[np.float64]) -> None:
        for other in taken:
            near = np.hypot(*(among.middle - other).T) < length
            score = np.where(near & ~near.all(), -np.inf, score)
        best = int(np.argmax(score))
        taken.append(among.middle[best])
        lines[name] = among.ends(best)

    uneven = _range(rays.values(background))
    choose("C", rays, uneven * (rays.strength >= np.median(rays.strength)))
    # Beside the beam stop a strong spot would tell two stories at once.
    even = _range(pairs.values(background)) < 0.4 * uneven.max()
    choose("A", pairs, np.where(even, pairs.strength, -1.0))
    ranks = np.argsort(np.argsort(pairs.strength)) / len(pairs)
    brightest = pairs.values(cleaned).max(axis=1)
    choose("B", pairs, np.where((ranks > 0.1) & (ranks < 0.4), -brightest, -np.inf))
    return {name: lines[name] for name in sorted(lines)}


@dataclass(frozen=True)
class _Lines:
    """Candidates: middles, half lengths as vectors, SNR of their weakest spot."""

    middle: NDArray[np.float64]
    half: NDArray[np.float64]
    strength: NDArray[np.float64]

    @classmethod
    def inside(
        cls,
        shape: tuple[int, int],
        middle: NDArray[np.float64],
        half: NDArray[np.float64],
        strength: NDArray[np.float64],
    ) -> _Lines:
        """Those candidates that lie in the frame with both ends."""
        first, last = middle - np.abs(half), middle + np.abs(half)
        fits = np.all((first >= 1) & (last <= np.array(shape) - 2), axis=1)
        return cls(middle[fits], half[fits], strength[fits])

    def __len__(self) -> int:
        return len(self.middle)

    def values(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Nearest grey values along every line, shape (lines, samples)."""
        along = np.linspace(-1, 1, _SAMPLES)[None, :, None]
        where = np.rint(self.middle[:, None] + self.half[:, None] * along).astype(int)
        found: NDArray[np.float32] = image[where[..., 0], where[..., 1]]
        return found

    def ends(self, index: int) -> Line:
        """Ends of one line, the left one first."""
        start = self.middle[index] - self.half[index]
        stop = self.middle[index] + self.half[index]
        if start[1] > stop[1]:
            start, stop = stop, start
        return _rounded(start), _rounded(stop)


Candidates = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def _through_pairs(
    at: NDArray[np.float64], snr: NDArray[np.float64], length: float
) -> Candidates:
    """Lines with two near spots in their middle part."""
    first, second = np.triu_indices(len(at), 1)
    apart = at[second] - at[first]
    distance = np.hypot(*apart.T)
    near = (distance > 0.25 * length) & (distance < 0.8 * length)
    first, second = first[near], second[near]
    half = apart[near] / distance[near, None] * (length / 2)
    return (at[first] + at[second]) / 2, half, np.minimum(snr[first], snr[second])


def _through_spots(
    at: NDArray[np.float64], snr: NDArray[np.float64], length: float
) -> Candidates:
    """Lines that start a sixth of their length before a spot, all around it."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    half = np.stack([np.sin(angle), np.cos(angle)], axis=1) * (length / 2)
    middle = at[:, None] + half[None] * (2 / 3)
    halves = np.broadcast_to(half, middle.shape)
    return middle.reshape(-1, 2), halves.reshape(-1, 2), np.repeat(snr, len(angle))


def _evenly(rows: int, columns: int) -> dict[str, Line]:
    """Three level lines, for frames with hardly a spot."""
    ends = 0.1 * (columns - 1), 0.9 * (columns - 1)
    heights = {"A": 0.25, "B": 0.5, "C": 0.75}
    return {
        name: ((share * (rows - 1), ends[0]), (share * (rows - 1), ends[1]))
        for name, share in heights.items()
    }


def _range(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Range of each row without its extremes: single hot pixels do not count."""
    low, high = np.percentile(values, (10, 90), axis=1)
    return np.asarray(high - low, np.float64)


def _rounded(end: NDArray[np.float64]) -> tuple[float, float]:
    return round(float(end[0]), 1), round(float(end[1]), 1)
