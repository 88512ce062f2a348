"""Whether faint spots look like the bright ones of the same frame, and lie among spots.

What stands still in front of a detector may be as bright as faint spots are, but not of
their shape. Bright spots, dimmed and put elsewhere in the frame, show what faint ones
would look like among its noise and streaks. Nor is it everywhere: where most of what a
frame shows is no spot, the next candidate is hardly one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, special

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

MODEL = 25.0
"""Significance from which a spot shows what spots look like."""

MODELS = 40
"""Such spots that are enough to tell."""

DIM = 8.0
"""Significance of the dimmest copies. Fainter candidates peak where noise happens to be
highest, which copies do not: they are told by what holds here."""

COPIES = 6000
"""Dimmed copies of them."""

WIDTHS = (1.0, 2.0, 3.0)
"""Widths that a spot is compared with, Gaussian σ [px]."""

REACH = 9
"""Half the side of the square that is looked at [px]."""

RIDGE = 50.0
"""Penalty of the regression, as a number of observations."""

LIMIT = 3.0
"""The most that shape can say for or against a spot."""

SPREAD = 100.0
"""Gaussian σ of the region that counts as around a candidate [px]."""

CELL = 25
"""Side of the squares in which candidates are counted [px]."""

DOUBT = 5.0
"""Candidates, right beside, that weigh as much as what the frame as a whole says."""

PASSES = 100
"""Times that the share of spots in a frame is asked again."""

SHIFT = 1.0
"""The most that share can say for or against spots: some of the faintest are noise in
every frame, and the few spots of a frame full of streaks are not to be lost."""

ROUNDS = 5
"""Times that what regions say is judged anew by what they said before."""


def likeness(
    units: NDArray[np.float32],
    use: NDArray[np.bool_],
    peaks: Indices,
    models: Indices,
) -> Floats:
    """How much likelier candidates look as they do if they are spots.

    Parameters
    ----------
    units
        Grey values above background over the noise, shape (rows, columns).
    use
        Pixels that may belong to spots, shape (rows, columns).
    peaks
        Flat index of the brightest pixel of each candidate, shape (S,).
    models
        Those of the candidates that are bright and certainly spots.

    Returns
    -------
    log_ratio
        Logarithm of the probability of such a width and length among dimmed bright
        spots over that among all candidates as bright, shape (S,); 0 where there
        are too few models to tell.
    """
    if models.size < MODELS:
        return np.zeros(peaks.size)
    rng = np.random.default_rng(0)
    seen = _squares(units, peaks)
    candidates = _looks(seen)
    brightness = candidates[:, -1]
    wanted = np.exp(rng.uniform(np.log(DIM), np.log(MODEL), COPIES))
    chosen = rng.choice(models, COPIES)
    dimmed = seen[chosen] * (wanted / np.exp(brightness[chosen]))[:, None, None]
    ground = _squares(units, rng.choice(np.flatnonzero(use), COPIES))
    # What falls on something brighter would not be told apart from it.
    alone = _looks(ground)[:, -1] < np.log(wanted / 2)
    faint = (np.log(DIM) < brightness) & (brightness < np.log(MODEL))
    if not (alone.any() and faint.any()):
        return np.zeros(peaks.size)
    spots = _looks((ground + dimmed)[alone])
    told = _regression(candidates[faint], spots)
    candidates[:, -1] = brightness.clip(np.log(DIM), np.log(MODEL))
    return np.clip(told(candidates), -LIMIT, LIMIT)


def whereabouts(log_odds: Floats, peaks: Indices, shape: tuple[int, int]) -> Floats:
    """How much likelier spots are around candidates than in the frame as a whole.

    Parameters
    ----------
    log_odds
        Logarithm of p / (1 − p) for each candidate to be a spot, shape (S,).
    peaks
        Flat index of the brightest pixel of each candidate, shape (S,).
    shape
        Rows and columns of the frame.

    Returns
    -------
    log_ratio
        Logarithm of the odds among all others around a candidate over those among
        all candidates of the frame, shape (S,).
    """
    if peaks.size < 2:
        return np.zeros(peaks.size)
    row, column = (part // CELL for part in np.divmod(peaks, shape[1]))
    width = SPREAD / CELL

    def around(kind: Floats) -> Floats:
        """Number of the others, by a Gaussian with a height of 1."""
        count = np.zeros([side // CELL + 1 for side in shape])
        np.add.at(count, (row, column), kind)
        smooth = ndimage.gaussian_filter(count, width, mode="constant")
        others = 2 * np.pi * width**2 * smooth[row, column] - kind
        return np.asarray(others.clip(0) + DOUBT * kind.mean())

    log_ratio = np.zeros(peaks.size)
    for _ in range(ROUNDS):
        odds = (log_odds + log_ratio).clip(-20, 20)
        spots, rest = special.expit(odds), special.expit(-odds)
        log_ratio = np.log(around(spots) / around(rest) * rest.mean() / spots.mean())
    return log_ratio


def prevalence(log_odds: Floats, against: float = SHIFT) -> float:
    """How much likelier spots are in a frame than where its odds were learned.

    Odds depend on how many of the candidates are spots at all. That is asked of the
    frame itself: the share of spots that the odds add up to replaces the one they
    were learned with, until both agree (Saerens, Latinne & Decaestecker 2002, Neural
    Computation 14, 21).

    Parameters
    ----------
    log_odds
        Logarithm of p / (1 − p) for candidates to be spots, as if half of them were,
        shape (S,).
    against
        The most that may be said against spots.

    Returns
    -------
    log_ratio
        To be added to all, at most `SHIFT`.
    """
    shift = 0.0
    for _ in range(PASSES if log_odds.size else 0):
        share = special.expit(log_odds + shift).mean()
        shift = float(np.clip(special.logit(share), -against, SHIFT))
    return shift


def _squares(image: NDArray[np.float32], pixels: Indices) -> NDArray[np.float32]:
    """What is around some pixels, shape (S, side, side); zero beyond the frame."""
    padded = np.pad(image, REACH)
    side = 2 * REACH + 1
    squares = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    row, column = np.divmod(pixels, image.shape[1])
    return squares[row, column]


def _looks(squares: NDArray[np.floating[Any]]) -> Floats:
    """Share of the light in a wide spot, length, and log significance, shape (S, 3)."""
    offset = np.arange(-REACH, REACH + 1)
    round_ = [np.exp(-(offset**2) / (2 * width**2)) for width in WIDTHS]
    fits = [np.einsum("sij,i,j->s", squares, g, g) / (g @ g) for g in round_]
    best = np.maximum(np.max(fits, axis=0), 1.0)
    window = np.exp(-(offset**2) / (2 * 1.5**2))
    weighted = squares * window[:, None] * window
    total = np.maximum(weighted.sum((1, 2)), 1.0)
    down, across, slant = (
        np.einsum("sij,i,j->s", weighted, offset**a, offset**b) / total
        for a, b in ((2, 0), (0, 2), (1, 1))
    )
    longest = (down + across) / 2 + np.hypot((down - across) / 2, slant)
    return np.stack([fits[-1] / best, longest.clip(-3, 8), np.log(best)], axis=1)


def _regression(others: Floats, spots: Floats) -> Callable[[Floats], Floats]:
    """Logistic regression on all squares and products, spots against others as bright.

    Parameters
    ----------
    others, spots
        What they look like, brightness last, shape (N, 3) and (M, 3).
    """
    both = np.concatenate([others, spots])
    kind = np.repeat([0.0, 1.0], [len(others), len(spots)])
    bins = np.digitize(both[:, -1], np.linspace(both[:, -1].min(), np.log(MODEL), 12))
    weight = np.zeros(len(both))
    for number in np.unique(bins):
        here = [(bins == number) & (kind == one) for one in (0, 1)]
        if all(part.any() for part in here):
            for part in here:
                weight[part] = 1 / np.count_nonzero(part)
    weight *= min(len(others), len(spots)) / max(weight[kind == 1].sum(), 1e-12)
    middle, spread = both.mean(0), both.std(0) + 1e-9
    first, second = np.triu_indices(both.shape[1])

    def terms(looks: Floats) -> Floats:
        x = ((looks - middle) / spread).clip(-4, 4)
        return np.column_stack([np.ones(len(x)), x, x[:, first] * x[:, second]])

    x = terms(both)
    penalty = RIDGE * np.diag([0.0] + [1.0] * (x.shape[1] - 1))
    factors = np.zeros(x.shape[1])
    for _ in range(20):  # Newton's steps
        p = 1 / (1 + np.exp(-(x @ factors).clip(-30, 30)))
        curvature = (x.T * (weight * p * (1 - p))) @ x + penalty
        slope = x.T @ (weight * (kind - p)) - penalty @ factors
        step = np.linalg.solve(curvature, slope)
        factors += step
        if np.abs(step).max() < 1e-3:
            break
    return lambda looks: terms(looks) @ factors
