"""How significant is what stands in a frame: matched filters in noise units."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft, optimize, stats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

DIRECTIONS = 8
"""Directions in which long filters lie, the nearest to the right one at each pixel."""


class Kernel(NamedTuple):
    """Shape of a matched filter: Gaussian σ of its length and of its width [px].

    Long filters lie at right angles to the direction of the beam centre, as the line
    that Laue focusing makes of a spot, or along it, as the streak of a strained grain.
    """

    along: float
    across: float
    radial: bool = False


def kernels(
    scales: Sequence[float], elongation: float = 1.0, *, radial: bool = False
) -> tuple[Kernel, ...]:
    """Filters of some widths, the finest first.

    Parameters
    ----------
    scales
        Widths, Gaussian σ [px].
    elongation
        How many times longer than wide they are, at least 1.
    radial
        Whether they lie along the direction of the beam centre.
    """
    longer = max(elongation, 1.0)
    return tuple(Kernel(scale * longer, scale, radial) for scale in sorted(scales))


def matched_filters(
    units: NDArray[np.float32],
    shapes: Sequence[Kernel],
    use: NDArray[np.bool_] | None = None,
    centre: tuple[float, float] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Signal-to-noise ratio of Gaussian spots centred on every pixel.

    For white noise, the sum over a frame weighted with the spot's own shape is
    the most significant linear measure of a spot (Turin 1960). The response's
    spread is measured on the frame itself and brought to 1, so that noise that
    is correlated between pixels does not pass for spots.

    Parameters
    ----------
    units
        Grey values above background over the noise of the pixel, shape (rows,
        columns).
    shapes
        Shapes of the spots.
    use
        Pixels to measure the spread on, shape (rows, columns); all by default.
    centre
        Row and column where the beam axis meets the detector [px]; the middle by
        default.

    Yields
    ------
    response
        For each shape in turn, shape (rows, columns); where there are no spots,
        its standard deviation is 1.
    """
    rows, columns = units.shape
    # Room for the widest kernel, so that opposite edges do not meet.
    room = int(np.ceil(4 * max(shape.along for shape in shapes)))
    size = (fft.next_fast_len(rows + room), fft.next_fast_len(columns + room, True))
    spectrum = fft.rfft2(units, size)
    down, across = fft.fftfreq(size[0]), fft.rfftfreq(size[1])

    def respond_to(shape: Kernel, turn: float) -> NDArray[np.float32]:
        gain = _transfer(shape, turn, down, across)
        response = fft.irfft2(spectrum * gain, size, overwrite_x=True)
        return np.asarray(response[:rows, :columns], np.float32)

    for shape in shapes:
        if shape.along == shape.across:
            response = respond_to(shape, 0.0)
        else:
            response = np.empty_like(units)
            turns = _turns(units.shape, centre, shape.radial)
            for number in range(DIRECTIONS):
                one = respond_to(shape, number * 180 / DIRECTIONS)
                np.copyto(response, one, where=turns == number)
        # A frame without noise must not make everything significant.
        yield response * np.float32(1 / max(robust_spread(response, use), 0.5))


@lru_cache(maxsize=4)
def _turns(
    shape: tuple[int, int], centre: tuple[float, float] | None, radial: bool
) -> NDArray[np.uint8]:
    """Number of the direction in which long filters lie at each pixel."""
    middle = centre or ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    row, column = np.ogrid[: shape[0], : shape[1]]
    # From +column towards −row, as all directions.
    towards = np.degrees(np.arctan2(middle[0] - row, column - middle[1]))
    number = np.rint((towards + 90 * (not radial)) * DIRECTIONS / 180) % DIRECTIONS
    return np.asarray(number, np.uint8)


class Response(NamedTuple):
    """What matched filters say of a frame, shape (rows, columns) each.

    Attributes
    ----------
    fine, best
        Response of the finest filter and the largest of all [standard deviations
        of the noise].
    crests
        What the finest filter sees beyond the next wider one, in units of its own
        noise: two spots that run into one in the response have a crest each. None
        with one filter.
    """

    fine: NDArray[np.float32]
    best: NDArray[np.float32]
    crests: NDArray[np.float32] | None = None


