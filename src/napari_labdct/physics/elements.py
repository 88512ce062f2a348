"""Elements: the pieces of a grain that are followed by one ray each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray


def gather_elements(
    point: NDArray[np.float64],
    grain: NDArray[np.int64],
    edge: float,
    point_volume: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Gather fine points into cubic elements of one grain each.

    A cube goes to the grain with most points in it, if at least half of it is
    filled. What other grains have in it goes to their nearest elements. So every
    grain keeps its volume and its centre of mass to the precision of the points,
    though elements are few.

    Parameters
    ----------
    point
        Fine points on a regular grid, shape (N, 3) [mm].
    grain
        Grain of each point, shape (N,).
    edge
        Edge of the cubes [mm].
    point_volume
        Volume a point stands for [mm³].

    Returns
    -------
    centre, volume, grain_of
        Centre of mass (E, 3) [mm], volume (E,) [mm³] and grain (E,) of each element.
    """
    # cubes are centred on the sample's middle, whatever their number
    low = point.min(axis=0)
    span = np.ptp(point, axis=0)
    cells = np.maximum(np.ceil(span / edge - 1e-6), 1).astype(np.int64)
    start = low + span / 2 - cells * edge / 2
    place = np.clip(((point - start) / edge + 1e-9).astype(np.int64), 0, cells - 1)
    cube = np.ravel_multi_index(tuple(place.T), tuple(cells))

    grains = int(grain.max()) + 1
    piece, piece_of, size = np.unique(
        cube * grains + grain, return_inverse=True, return_counts=True
    )
    piece_cube = piece // grains
    # the largest piece of each cube comes last when sorted by cube, then size
    order = np.lexsort((size, piece_cube))
    last = np.r_[np.flatnonzero(np.diff(piece_cube[order])), len(order) - 1]
    filled = np.bincount(np.unique(piece_cube, return_inverse=True)[1], size)
    chosen = order[last[filled >= 0.5 * edge**3 / point_volume]]
    # a grain with no cube of its own keeps its largest piece as an element
    lost = np.setdiff1d(np.unique(grain), piece[chosen] % grains)
    if lost.size:
        owner = piece % grains
        own = [np.flatnonzero(owner == one) for one in lost]
        chosen = np.r_[chosen, [rows[size[rows].argmax()] for rows in own]]

    element = np.full(len(piece), -1, np.int64)
    element[chosen] = np.arange(len(chosen))
    middle = _means(point, piece_of, len(piece))
    stray = np.flatnonzero(element < 0)
    if stray.size:
        far = 4 * float(np.linalg.norm(span) + edge)  # keeps grains apart
        home = np.column_stack([middle[chosen], far * (piece[chosen] % grains)])
        lonely = np.column_stack([middle[stray], far * (piece[stray] % grains)])
        element[stray] = cKDTree(home).query(lonely)[1]
    of_point = element[piece_of]
    number = np.bincount(of_point, minlength=len(chosen))
    volume = np.asarray(number * point_volume, np.float64)
    grain_of = np.asarray(piece[chosen] % grains, np.int64)
    return _means(point, of_point, len(chosen)), volume, grain_of


def _means(
    point: NDArray[np.float64], group: NDArray[np.int64], groups: int
) -> NDArray[np.float64]:
    number = np.bincount(group, minlength=groups)
    total = [np.bincount(group, point[:, axis], groups) for axis in range(3)]
    return np.asarray(np.stack(total, axis=1) / number[:, None], np.float64)
