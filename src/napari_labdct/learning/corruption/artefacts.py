"""Zingers, particle tracks, hot pixels, burnt-in text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def zingers(
    rng: np.random.Generator, shape: tuple[int, int], rate: float
) -> NDArray[np.float32]:
    """Direct hits of the sensor: single pixels, pairs, a few tracks and blobs.

    Amplitudes are in units of the noise, log-normal as measured (median about
    30 σ), with a weak tail that a bare threshold would not catch.

    Parameters
    ----------
    rng
        Source of positions and amplitudes.
    shape
        Rows, columns.
    rate
        Events per pixel.
    """
    image = np.zeros(shape, np.float32)
    count = rng.poisson(rate * image.size)
    if not count:
        return image
    row = rng.integers(0, shape[0], count)
    column = rng.integers(0, shape[1], count)
    middle = rng.uniform(np.log(15), np.log(60))
    height = np.exp(rng.normal(middle, rng.uniform(0.7, 1.1), count))
    np.add.at(image, (row, column), height)
    for share in (0.3, 0.12, 0.06):  # clusters of up to four pixels
        step = rng.integers(-1, 2, (2, count))
        more = height * rng.uniform(0.1, 1, count)
        _add(image, row + step[0], column + step[1], more, rng.random(count) < share)
    for event in np.flatnonzero(rng.random(count) < 0.08):  # particle tracks
        length = int(np.exp(rng.uniform(np.log(3), np.log(40))))
        angle, bend = rng.uniform(0, np.pi), rng.normal(0, 0.03, length).cumsum()
        r = np.rint(row[event] + (np.sin(angle + bend)).cumsum()).astype(int)
        c = np.rint(column[event] + (np.cos(angle + bend)).cumsum()).astype(int)
        energy = height[event] * rng.uniform(0.1, 1)
        energy = energy * np.exp(rng.normal(0, 0.5, length))
        everywhere = np.ones(length, bool)
        _add(image, r, c, energy, everywhere)
        if rng.random() < 0.5:  # slanting through the sensor, two pixels wide
            _add(image, r, c + 1, energy * rng.uniform(0.2, 1, length), everywhere)
    for event in np.flatnonzero(rng.random(count) < 0.005):  # saturated blobs
        side = rng.integers(2, 6)
        r, c = row[event], column[event]
        image[r : r + side, c : c + side] += 1e4
    return image


def _add(
    image: NDArray[np.float32],
    row: NDArray[np.int_],
    column: NDArray[np.int_],
    value: NDArray[np.float64],
    keep: NDArray[np.bool_],
) -> None:
    inside = keep & (row >= 0) & (row < image.shape[0])
    inside &= (column >= 0) & (column < image.shape[1])
    np.add.at(image, (row[inside], column[inside]), value[inside])


def hot_pixels(
    rng: np.random.Generator, shape: tuple[int, int], rate: float
) -> NDArray[np.float32]:
    """Pixels that are always too bright or too dark, in units of the noise."""
    image = np.zeros(shape, np.float32)
    count = rng.poisson(rate * image.size)
    row, column = rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)
    sign = rng.choice([-1.0, 1.0], count, p=[0.3, 0.7])
    image[row, column] = sign * np.exp(rng.normal(np.log(10), 1.0, count))
    if rng.random() < 0.05:  # a bad column, or a bright edge
        at = rng.integers(0, shape[1])
        image[:, at] += rng.uniform(-5, 20)
    return image


def burnt_in_text(
    rng: np.random.Generator, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Mask of digits as viewers burn them into a corner."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("L", (shape[1], shape[0]))
    text = "".join(str(d) for d in rng.integers(0, 10, rng.integers(2, 9)))
    font = ImageFont.load_default(size=int(rng.integers(10, 40)))
    at = (int(rng.integers(0, shape[1] // 2)), int(rng.integers(0, shape[0] - 12)))
    ImageDraw.Draw(canvas).text(at, text, fill=255, font=font)
    return np.asarray(canvas) > 127
