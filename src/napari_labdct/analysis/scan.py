"""Grey values along a line, and the peaks on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage, signal

from napari_labdct.core import InputError, LineProfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BACKGROUND_WINDOW = 101
"""Samples over which the running median of a profile's background is taken."""

PEAK_COLUMNS = (
    "position_px",
    "row_px",
    "column_px",
    "height",
    "fwhm_px",
    "background",
    "snr",
)


def line_profile(
    images: Mapping[str, Any],
    start: tuple[float, float],
    stop: tuple[float, float],
    *,
    width: int = 1,
    name: str = "A",
    projection: int = 0,
) -> LineProfile:
    """Grey values of images along one line, by bilinear interpolation.

    Samples are evenly spaced, at most 1 px apart, and include both ends.

    Parameters
    ----------
    images
        Grey values by layer name, each of shape (rows, columns).
    start, stop
        Ends of the line (row, column) [px]; pixel centres are at integers.
    width
        Width over which values are averaged across the line [px].
    name, projection
        Name of the line and 0-based index of the projection, kept for reference.

    Returns
    -------
    profile
        Values are NaN where the line, in its full width, leaves the frame.

    Raises
    ------
    InputError
        If the width is not positive or an end is not finite.
    """
    if width < 1:
        raise InputError(
            f"Line {name} has a width of {width} px: choose a width of at least 1 px."
        )
    ends = np.array([start, stop], np.float64)
    if not np.isfinite(ends).all():
        raise InputError(
            f"Line {name} has no finite ends: draw it again inside the frame."
        )
    along = ends[1] - ends[0]
    length = float(np.hypot(*along))
    distance = np.linspace(0.0, length, int(np.ceil(length)) + 1)
    direction = along / length if length > 0 else np.array([0.0, 1.0])
    across = np.array([-direction[1], direction[0]])
    offset = np.arange(width) - (width - 1) / 2
    # Shape (2, samples, width): rows and columns of every value that is averaged.
    where = ends[0][:, None, None] + (
        direction[:, None, None] * distance[:, None] + across[:, None, None] * offset
    )
    frames = {layer: np.asarray(image) for layer, image in images.items()}
    shapes = {frame.shape for frame in frames.values()}
    samples = {shape: _Samples.of(where, shape) for shape in shapes}
    return LineProfile(
        name=name,
        start=(float(ends[0, 0]), float(ends[0, 1])),
        stop=(float(ends[1, 0]), float(ends[1, 1])),
        distance_px=distance,
        values={
            layer: samples[frame.shape].mean(frame) for layer, frame in frames.items()
        },
        width_px=width,
        projection=projection,
    )


class _Samples(NamedTuple):
    """Where a line of some width reads frames of one shape, and how much counts.

    Worked out once for all layers: SciPy's `map_coordinates`, which does it for each,
    takes three times as long.

    Attributes
    ----------
    at, weights
        Flat index of the pixels around each place, and their bilinear weights over
        the width, four arrays each of shape (samples, width).
    outside
        Samples that are not within the frame in their full width, shape (samples,).
    """

    at: tuple[NDArray[np.intp], ...]
    weights: tuple[NDArray[np.float64], ...]
    outside: NDArray[np.bool_]

    @classmethod
    def of(cls, where: NDArray[np.float64], shape: tuple[int, ...]) -> _Samples:
        """For places of shape (2, samples, width)."""
        rows, columns = shape
        row, column = where
        within = (row >= 0) & (row <= rows - 1) & (column >= 0)
        within &= column <= columns - 1
        # The last pixel is the end of the step before it.
        top = np.clip(row.astype(np.intp), 0, max(rows - 2, 0))
        left = np.clip(column.astype(np.intp), 0, max(columns - 2, 0))
        first = top * columns + left
        down, right = columns * (rows > 1), int(columns > 1)
        below, beside = row - top, column - left
        weights = (
            (1 - below) * (1 - beside),
            (1 - below) * beside,
            below * (1 - beside),
            below * beside,
        )
        return cls(
            (first, first + right, first + down, first + down + right),
            tuple(weight / where.shape[2] for weight in weights),
            ~within.all(1),
        )

    def mean(self, frame: NDArray[Any]) -> NDArray[np.float64]:
        """Mean over the width, NaN outside, shape (samples,)."""
        flat = frame.ravel()
        total = np.zeros(self.outside.size)
        for at, weight in zip(self.at, self.weights, strict=True):
            total += np.einsum("ij,ij->i", flat.take(at), weight)
        total[self.outside] = np.nan
        return total


