"""Backgrounds as detectors show them: gradients, shadows, streaks that stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, special

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """Where a crop lies in its frame.

    Attributes
    ----------
    row, column
        Pixel coordinates of the crop relative to the beam centre, shapes
        (rows, 1) and (1, columns) [px].
    size
        Half the side of the whole frame [px].
    """

    row: NDArray[np.float32]
    column: NDArray[np.float32]
    size: float

    @classmethod
    def of_crop(
        cls,
        frame: tuple[int, int],
        corner: tuple[int, int],
        crop: tuple[int, int],
        centre_shift: tuple[float, float] = (0.0, 0.0),
    ) -> View:
        """View of a crop whose first pixel is at `corner` of a frame."""
        middle = [
            (n - 1) / 2 + shift for n, shift in zip(frame, centre_shift, strict=True)
        ]
        row, column = (
            np.asarray(np.arange(n) + (first - centre), np.float32)
            for n, first, centre in zip(crop, corner, middle, strict=True)
        )
        return cls(row[:, None], column[None, :], max(frame) / 2)

    @property
    def radius(self) -> NDArray[np.float32]:
        """Distance from the beam centre, shape (rows, columns) [px]."""
        return np.asarray(np.hypot(self.row, self.column), np.float32)


def gradients(rng: np.random.Generator, view: View) -> NDArray[np.float32]:
    """Smooth background of mean about 1: radial, linear and corner gradients."""
    u, v, r = view.row / view.size, view.column / view.size, view.radius / view.size
    shape = 1 + rng.normal(0, 0.12) * u + rng.normal(0, 0.12) * v
    shape = shape + rng.normal(0, 0.15) * u * v + rng.normal(0, 0.1) * (u**2 - v**2)
    fall = rng.uniform(0, 1.2) * rng.choice([0.0, 1.0], p=[0.3, 0.7])
    shape = shape * (1 + fall * np.exp(-((r / rng.uniform(0.25, 1.2)) ** 2)))
    if rng.random() < 0.3:  # vignetting towards the corners
        shape = shape * (1 - rng.uniform(0.1, 0.7) * np.clip(r / 1.45, 0, 1) ** 4)
    for _ in range(rng.poisson(0.7)):  # broad humps, as scatter from holders makes
        at = rng.uniform(-1, 1, 2)
        width = rng.uniform(0.08, 0.5)
        hump = np.exp(-((u - at[0]) ** 2 + (v - at[1]) ** 2) / (2 * width**2))
        shape = shape + rng.uniform(-0.2, 0.5) * hump
    return np.asarray(np.clip(shape, 0.08, None), np.float32)


def _edge(distance: NDArray[np.float32], softness: float) -> NDArray[np.float32]:
    """1 inside, 0 outside, with a Gaussian-blurred edge."""
    return np.asarray(
        0.5 * special.erfc(distance / (np.sqrt(2) * softness)), np.float32
    )


def shadows(
    rng: np.random.Generator, view: View, shift: tuple[float, float] = (0, 0)
) -> NDArray[np.float32]:
    """Transmission of the beam stop and what holds it: soft and hard shadows.

    `shift` moves every shadow (row, column) [px]; the same `rng` state and another
    shift give the same beam stop a moment later.
    """
    row, column = view.row - shift[0], view.column - shift[1]
    factor = np.ones(np.broadcast_shapes(row.shape, column.shape), np.float32)
    if rng.random() < 0.12:
        return factor
    half = view.size * rng.uniform(0.06, 0.4)
    for _ in range(rng.integers(1, 4)):
        height, width = half * rng.uniform(0.8, 1.25, 2)
        at = rng.normal(0, 0.05 * half, 2)
        depth = 1 - np.exp(rng.uniform(np.log(0.02), np.log(0.9)))
        softness = float(np.exp(rng.uniform(np.log(0.3), np.log(12))))
        if rng.random() < 0.7:
            inside = _edge(np.abs(row - at[0]) - height, softness) * _edge(
                np.abs(column - at[1]) - width, softness
            )
        else:
            inside = _edge(np.hypot(row - at[0], column - at[1]) - height, softness)
        factor = factor * (1 - np.float32(depth) * inside)
        half *= rng.uniform(0.6, 1.6)
    if rng.random() < 0.1:  # the arm that holds the stop
        angle, width = rng.uniform(0, 2 * np.pi), rng.uniform(2, 25)
        across = row * np.cos(angle) - column * np.sin(angle)
        along = row * np.sin(angle) + column * np.cos(angle)
        arm = _edge(np.abs(across) - width, 2.0) * (along > 0)
        factor = factor * (1 - np.float32(rng.uniform(0.05, 0.8)) * arm)
    return factor


def static_streaks(rng: np.random.Generator, view: View) -> NDArray[np.float32]:
    """Radial streaks and dots that stay while the sample turns.

    Diffraction and scatter of what does not rotate (beam stop, windows, holder):
    on measured frames half of the peaks of a single frame are of this kind.

    Returns
    -------
    streaks
        Shape (rows, columns), of order 1 where strong; to be scaled.
    """
    rows, columns = view.row.size, view.column.size
    image = np.zeros((rows, columns), np.float32)
    if rng.random() < 0.3:
        return image
    density = np.exp(rng.uniform(np.log(2e-4), np.log(8e-3)))
    count = rng.poisson(density * rows * columns)
    inner = view.size * rng.uniform(0.15, 0.6)
    longest = np.exp(rng.uniform(np.log(5), np.log(60)))
    lengths = 4 + longest * rng.exponential(0.4, count)
    lengths[rng.random(count) < 0.03] = 1  # a few dots
    row, column = rng.uniform(0, rows, count), rng.uniform(0, columns, count)
    away = np.stack([row + view.row[0, 0], column + view.column[0, 0]])
    if rng.random() < 0.35:
        # Part of them comes from another place, such as the holder's tip.
        other = view.size * rng.uniform(-1.3, 1.3, 2)
        belongs = rng.random(count) < rng.uniform(0.2, 1)
        away = np.where(belongs, away - other[:, None], away)
    radius = np.hypot(*away) + 1e-3
    if rng.random() < 0.7:  # fewer of them farther out
        near = rng.random(count) < np.exp(-radius / (view.size * rng.uniform(0.15, 1)))
        row, column, lengths = row[near], column[near], lengths[near]
        away, radius, count = away[:, near], radius[near], int(near.sum())
    strength = np.exp(rng.normal(0, 1.2, count))
    strength *= np.exp(-((radius / inner - 1) ** 2) * rng.uniform(0, 0.5))
    angle = np.arctan2(*away) + rng.normal(0, rng.uniform(0.01, 0.12), count)
    # A dot for every pixel of a streak, brightest at one end as comets are, then
    # one blur for the thin and one for the broad streaks: cheap and seamless.
    points = np.maximum(1, np.ceil(lengths).astype(int))
    which = np.repeat(np.arange(count), points)
    along = np.concatenate([np.arange(n) for n in points] or [np.zeros(0)])
    head = np.where(rng.random(count) < 0.8, 1, -1)[which]
    fading = np.exp(-along * rng.uniform(0, 3, count)[which] / points[which])
    at_row = np.rint(row[which] + head * along * np.sin(angle)[which]).astype(int)
    at_column = np.rint(column[which] + head * along * np.cos(angle)[which]).astype(int)
    keep = (at_row >= 0) & (at_row < rows) & (at_column >= 0) & (at_column < columns)
    bright = (strength[which] * fading)[keep]
    thin = (rng.random(count) < rng.random())[which][keep]
    for chosen, narrow, wide in ((thin, 0.6, 1.3), (~thin, 1.2, 2.4)):
        layer = np.zeros_like(image)
        np.add.at(
            layer, (at_row[keep][chosen], at_column[keep][chosen]), bright[chosen]
        )
        sigma = float(rng.uniform(narrow, wide))
        image += ndimage.gaussian_filter(layer, sigma) * np.float32(2.5 * sigma)
    return image
