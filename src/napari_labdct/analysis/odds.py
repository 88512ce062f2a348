"""How likely candidates are spots, by the network's word and by what a frame shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.analysis.likeness import MODEL, likeness, prevalence, whereabouts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.analysis.candidates import Candidates
    from napari_labdct.analysis.detection import Response

SURE = 0.9
"""Probability from which a bright spot shows what spots look like."""

SOLID = 5.0
"""Significance that noise hardly reaches, so that the rest is spots or streaks."""

DOUBTED = 5.0
"""The most that a frame without spots can say against what stands in it, where the
scan's median is known: then hardly any of it is a streak."""

ALONE = 0.5
"""Part of its log-odds that the network's word counts where nothing is known about the
scan: the likeliest pixel is the largest of many, and a spot's look is judged anew."""


def odds_alone(
    spots: Candidates,
    likely: NDArray[np.float64],
    response: Response,
    units: NDArray[np.float32],
    use: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Log-odds of candidates to be spots in a frame about whose scan nothing is known.

    Parameters
    ----------
    spots
        Candidates, none of them sharper than the point spread.
    likely
        Probability of the likeliest pixel of each, by the network, shape (S,).
    response
        Of the matched filters.
    units
        Grey values above background over the noise, shape (rows, columns).
    use
        Pixels that may belong to spots, shape (rows, columns).
    """
    sure = (spots.significance > MODEL) & (likely > SURE)
    peaks = spots.peaks(response.best)
    odds = ALONE * _log_odds(likely)
    odds += likeness(units, use, peaks, np.flatnonzero(sure))
    odds += whereabouts(odds, peaks, units.shape)
    return odds + prevalence(odds[spots.significance > SOLID])


def odds_in_scan(
    likely: NDArray[np.float64], solid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Log-odds of candidates to be spots where the scan's median is taken off.

    Parameters
    ----------
    likely
        Probability of the likeliest pixel of each, by the network, shape (S,).
    solid
        Those that noise hardly reaches. Where few of them are spots they are doubted
        more; the odds of others mean nothing.
    """
    odds = _log_odds(likely)
    return odds + prevalence(odds[solid], against=DOUBTED)


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of p / (1 − p), within ±20."""
    within = np.clip(probability, 2e-9, 1 - 2e-9)
    return np.asarray(np.log(within / (1 - within)), np.float64)
