"""Integrated intensity above the local background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.analysis.shape import Shape

RINGS = (0.0, 1.5, 3.0, 4.5)
"""Distances between the ellipses on which the local background is sampled [px]."""


def grow(
    labels: NDArray[np.int32], pixels: NDArray[np.intp], margin: NDArray[np.intp]
) -> None:
    """Widen spots by whole pixels, in place; who comes first keeps a pixel.

    Parameters
    ----------
    labels
        Number of each pixel's spot, from 1, 0 elsewhere, −1 where none may
        grow, shape (rows, columns) with a border of −1 one pixel wide.
    pixels
        Flat indices of the pixels of spots.
    margin
        Pixels to grow by, for each spot, shape (S,).
    """
    flat, width = labels.reshape(-1), labels.shape[1]
    cross = (-width, -1, 1, width)
    corners = (-width - 1, -width + 1, width - 1, width + 1)
    front = pixels
    for turn in range(int(margin.max(initial=0))):
        front = front[margin[flat[front] - 1] > turn]
        gained = []
        # Corners every other turn: the outline stays nearly round.
        for step in cross + corners * (turn % 2):
            there = front + step
            free = flat[there] == 0
            new = there[free]
            flat[new] = flat[front[free]]
            gained.append(new)
        front = np.concatenate(gained)


def contacts(
    labels: NDArray[np.int32], pixels: NDArray[np.intp], spot: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which spots touch the border or masked pixels, and which touch another.

    Parameters
    ----------
    labels
        As in `grow`.
    pixels, spot
        Flat indices into `labels` of the spots' pixels, and their spots' numbers
        from 0, shape (N,).
    """
    flat, width = labels.ravel(), labels.shape[1]
    count = int(spot.max(initial=-1)) + 1
    edge, overlap = np.zeros(count, bool), np.zeros(count, bool)
    for step in (-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1):
        neighbour = flat[pixels + step]
        edge[spot[neighbour < 0]] = True
        overlap[spot[(neighbour > 0) & (neighbour != spot + 1)]] = True
    return edge, overlap


def local_background(
    residual: NDArray[np.float32],
    labels: NDArray[np.int32],
    shape: Shape,
    margin: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Median of the residual on ellipses around each spot, other spots left out.

    Parameters
    ----------
    residual
        Measured frame minus background, shape (rows, columns).
    labels
        Number of each pixel's spot, 0 where there is none, shape (rows, columns).
    shape, margin
        Axes and margin of the spots, shape (S,).

    Returns
    -------
    background, samples
        Median grey value, 0 where there are none, and the number of samples.
    """
    rows, columns = residual.shape
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    gap = (margin + 2)[:, None, None] + np.array(RINGS)[:, None]
    long = (2.2 * shape.major)[:, None, None] + gap
    short = (2.2 * shape.minor)[:, None, None] + gap
    along, across = long * np.cos(turn), short * np.sin(turn)
    angle = np.radians(shape.angle)[:, None, None]
    dc = along * np.cos(angle) - across * np.sin(angle)
    dr = -along * np.sin(angle) - across * np.cos(angle)
    row = np.rint(shape.row[:, None, None] + dr).astype(np.intp)
    column = np.rint(shape.column[:, None, None] + dc).astype(np.intp)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    row, column = row.clip(0, rows - 1), column.clip(0, columns - 1)
    free = inside & (labels[row, column] == 0)
    use = free.reshape(row.shape[0], turn.size * len(RINGS))
    values = np.where(use, residual[row, column].reshape(use.shape), np.inf)
    values.sort(axis=1)
    samples = use.sum(1)
    at = np.arange(samples.size)
    low, high = np.maximum(samples - 1, 0) // 2, samples // 2
    middle = (values[at, low] + values[at, np.minimum(high, values.shape[1] - 1)]) / 2
    return np.where(samples > 0, middle, 0.0), samples


def shrunk(
    background: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local backgrounds drawn towards their middle as far as they are only noise.

    The frame's background is already subtracted; what is left around a spot is
    partly noise. The spread of all spots' values beyond their errors says how
    much of it is real (James & Stein 1961).

    Parameters
    ----------
    background, error
        Measured local background and its standard error, shape (S,).

    Returns
    -------
    background, error
        The same, shape (S,); as they were where spots are too few to tell.
    """
    if background.size < 8:
        return background, error
    middle = float(np.median(background))
    ratio = np.clip((background - middle) / np.maximum(error, 1e-12), -5, 5)
    excess = max(float(np.mean(ratio**2)) - 1, 0.0)
    trust = excess / (1 + excess)
    return middle + trust * (background - middle), np.sqrt(trust) * error
