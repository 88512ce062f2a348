"""The cleaned picture where matched filters have their say as well.

A network looks at shapes; it leaves direct hits of the sensor that look like small
spots, shows faint blobs that no filter sees, and dims the faintest spots. Whoever looks
at the picture, or for spots in it, should meet what the spot table says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

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


class Heard(NamedTuple):
    """What a whole scan says of one of its frames.

    Attributes
    ----------
    spots
        Candidates with all their pixels, direct hits among them.
    share
        How likely each is a spot, shape (S,). What is in none of them is no spot.
    """

    spots: Candidates
    share: NDArray[np.float64]


def agreed(
    image: NDArray[np.float32],
    probability: NDArray[np.float32],
    residual: NDArray[np.float32],
    sigma: NDArray[np.float32],
    *,
    alone: bool,
    heard: Heard | None = None,
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
    heard
        What the whole scan says of the frame, where it was asked; then the frame's
        own candidates are not looked for.

    Returns
    -------
    image
        Spots alone on a background of 0 [grey values].
    """
    units = residual / sigma
    if heard is None:
        heard, part, kept = _seen(probability, units, alone=alone)
    else:
        part = np.minimum(2 * heard.share, 1)
        kept = np.zeros(image.size, np.float32)
    spots = heard.spots
    kept[spots.pixels] = part[spots.spot]
    around = ndimage.maximum_filter(kept.reshape(image.shape), 2 * REACH + 1).ravel()
    # Within a candidate its own share counts, however bright its neighbours are.
    around[spots.pixels] = part[spots.spot]
    picture = image * around.reshape(image.shape)
    _bring_back(picture, heard, units, sigma)
    return picture


def _seen(
    probability: NDArray[np.float32], units: NDArray[np.float32], *, alone: bool
) -> tuple[Heard, NDArray[np.float64], NDArray[np.float32]]:
    """What one frame shows by itself.

    Parameters
    ----------
    probability, alone
        As in `agreed`.
    units
        Grey values above background over the noise, shape (rows, columns).

    Returns
    -------
    heard
        Its candidates.
    part
        Part of their light that is kept, shape (S,).
    kept
        The same where there is no candidate, by pixel, shape (rows · columns,).
    """
    settings, use = FindSettings(), np.ones(units.shape, np.bool_)
    least = threshold_for(FAINTEST, units.size, settings.kernels)
    response = respond(units, settings.kernels, use)
    spots = from_response(response, use, least, settings)
    clear = ~_tracks(spots, units, probability, settings.point_spread)
    rest = spots.only(clear)
    likely = rest.most(probability)
    share, part = np.zeros(clear.size), np.zeros(clear.size)
    if alone:
        share[clear] = special.expit(odds_alone(rest, likely, response, units, use))
        part[clear] = np.minimum(2 * share[clear], 1)
    else:
        share[clear] = spot_share(
            rest.significance, units.size, settings.kernels, least
        )
        part[clear] = np.maximum(np.minimum(2 * share[clear], 1), likely)
    # Light that no candidate covers goes by the network's word and the spots nearby.
    return Heard(spots, share), part, probability.ravel().copy()


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
    heard: Heard,
    units: NDArray[np.float32],
    sigma: NDArray[np.float32],
) -> None:
    """Show faint spots that are hardly noise and that the network has lost."""
    spots, share = heard
    spots = spots.only((share > 1 / 2) & (spots.significance < TRUST)).cut_off()
    smooth = ndimage.gaussian_filter(units, SMOOTH, mode="nearest", truncate=3) * sigma
    light = np.maximum(smooth.ravel()[spots.pixels], 0)
    shown = picture.ravel()[spots.pixels]
    count = spots.score.size
    measured, left = (np.bincount(spots.spot, x, count) for x in (light, shown))
    back = (left < LOST * measured)[spots.spot]
    picture.ravel()[spots.pixels[back]] = np.maximum(shown, light)[back]