def respond(
    units: NDArray[np.float32],
    shapes: Sequence[Kernel],
    use: NDArray[np.bool_] | None = None,
    centre: tuple[float, float] | None = None,
) -> Response:
    """Ask all filters about a frame; parameters as in `matched_filters`."""
    responses = matched_filters(units, shapes, use, centre)
    fine = next(responses)
    best, crests = fine, None
    for shape, response in zip(shapes[1:], responses, strict=True):
        if crests is None and shape.across > shapes[0].across:
            # From unit noise to unit gain, so that even light cancels.
            crests = fine * np.float32(shape.across / shapes[0].across)
            crests -= response
            crests *= np.float32(1 / max(robust_spread(crests, use), 0.1))
            np.maximum(crests, 0, out=crests)
        best = np.maximum(best, response, out=response)
    return Response(fine, best, crests)


def _transfer(
    shape: Kernel, turn: float, down: NDArray[np.float64], across: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Gain of a Gaussian at each spatial frequency [1/px].

    White noise of spread 1 keeps it: the mean of the squared gain is 1. `turn` is the
    direction of its length, from +column towards −row [deg].
    """
    factor = -2 * np.pi**2
    whole = np.float32(np.sqrt(4 * np.pi * shape.along * shape.across))
    if shape.along == shape.across:
        vertical, horizontal = (
            np.exp(factor * (shape.along * f) ** 2).astype(np.float32)
            for f in (down, across)
        )
        return (whole * vertical)[:, None] * horizontal
    angle = np.radians(turn)
    v, h = down.astype(np.float32)[:, None], across.astype(np.float32)
    along = (h * np.cos(angle) - v * np.sin(angle)) * shape.along
    over = (h * np.sin(angle) + v * np.cos(angle)) * shape.across
    return np.asarray(whole * np.exp(factor * (along**2 + over**2)), np.float32)


def robust_spread(
    response: NDArray[np.float32], use: NDArray[np.bool_] | None = None
) -> float:
    """Standard deviation of the noise, from the lower half that spots leave alone.

    Parameters
    ----------
    response
        Shape (rows, columns).
    use
        Pixels that count, shape (rows, columns): not those masked as 0.
    """
    # Some ten thousand pixels give it to one per cent.
    step = max(1, int(np.sqrt(response.size / 40_000)))
    values = response[::step, ::step]
    if use is not None and use[::step, ::step].any():
        values = values[use[::step, ::step]]
    low, middle = np.quantile(values, [0.1587, 0.5])
    return max(float(middle - low), 1e-6)


def expected_false_alarms(
    threshold: float, pixels: float, shapes: Sequence[Kernel]
) -> float:
    """Noise maxima above a threshold that a frame without spots is expected to have.

    Counts pixels that exceed their neighbours along both axes in Gaussian noise
    with the correlation that a matched filter leaves (Taylor, Worsley & Gosselin
    2007, Biometrika 94, "Maxima of discretely sampled random fields").

    Parameters
    ----------
    threshold
        Level [standard deviations].
    pixels
        Area of the frame [px²].
    shapes
        The matched filters. Their maxima are counted each on its own; those that
        several filters share count twice, which errs on the safe side by less
        than a factor 2.
    """
    height = np.linspace(threshold, threshold + 6, 241)
    maxima = np.zeros_like(height)
    for shape in shapes:
        maxima += _is_maximum(height, shape.along) * _is_maximum(height, shape.across)
    return float(pixels * np.trapezoid(stats.norm.pdf(height) * maxima, height))


def _is_maximum(height: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Probability that a pixel of this height exceeds both neighbours on a line."""
    correlation = np.exp(-1 / (4 * scale**2))
    level = height * np.sqrt((1 - correlation) / (1 + correlation))
    # Both neighbours higher: their correlation, given the pixel, is −correlation².
    angle = np.linspace(1e-6, np.arcsin(np.sqrt((1 - correlation**2) / 2)), 65)
    both = np.exp(-(level[:, None] ** 2) / (2 * np.sin(angle) ** 2))
    above = np.trapezoid(both, angle, axis=1) / np.pi
    return np.asarray(1 - 2 * stats.norm.sf(level) + above, np.float64)


@lru_cache(maxsize=64)
def threshold_for(rate: float, pixels: float, shapes: tuple[Kernel, ...]) -> float:
    """Threshold at which a frame of noise has `rate` false alarms on average.

    Parameters
    ----------
    rate
        False alarms a frame.
    pixels, shapes
        As in `expected_false_alarms`.

    Returns
    -------
    threshold
        In standard deviations of the noise, at least 2.
    """

    def excess(level: float) -> float:
        return expected_false_alarms(level, pixels, shapes) - rate

    # Below 2 the maxima of noise run into each other.
    return 2.0 if excess(2.0) <= 0 else float(optimize.brentq(excess, 2.0, 40.0))
