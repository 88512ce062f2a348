"""Direct hits of the sensor among the spots of a scan.

Particles that hit the sensor itself leave light on one to four pixels: it has not
gone through the optics, and is sharper than any spot. The sharpest are told at sight
(`Candidates.sharp`); some are nearly as wide as spots, the more so the fainter they
are. How many those are follows from the many that are sharp, and how wide spots are is
seen on the bright ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from napari_labdct.analysis.odds import SOLID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLEAR = 8.0
"""Significance from which neighbouring projections confirm nearly all spots."""

BRIGHT = 15.0
"""Significance from which a spot shows how wide spots are."""

EDGES = np.arange(-0.6, 1.325, 0.05)
"""Limits of the classes of sharpness [px²]."""

MIDDLE = (EDGES[1:] + EDGES[:-1]) / 2

CORE, SPREAD = 0.04, 0.09
"""Sharpness of hits on one pixel or two, and its spread [px²]."""

TAIL, WIDE = 0.05, 0.4
"""Share of hits that are wider, evenly up to so much [px²]."""

SHARP, NARROW = 0.15, 0.3
"""Sharpness below which there are hits alone, and above which spots are looked for
[px²]: a Gaussian spot of 0.7 px has 0.43."""

HIT_NOISE, SPOT_NOISE = 1.0, 1.5
"""Scatter of the sharpness of hits and of spots, times significance [px²]."""

CLASS, CLASSES = 200, 8
"""Candidates in a class of significance, at least, and classes, at most."""

CERTAIN = 6.0
"""Log-odds from which light is certainly no hit."""


def direct_hits(
    sharpness: Floats,
    significance: Floats,
    companions: NDArray[np.int64],
    word: Floats,
) -> NDArray[np.bool_]:
    """Which candidates of a scan are likelier direct hits than spots.

    Parameters
    ----------
    sharpness, significance
        As in `spot_odds`.
    companions, word
        What neighbouring projections say of each, see `Judged`; zeros where none was
        asked. Silence counts as much as there are clear spots that none confirms.

    Returns
    -------
    hits
        Shape (N,).
    """
    odds = spot_odds(sharpness, significance)
    clear = companions[(significance > CLEAR) & (odds > CERTAIN)]
    unconfirmed = np.mean(clear == 0) if clear.size else 1.0
    least = np.log(max(float(unconfirmed), 0.01))
    return np.asarray(odds + np.maximum(word, least) < 0, np.bool_)


def spot_odds(sharpness: Floats, significance: Floats) -> Floats:
    """Log-odds of candidates to be spots and no direct hits, by how narrow they are.

    Among candidates of about the same significance, hits and spots have known
    distributions of sharpness, blurred by noise; how many of them are hits is fitted
    (expectation maximisation).

    Parameters
    ----------
    sharpness
        Smallest windowed variance of each candidate of a scan, shape (N,) [px²].
    significance
        Shape (N,).

    Returns
    -------
    log_odds
        Shape (N,); infinite for what may as well be noise.
    """
    odds = np.full(sharpness.size, np.inf)
    solid = np.flatnonzero(significance > SOLID)
    hits, spots = _hits(), _spots(sharpness[significance > BRIGHT])
    classes = int(np.clip(solid.size // CLASS, 1, CLASSES))
    for part in np.array_split(solid[np.argsort(significance[solid])], classes):
        if part.size == 0:
            continue
        noise = 1 / float(np.median(significance[part]))
        hit = _blurred(hits, HIT_NOISE * noise)
        spot = _blurred(spots, SPOT_NOISE * noise)
        at = np.searchsorted(EDGES[1:-1], sharpness[part])
        share = 0.1
        for _ in range(200):
            of_hit = share * hit[at]
            share = float((of_hit / (of_hit + (1 - share) * spot[at])).mean())
            share = min(max(share, 1e-5), 1 - 1e-5)
        told = np.log((1 - share) / share * spot / hit)
        # The wider, the likelier a spot.
        odds[part] = np.minimum.accumulate(told[::-1])[::-1][at]
    return odds


def _hits() -> Floats:
    """Share of hits in each class of sharpness, without noise."""
    core = np.diff(stats.norm.cdf(EDGES, CORE, SPREAD))
    wide = (MIDDLE > 0) & (MIDDLE < WIDE)
    return np.asarray((1 - TAIL) * core + TAIL * wide / wide.sum(), np.float64)


def _spots(bright: Floats) -> Floats:
    """Share of spots in each class of sharpness, as bright candidates show it."""
    count, hits = np.histogram(bright, EDGES)[0], _hits()
    sharp, wide = MIDDLE < SHARP, MIDDLE > NARROW
    hit = hits * count[sharp].sum() / hits[sharp].sum()
    spots = np.where(wide, np.maximum(count - hit, 0), 0)
    # A few of every width keep all of them possible.
    spots += wide * max(spots.sum() / 50, 1) / wide.sum()
    return np.asarray(spots / spots.sum(), np.float64)


def _blurred(share: Floats, noise: float) -> Floats:
    """The shares with noise of some standard deviation [px²]."""
    below = stats.norm.cdf((EDGES[:, None] - MIDDLE) / (noise + 0.01))
    below[0], below[-1] = 0, 1
    return np.asarray(np.diff(below, axis=0) @ share + 1e-9, np.float64)
