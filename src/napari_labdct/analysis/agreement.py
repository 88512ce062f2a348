"""The cleaned picture where matched filters have their say as well.

A network looks at shapes; it leaves direct hits of the sensor that look like small
spots, shows faint blobs that no filter sees, and dims the faintest spots. Whoever looks
at the picture, or for spots in it, should meet what the spot table says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, optimize, special

from napari_labdct.analysis.detection import (
    expected_false_alarms,
    respond,
    threshold_for,
)
from napari_labdct.analysis.find import TRUST, FindSettings, from_response
from napari_labdct.analysis.likeness import MODEL, MODELS
from napari_labdct.analysis.odds import SURE, odds_alone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.analysis.candidates import Candidates
    from napari_labdct.analysis.detection import Kernel

FAINTEST = 400.0
"""False alarms a frame among the candidates."""

STEP = 0.25
"""Width of the bins in which candidates are counted [standard deviations]."""

EMPTY = 0.01
"""What an empty bin counts as."""

REACH = 3
"""How far around a spot its light is kept [px]."""

LOST = 0.5
"""Part of a spot's light below which the network has lost it."""

SMOOTH = 0.8
"""Gaussian σ by which light is smoothed that the network has lost [px]."""


def agreed(
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
    residual: NDArray[np.float32],
    sigma: NDArray[np.float32],
    *,
    alone: bool,
) -> NDArray[np.float32]:
    """The network's picture, less what filters contradict, and what it has lost.

    Light stays whole where a spot is likelier than not; below that it fades in
    proportion, down to nothing for what is sharper than the point spread.

    Parameters
    ----------
    image
        The network's picture, shape (rows, columns) [grey values].
    probability
        Probability that a pixel belongs to a spot, by the network, same shape.
    residual
        Measured frame minus background [grey values].
    sigma
        Standard deviation of the noise in a pixel [grey values].
    alone
        Whether nothing is known about the frame's scan. Then streaks that stay are
        as significant as spots, and candidates are judged by their look.

    Returns
    -------
    image
        Spots alone on a background of 0 [grey values].
    """
    settings = FindSettings()
    units, use = residual / sigma, np.ones(residual.shape, np.bool_)
    least = threshold_for(FAINTEST, units.size, settings.kernels)
    response = respond(units, settings.kernels, use)
    spots = from_response(response, use, least, settings)
    sharp = _tracks(spots, units, probability, settings.point_spread)
    tracks, spots = spots.only(sharp), spots.only(~sharp)
    likely = spots.most(probability)
    if alone:
        share = special.expit(odds_alone(spots, likely, response, units, use))
        part = np.minimum(2 * share, 1)
    else:
        share = spot_share(spots.significance, units.size, settings.kernels, least)
        part = np.maximum(np.minimum(2 * share, 1), likely)
    # Light that no candidate covers goes by the network's word and the spots nearby.
    kept = probability.ravel().copy()
    kept[spots.pixels] = part[spots.spot]
    kept[tracks.pixels] = 0
    around = ndimage.maximum_filter(kept.reshape(image.shape), 2 * REACH + 1).ravel()
    around[spots.pixels] = part[spots.spot]
    around[tracks.pixels] = 0
    picture = image * around.reshape(image.shape)
    _bring_back(picture, spots, share, units, sigma)
    return picture


def _tracks(
    spots: Candidates,
    units: NDArray[np.float32],
    probability: NDArray[np.float32],
    point_spread: float,
) -> NDArray[np.bool_]:
    """Which candidates are too sharp for spots, shape (S,)."""
    sharp = spots.looked_at(units).sharp(point_spread)
    sure = (spots.significance > MODEL) & (spots.most(probability) > SURE)
    # Where most of what is surely a spot is so sharp, the detector is.
    if np.count_nonzero(sure) >= MODELS and sharp[sure].mean() > 1 / 2:
        return np.zeros_like(sharp)
    return sharp


def spot_share(
    significance: NDArray[np.float64],
    pixels: float,
    shapes: tuple[Kernel, ...],
    least: float,
) -> NDArray[np.float64]:
    """Share of spots among the candidates that are as significant as each.

    What noise is expected to bring is taken off what was counted (local false
    discovery rate; Efron et al. 2001, J Am Stat Assoc 96, 1151).

    Parameters
    ----------
    significance
        Of each candidate, shape (S,) [standard deviations].
    pixels, shapes
        As in `expected_false_alarms`.
    least
        Significance down to which there are candidates.

    Returns
    -------
    share
        Between 0 and 1, rising with significance, shape (S,).
    """
    edges, noise = _expected_noise(pixels, shapes, least)
    counted = np.maximum(np.histogram(significance, edges)[0], EMPTY)
    falling = optimize.isotonic_regression(
        noise / counted, weights=counted, increasing=False
    ).x
    middle = (edges[1:] + edges[:-1]) / 2
    share = np.clip(1 - falling, 0, 1)
    return np.interp(significance, middle, share, right=1.0)


@lru_cache(maxsize=16)
def _expected_noise(
    pixels: float, shapes: tuple[Kernel, ...], least: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges of bins of significance, and noise maxima expected in each."""
    edges = np.arange(least, max(TRUST, least + 2 * STEP) + STEP, STEP)
    above = [expected_false_alarms(edge, pixels, shapes) for edge in edges]
    return edges, -np.diff(above)


def _bring_back(
    picture: NDArray[np.float32],
    spots: Candidates,
    share: NDArray[np.float64],
    units: NDArray[np.float32],
    sigma: NDArray[np.float32],
) -> None:
    """Show faint spots that are hardly noise and that the network has lost."""
    spots = spots.only((share > 1 / 2) & (spots.significance < TRUST)).cut_off(1)
    smooth = ndimage.gaussian_filter(units, SMOOTH, mode="nearest", truncate=3) * sigma
    light = np.maximum(smooth.ravel()[spots.pixels], 0)
    shown = picture.ravel()[spots.pixels]
    count = spots.score.size
    measured, left = (np.bincount(spots.spot, x, count) for x in (light, shown))
    back = (left < LOST * measured)[spots.spot]
    picture.ravel()[spots.pixels[back]] = np.maximum(shown, light)[back]
