"""What shapes a point on its way into the picture: element, blur, beam stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ive, ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry

_ALONG, _SAFER = 1.5, 1.7  # finer than the period by, along a line, in a cube
_FINEST = 8  # divisions of an element's edge, at most
_PAINT_VARIANCE = 1 / 6  # what sharing a ray among four pixels adds to a spot [px²]


def element_points(
    slope: NDArray[np.float64], element: float, period: float
) -> NDArray[np.float64]:
    """Points that draw an element in each spot, offsets (points, S, 2) [px].

    Where the map is all but a line, as in Laue focusing, points stand along that
    line; elsewhere in the element's cube, see `points_in_cube`.

    Parameters
    ----------
    slope
        How (row, column) change along x, y, z in each spot, shape (S, 2, 3)
        [px mm⁻¹]; 0 for spots that need no care.
    element
        Edge of the elements [mm].
    period
        Largest period with which elements may show [px].
    """
    edges = slope * element
    value, vector = np.linalg.eigh(edges @ edges.swapaxes(1, 2))
    side = np.sqrt(value.clip(0))[:, ::-1]  # of a rectangle of the same moments
    cared = side[:, 0] > 0
    long, short = np.median(side[cared], axis=0) if cared.any() else (0.0, 0.0)
    if _ALONG * long <= period:
        return np.zeros((1, len(slope), 2))
    if short > 0.4 * period:  # seen in both directions
        inside = points_in_cube(_SAFER * long / period)
        return np.asarray(np.einsum("sij,pj->psi", edges, inside), np.float64)
    count = int(np.ceil(_ALONG * long / period))
    step = (np.arange(count) + 0.5) / count - 0.5
    return np.asarray(step[:, None, None] * vector[:, :, 1] * side[:, :1], np.float64)


def points_in_cube(finer: float) -> NDArray[np.float64]:
    """Points of a unit cube that make a lattice of cubes look `finer` times finer.

    A lattice of elements shows through in the picture at its own spatial
    frequencies. Points inside each element cancel the lowest of them: a
    body-centred set those below √2, a face-centred one those below √3 times the
    lattice's first, and the same sets in n³ smaller cubes n times as much.
    """
    bases = (
        (1.0, np.zeros((1, 3))),
        (np.sqrt(2), 0.25 * np.array([[1, 1, 1], [-1, -1, -1]])),
        (
            np.sqrt(3),
            0.25 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]),
        ),
    )
    enough = [
        (len(basis) * n**3, n, basis)
        for n in range(1, _FINEST + 1)
        for reach, basis in bases
        if reach * n >= min(finer, _FINEST)
    ]
    _, n, basis = min(enough, key=lambda choice: choice[0])
    cell = (np.indices((n, n, n)).reshape(3, -1).T + 0.5) / n - 0.5
    return np.asarray((cell[:, None] + basis / n).reshape(-1, 3))


def blur_sigma(geometry: Geometry) -> float:
    """Point spread in the image, source ⊕ detector, Gaussian σ [px].

    A source of full width s draws every point of the sample L_sd/L_ss times as wide.
    """
    source = geometry.source_size / np.sqrt(8 * np.log(2))
    drawn = source * geometry.sample_to_detector / geometry.source_to_sample
    return float(
        np.hypot(geometry.detector.blur_sigma, drawn / geometry.detector.pixel_size)
    )


def blur_kernel(sigma: float) -> NDArray[np.float64]:
    """Weights of a blur from its middle outwards.

    The discrete Gaussian exp(−σ²) I_n(σ²) has the variance σ² for every σ, which a
    sampled Gaussian of less than a pixel has not (Lindeberg 1990).
    """
    variance = max(sigma**2 - _PAINT_VARIANCE, 0.0)
    if variance < 1e-3:
        return np.ones(1)
    reach = int(np.ceil(4 * np.sqrt(variance)))
    kernel = ive(np.arange(reach + 1), variance)
    return np.asarray(kernel / (kernel[0] + 2 * kernel[1:].sum()), np.float64)


def opaque_box(geometry: Geometry) -> tuple[float, float, float, float] | None:
    """First and last row, first and last column that no photon reaches [px].

    None where there is no beam stop or it lets photons through.
    """
    stop, detector = geometry.beam_stop, geometry.detector
    if stop.transmission > 0 or stop.height == 0 or stop.width == 0:
        return None
    row, column = detector.centre
    scale = 1000 / detector.pixel_size
    row, column = row - stop.offset_z * scale, column - stop.offset_y * scale
    high, wide = stop.height / 2 * scale, stop.width / 2 * scale
    return row - high, row + high, column - wide, column + wide


def beam_stop_transmission(geometry: Geometry) -> NDArray[np.float32]:
    """Share of the photons that pass the beam stop, shape (rows, columns)."""
    stop, detector = geometry.beam_stop, geometry.detector
    if stop.edge == 0:
        shadow = geometry.beam_stop_mask().astype(np.float64)
    else:
        size = detector.pixel_size / 1000
        row, column = detector.centre
        z = (row - np.arange(detector.rows)) * size - stop.offset_z
        y = (column - np.arange(detector.columns)) * size - stop.offset_y
        profile = [
            ndtr((x + full / 2) / stop.edge) - ndtr((x - full / 2) / stop.edge)
            for x, full in ((z, stop.height), (y, stop.width))
        ]
        shadow = profile[0][:, None] * profile[1]
    return (1 - (1 - stop.transmission) * shadow).astype(np.float32)
