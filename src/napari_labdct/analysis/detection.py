"""How significant is what stands in a frame: matched filters in noise units."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, optimize, stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def matched_filters(
    units: NDArray[np.float32], scales: Sequence[float]
) -> list[NDArray[np.float32]]:
    """Signal-to-noise ratio of round Gaussian spots centred on every pixel.

    For white noise, the sum over a frame weighted with the spot's own shape is
    the most significant linear measure of a spot (Turin 1960). The response's
    spread is measured on the frame itself and brought to 1, so that noise that
    is correlated between pixels does not pass for spots.

    Parameters
    ----------
    units
        Grey values above background over the noise of the pixel, shape (rows,
        columns).
    scales
        Widths of the spots, Gaussian σ [px].

    Returns
    -------
    responses
        One array of shape (rows, columns) for each scale; where there are no
        spots, its standard deviation is 1.
    """
    rows, columns = units.shape
    # Room for the widest kernel, so that opposite edges do not meet.
    room = int(np.ceil(4 * max(scales)))
    size = (fft.next_fast_len(rows + room), fft.next_fast_len(columns + room, True))
    spectrum = fft.rfft2(units, size)
    frequency = (fft.fftfreq(size[0]), fft.rfftfreq(size[1]))
    responses = []
    for scale in scales:
        vertical, horizontal = (
            np.exp(-2 * (np.pi * scale * f) ** 2).astype(np.float32) for f in frequency
        )
        # White noise of spread 1 keeps it: the mean of the squared response is 1.
        full = np.exp(-2 * (np.pi * scale * fft.fftfreq(size[1])) ** 2)
        gain = 1 / np.sqrt(np.mean(vertical**2) * np.mean(full**2))
        transfer = np.float32(gain) * vertical[:, None] * horizontal
        filtered = spectrum * transfer
        response = fft.irfft2(filtered, size, overwrite_x=True)[:rows, :columns]
        response *= np.float32(1 / _spread(response))
        responses.append(response)
    return responses


def _spread(response: NDArray[np.float32]) -> float:
    """Standard deviation of the noise, from the lower half that spots leave alone."""
    # Some ten thousand pixels give it to one per cent.
    step = max(1, int(np.sqrt(response.size / 40_000)))
    low, middle = np.quantile(response[::step, ::step], [0.1587, 0.5])
    # A frame without noise must not make everything significant.
    return max(float(middle - low), 0.5)


def expected_false_alarms(
    threshold: float, pixels: float, scales: Sequence[float]
) -> float:
    """Noise maxima above a threshold that a frame without spots is expected to have.

    Counts pixels that exceed their neighbours along rows and columns in Gaussian
    noise with the correlation that a matched filter leaves (Taylor, Worsley &
    Gosselin 2007, Biometrika 94, "Maxima of discretely sampled random fields").

    Parameters
    ----------
    threshold
        Level [standard deviations].
    pixels
        Area of the frame [px²].
    scales
        Widths of the matched filters, Gaussian σ [px]. Their maxima are counted
        each on its own, which counts those that several scales share too often:
        the estimate is on the safe side, by less than a factor 2.
    """
    height = np.linspace(threshold, threshold + 6, 241)
    density = stats.norm.pdf(height) * sum(_is_maximum(height, s) for s in scales)
    return float(pixels * np.trapezoid(density, height))


def _is_maximum(height: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Probability that a pixel of this height exceeds its four neighbours."""
    correlation = np.exp(-1 / (4 * scale**2))
    level = height * np.sqrt((1 - correlation) / (1 + correlation))
    # Both neighbours higher: their correlation, given the pixel, is −correlation².
    angle = np.linspace(1e-6, np.arcsin(np.sqrt((1 - correlation**2) / 2)), 65)
    both = np.exp(-(level[:, None] ** 2) / (2 * np.sin(angle) ** 2))
    axis = 1 - 2 * stats.norm.sf(level) + np.trapezoid(both, angle, axis=1) / np.pi
    return np.asarray(axis**2, np.float64)


@lru_cache(maxsize=64)
def threshold_for(rate: float, pixels: float, scales: tuple[float, ...]) -> float:
    """Threshold at which a frame of noise has `rate` false alarms on average.

    Parameters
    ----------
    rate
        False alarms a frame.
    pixels, scales
        As in `expected_false_alarms`.

    Returns
    -------
    threshold
        In standard deviations of the noise, at least 2.
    """

    def excess(level: float) -> float:
        return expected_false_alarms(level, pixels, scales) - rate

    # Below 2 the maxima of noise run into each other.
    return 2.0 if excess(2.0) <= 0 else float(optimize.brentq(excess, 2.0, 40.0))
