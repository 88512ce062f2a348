"""Light that stands out and never comes back: not all of it is diffraction.

Noise does not reach far, so significance says nothing against light from elsewhere:
hits of the sensor that look like small spots, scatter from the mount. It does not
follow the sample's lattice from one projection to the next, and there is more of it in
some places than in others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEAREST = 40
"""Candidates around a place, in all projections, that show what is found there."""

DOUBT = 1.5
"""Standard errors by which too few of them must be spots: spots have their own reasons
not to come back, and where all of them are spots nothing may be lost."""

START = 0.9
"""Share of spots to begin with."""

TURNS = 20
"""Rounds of expectation maximisation."""


def diffraction_odds(
    place: Floats, word: Floats, by_chance: Floats, bright: NDArray[np.bool_]
) -> Floats:
    """Log-odds that what stands out of the noise comes from the sample's lattice.

    What neighbouring projections say of a candidate is weighed by how much more often
    they say it of bright spots than of places that have nothing to do with them. The
    prior is the share of spots among the candidates around, to which each of them adds
    what it is itself likely to be (expectation maximisation), at the upper end of what
    so few can tell (Wilson 1927, J Am Stat Assoc 22, 209).

    Parameters
    ----------
    place
        Row and column of candidates that are hardly noise, shape (N, 2) [px].
    word, by_chance
        What their neighbours say for them, and what they would say by chance, shape
        (N,).
    bright
        Those that are nearly all spots, shape (N,).

    Returns
    -------
    odds
        Shape (N,); infinite with too few candidates, or bright ones, to tell.
    """
    if min(int(np.count_nonzero(bright)), word.size - 1) < NEAREST:
        return np.full(word.size, np.inf)
    own = _log_ratio(word[bright], by_chance[bright], word)
    # Nobody is his own neighbour.
    around = np.asarray(cKDTree(place).query(place, k=NEAREST + 1)[1])[:, 1:]
    share = np.full(word.size, START)
    for _ in range(TURNS):
        spots = special.expit(special.logit(share) + own)
        share = _upper_end(spots[around].mean(axis=1))
    return np.asarray(special.logit(share) + own, np.float64)


def _upper_end(share: Floats) -> Floats:
    """The largest share that is compatible with one counted among `NEAREST`."""
    slack = DOUBT**2 / NEAREST
    width = np.sqrt(slack * share * (1 - share) + slack**2 / 4)
    # Certainty could not be shaken any more.
    return np.minimum((share + slack / 2 + width) / (1 + slack), 1 - 1e-4)


def _log_ratio(word: Floats, by_chance: Floats, asked: Floats) -> Floats:
    """How much more often a word is said of spots than by chance, rising with it.

    A word is a sum over neighbours as if each spoke for itself, but they agree: a spot
    that has left the beam's spectrum is gone from all. So it is measured anew.

    Parameters
    ----------
    word, by_chance
        Of spots, and of what is none, shape (S,) each.
    asked
        The words in question, shape (N,).
    """
    said = np.concatenate([word, by_chance]).round(2)
    level, which, count = np.unique(said, return_inverse=True, return_counts=True)
    of_spot = np.bincount(which[: word.size], minlength=level.size) / count
    part = optimize.isotonic_regression(of_spot, weights=count).x
    least = 1 / (2 * word.size)
    return np.interp(asked, level, special.logit(part.clip(least, 1 - least)))