def profile_peaks(
    profile: LineProfile, layer: str, *, least_snr: float = 5.0
) -> pd.DataFrame:
    """Peaks on a line profile.

    A line should be twice as long as the widest peak, or longer, to show its
    background.

    Parameters
    ----------
    profile
        The profile.
    layer
        Which of its layers.
    least_snr
        Smallest prominence of a peak, in units of the profile's noise.

    Returns
    -------
    peaks
        One row a peak, in the order along the line, with the columns
        `position_px` (distance from the start [px]), `row_px`, `column_px`,
        `height` (above the local background [grey values]), `fwhm_px` (full
        width at half height [px]), `background` (local, a running median that
        leaves the peaks out [grey values]) and `snr` (height over the noise of
        the profile; infinite where the background has no noise).

    Raises
    ------
    InputError
        If the profile has no such layer.
    """
    if layer not in profile.values:
        raise InputError(
            f"Line {profile.name} has no layer {layer!r}: "
            f"choose one of {', '.join(profile.values)}."
        )
    inside = np.isfinite(profile.values[layer])
    values, distance = profile.values[layer][inside], profile.distance_px[inside]
    if values.size < 3:
        return pd.DataFrame({column: np.empty(0) for column in PEAK_COLUMNS})
    background, noise = _background(values)
    height = values - background
    # Without noise (a cleaned layer) rounding must not make peaks.
    least = max(least_snr * noise, 1e-3 * float(height.max(initial=0.0)))
    padded = np.pad(height, 1)
    top, _ = signal.find_peaks(padded, height=least, prominence=least)
    spacing = distance[1] - distance[0]
    fwhm = _widths(padded, top) * spacing
    top = top - 1
    position = distance[top]
    fraction = position / max(profile.length_px, np.finfo(float).tiny)
    (row, column), stop = profile.start, profile.stop
    return pd.DataFrame(
        {
            "position_px": position,
            "row_px": row + (stop[0] - row) * fraction,
            "column_px": column + (stop[1] - column) * fraction,
            "height": height[top],
            "fwhm_px": fwhm,
            "background": background[top],
            "snr": height[top] / noise if noise > 0 else np.full(top.size, np.inf),
        }
    )


def _widths(height: NDArray[np.float64], top: NDArray[np.intp]) -> NDArray[np.float64]:
    """Full width at half of the height above the background, in samples."""
    floor = np.zeros(top.size, np.float64)
    edge = (np.zeros(top.size, np.intp), np.full(top.size, height.size - 1, np.intp))
    known = (height[top] - floor, *edge)
    return np.asarray(signal.peak_widths(height, top, 0.5, known)[0], np.float64)


def _background(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Running median that leaves peaks out, and the noise about it."""
    window = min(BACKGROUND_WINDOW, 2 * values.size) | 1
    # The lower quarter starts below even those peaks that fill most of a line.
    background = ndimage.percentile_filter(values, 25, window, mode="reflect")
    steps = np.abs(np.diff(values))
    noise = 1.4826 * float(np.median(steps)) / np.sqrt(2)
    at = np.arange(values.size)
    before = np.zeros(0, np.bool_)
    for _ in range(6):
        keep = values <= background + 3 * noise
        if np.count_nonzero(keep) < 3 or np.array_equal(keep, before):
            break
        before = keep
        bridged = np.interp(at, at[keep], values[keep])
        background = ndimage.median_filter(bridged, window, mode="reflect")
        noise = float(np.quantile(np.abs(values - background)[keep], 0.683))
    # Less than rounding in float32 is no noise.
    return background, noise if noise > 1e-6 * float(np.ptp(values)) else 0.0
