"""Centroid, axes and sharpness of spots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 1.3
"""Gaussian σ of the window in which sharpness is measured [px]."""


@dataclass(frozen=True)
class Shape:
    """Centroid and second moments of spots, each array of shape (S,).

    Attributes
    ----------
    row, column
        Centroid [px].
    major, minor
        Standard deviation along the long and the short axis [px].
    angle
        Direction of the long axis, from +column towards −row (anticlockwise on
        the screen), −90 to 90 [deg].
    """

    row: NDArray[np.float64]
    column: NDArray[np.float64]
    major: NDArray[np.float64]
    minor: NDArray[np.float64]
    angle: NDArray[np.float64]


def shape_of(
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    weight: NDArray[np.float64],
    spot: NDArray[np.intp],
    cut: NDArray[np.float64],
    blur: NDArray[np.float64],
) -> Shape:
    """Centroid and axes of spots that were cut off at a fraction of their peak.

    Parameters
    ----------
    row, column, weight
        Place [px] and height above the cut of every pixel, shape (N,).
    spot
        Number of each pixel's spot, shape (N,), 0 to S − 1.
    cut
        Fraction of the peak at which each spot is cut, shape (S,); the moments
        are corrected by what a Gaussian loses there.
    blur
        Gaussian σ by which each spot's heights were smoothed, shape (S,); taken
        off the axes [px].
    """
    count = cut.size
    total = np.maximum(np.bincount(spot, weight, count), 1e-12)
    first = [np.bincount(spot, weight * at, count) / total for at in (row, column)]
    dr, dc = row - first[0][spot], column - first[1][spot]
    rr, cc, rc = (
        np.bincount(spot, weight * product, count) / total
        for product in (dr * dr, dc * dc, dr * dc)
    )
    mean, difference = (rr + cc) / 2, (cc - rr) / 2
    spread = np.hypot(difference, rc)
    lost = _second_moment_above(np.clip(cut, 1e-3, 0.95))
    # No spot is narrower than a pixel that is evenly lit.
    least = 1 / 12
    major = np.sqrt(np.maximum((mean + spread) / lost - blur**2, least))
    minor = np.sqrt(np.maximum((mean - spread) / lost - blur**2, least))
    angle = np.degrees(0.5 * np.arctan2(-2 * rc, 2 * difference))
    return Shape(first[0], first[1], major, minor, angle)


LOPSIDED = 0.05, 0.2
"""How far a dim side typically draws a spot's centroid, in its Gaussian σ: where it
shows little but the point spread, and where it is the image of a grain."""

POINT = 1.5
"""Gaussian σ up to which a spot shows little but the point spread [px]."""


LIT = 3.5, 6.0
"""Height from which pixels count for the centroid of a faint spot, and of a bright one
[standard deviations]: those farther out bring more noise than light."""


def lit_above(
    peak: NDArray[np.float64], snr: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Height above which a spot's pixels count for its centroid.

    Parameters
    ----------
    peak
        Largest height of each spot, shape (S,) [standard deviations].
    snr
        Signal-to-noise ratio of the whole spot, shape (S,). Where it is far above the
        peak, a spot is much wider than its filter, and dim pixels have much light.
    """
    faint, bright = LIT
    limit = np.clip(0.15 * peak, np.minimum(faint, 0.4 * peak), bright)
    return np.minimum(limit, 8 * peak / np.maximum(snr, 1))


def centred(
    shape: Shape,
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    measured: NDArray[np.float64],
    sigma: NDArray[np.float64],
    spot: NDArray[np.intp],
) -> Shape:
    """Spots centred on their measured intensity, as far as its noise permits.

    Smoothed heights above a cut give the centroid with the least noise, but make
    little of a dim side, which images of grains often have. The centroid of the
    measured values does it justice; it counts by the odds that the difference is
    the spot's own (`LOPSIDED`) and no noise.

    Parameters
    ----------
    shape
        As `shape_of` gives it.
    row, column, measured, sigma
        Place [px], grey value above background and its noise of the pixels that
        count (`lit_above`), shape (N,).
    spot
        Number of each pixel's spot, shape (N,), 0 to S − 1.
    """
    count = shape.row.size
    total = np.maximum(np.bincount(spot, measured, count), 1e-12)
    area = shape.major * shape.minor
    point, image = LOPSIDED
    own = np.maximum(point**2 * area, image**2 * (area - POINT**2))
    moved = []
    for centre, at in ((shape.row, row), (shape.column, column)):
        offset = at - centre[spot]
        step = np.bincount(spot, measured * offset, count) / total
        noise = np.bincount(spot, (sigma * offset) ** 2, count) / total**2
        moved.append(centre + step * own / (own + noise))
    return replace(shape, row=moved[0], column=moved[1])


def _second_moment_above(cut: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance per axis of max(exp(−r²/2) − cut, 0) in two dimensions."""
    square = -2 * np.log(cut)
    upper = 2 - cut * (square + 2) - cut * square**2 / 4
    return np.asarray(upper / (2 * (1 - cut - cut * square / 2)), np.float64)


def sharpness(
    units: NDArray[np.float32], row: NDArray[np.float64], column: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How narrow spots are at their peak, as the smallest windowed variance.

    Parameters
    ----------
    units
        Grey values above background over the noise, shape (rows, columns).
    row, column
        Peaks, shape (S,) [px].

    Returns
    -------
    variance
        Along the narrowest direction, under a round Gaussian window of width w
        = `WINDOW`, shape (S,) [px²]. A Gaussian spot of width σ has 1 / (1/σ² +
        1/w²); one bright pixel or a straight particle track has about 0.
    """
    half = 4
    rows, columns = units.shape
    offset = np.arange(-half, half + 1)
    at_row = np.rint(row).astype(np.intp)[:, None, None] + offset[:, None]
    at_column = np.rint(column).astype(np.intp)[:, None, None] + offset
    inside = (at_row >= 0) & (at_row < rows) & (at_column >= 0) & (at_column < columns)
    patch = units[at_row.clip(0, rows - 1), at_column.clip(0, columns - 1)]
    patch = np.where(inside, patch, 0).astype(np.float64)
    centre_row, centre_column = row.copy(), column.copy()
    for last in (False, False, True):
        dr = at_row - centre_row[:, None, None]
        dc = at_column - centre_column[:, None, None]
        weighted = patch * np.exp(-(dr**2 + dc**2) / (2 * WINDOW**2))
        total = weighted.sum((1, 2))
        total = np.where(total > 0, total, np.inf)
        if not last:
            # The window halves the step; twice the mean offset makes up for it.
            for centre, start, d in (
                (centre_row, row, dr),
                (centre_column, column, dc),
            ):
                step = 2 * (weighted * d).sum((1, 2)) / total
                np.clip(centre + step.clip(-0.3, 0.3), start - 1, start + 1, out=centre)
    rr = (weighted * dr**2).sum((1, 2)) / total
    cc = (weighted * dc**2).sum((1, 2)) / total
    rc = (weighted * dr * dc).sum((1, 2)) / total
    return np.asarray((rr + cc) / 2 - np.hypot((rr - cc) / 2, rc), np.float64)
