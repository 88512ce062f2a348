"""Pixels into spots: basins around significant maxima."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray


def split_regions(
    landscape: NDArray[np.float32],
    pixels: NDArray[np.intp],
    *,
    depth: float,
    contrast: float,
    least: float,
    within: NDArray[np.intp] | None = None,
    light: NDArray[np.float32] | None = None,
    structure: float = 0.0,
) -> NDArray[np.intp]:
    """Divide pixels into one region for each significant maximum.

    Every pixel climbs to the maximum that its steepest way up leads to. Then,
    from the highest saddle down, two regions that meet become one unless the
    lower of the two maxima rises far enough above the saddle between them
    (topological persistence; Edelsbrunner et al. 2002).

    Parameters
    ----------
    landscape
        Height of every pixel, shape (rows, columns).
    pixels
        Flat indices of the pixels to divide, ascending, shape (N,).
    depth
        Least rise of a maximum above the saddle to a higher one.
    contrast
        Least rise as a fraction of the light at the maximum.
    least
        Least height of a maximum that stays separate from a higher one.
    within
        Regions that are divided further, shape (N,); one by default.
    light
        How bright the pixels are, shape (rows, columns); the landscape by default.
    structure
        Least rise as a fraction of the light at the higher maximum.

    Returns
    -------
    region
        Number of each pixel's region (0, 1, …), shape (N,). Pixels that share an
        edge or a corner are neighbours.
    """
    if pixels.size == 0:
        return pixels
    rows, columns = landscape.shape
    height = landscape.ravel()[pixels].astype(np.float64)
    # Ranks have no ties, so that plateaus cannot send pixels round in circles.
    rank = np.empty(pixels.size, np.int64)
    rank[np.argsort(height)] = np.arange(pixels.size)
    width = columns + 2
    place = (pixels // columns + 1) * width + pixels % columns + 1
    where = np.full((rows + 2) * width, pixels.size, np.int32)
    where[place] = np.arange(pixels.size)
    # One more entry stands for everything outside.
    padded = np.append(rank, -1)
    forward = (1, width - 1, width, width + 1)
    neighbours = [where[place + step] for step in (*forward, *(-s for s in forward))]
    if within is not None:
        whose = np.append(within, -1)
        for neighbour in neighbours:
            neighbour[whose[neighbour] != within] = pixels.size
    parent = np.arange(pixels.size)
    highest = rank.copy()
    for neighbour in neighbours:
        better = padded[neighbour] > highest
        parent[better] = neighbour[better]
        highest[better] = padded[neighbour[better]]
    while True:
        grandparent = parent[parent]
        if np.array_equal(grandparent, parent):
            break
        parent = grandparent
    top = np.flatnonzero(parent == np.arange(pixels.size))
    basin = _numbered(top, pixels.size)[parent]
    saddles = _saddles(basin, height, neighbours[: len(forward)])
    shown = landscape if light is None else light
    bright = shown.ravel()[pixels[top]].astype(np.float64)
    needed = np.maximum(depth, contrast * bright)
    root = _merge(height[top], saddles, needed, structure * bright, least)
    return _numbered(np.unique(root), top.size)[root[basin]]


def _numbered(members: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Numbers 0, 1, … of the members of 0 to size − 1."""
    number = np.zeros(size, np.intp)
    number[members] = np.arange(members.size)
    return number


def _saddles(
    basin: NDArray[np.intp],
    height: NDArray[np.float64],
    neighbours: list[NDArray[np.int32]],
) -> list[tuple[float, int, int]]:
    """Highest pass between every two basins that touch: (height, basin, basin)."""
    count = int(basin.max()) + 1
    keys, passes = [], []
    for neighbour in neighbours:
        here = np.flatnonzero(neighbour < basin.size)
        there = neighbour[here]
        border = basin[here] != basin[there]
        here, there = here[border], there[border]
        one, other = basin[here], basin[there]
        keys.append(np.minimum(one, other) * count + np.maximum(one, other))
        passes.append(np.minimum(height[here], height[there]))
    key, level = np.concatenate(keys), np.concatenate(passes)
    if key.size == 0:
        return []
    order = np.lexsort((-level, key))
    key, level = key[order], level[order]
    first = np.append(True, key[1:] != key[:-1])
    key, level = key[first], level[first]
    order = np.argsort(-level, kind="stable")
    one, other = np.divmod(key[order], count)
    return list(zip(level[order].tolist(), one.tolist(), other.tolist(), strict=True))


def _merge(
    peak: NDArray[np.float64],
    saddles: list[tuple[float, int, int]],
    own: NDArray[np.float64],
    other: NDArray[np.float64],
    least: float,
) -> NDArray[np.intp]:
    """For each basin the one it belongs to, which is its highest.

    The lower of two must rise by what itself and what the higher one ask for.
    """
    root = list(range(peak.size))
    top, by_itself, by_higher = peak.tolist(), own.tolist(), other.tolist()

    def find(basin: int) -> int:
        while root[basin] != basin:
            root[basin] = root[root[basin]]
            basin = root[basin]
        return basin

    for level, one, another in saddles:
        high, low = find(one), find(another)
        if high == low:
            continue
        if top[high] < top[low]:
            high, low = low, high
        needed = max(by_itself[low], by_higher[high])
        if top[low] < least or top[low] - level < needed:
            root[low] = high
    return np.array([find(basin) for basin in range(peak.size)], np.intp)


def largest(
    values: NDArray[np.floating[Any] | np.integer[Any]], region: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Largest value in each region.

    Parameters
    ----------
    values, region
        Value and region number of every pixel, shape (N,); each of the regions
        0 to R − 1 has a pixel.
    """
    top = np.full(int(region.max(initial=-1)) + 1, -np.inf)
    np.maximum.at(top, region, values.astype(np.float64))
    return top


def connected_to(
    wanted: NDArray[np.bool_], support: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Pixels of those connected parts of the support that hold a wanted pixel.

    Parameters
    ----------
    wanted, support
        Shape (rows, columns).

    Returns
    -------
    pixels
        Flat indices, ascending.
    """
    labels, count = ndimage.label(support, np.ones((3, 3), bool))
    strong = np.zeros(count + 1, bool)
    strong[labels.ravel()[np.flatnonzero(wanted)]] = True
    strong[0] = False
    pixels = np.flatnonzero(support)
    return pixels[strong[labels.ravel()[pixels]]]


def maxima(
    landscape: NDArray[np.float32], pixels: NDArray[np.intp], least: float
) -> NDArray[np.intp]:
    """Which of some pixels are as high as all their neighbours, and high enough.

    Parameters
    ----------
    landscape
        Shape (rows, columns).
    pixels
        Flat indices, shape (N,).
    least
        Least height.

    Returns
    -------
    which
        Indices into `pixels`.
    """
    flat, columns = landscape.ravel(), landscape.shape[1]
    which = np.flatnonzero(flat[pixels] >= least)
    for step in (-columns - 1, -columns, -columns + 1, -1):
        for way in (step, -step):
            at = pixels[which]
            # Beyond the frame's border the look goes to its other side.
            beside = flat.take(at + way, mode="clip")
            which = which[flat[at] >= beside]
    return which
