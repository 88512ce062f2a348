"""What a scan is like: its light, its noise, its zingers, the size of its spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_labdct.analysis import find_spots
from napari_labdct.calibration import statistics_of, without_zingers
from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack, SpotTable

FWHM = 2.3548
"""Full width at half maximum of a Gaussian in units of its σ."""

USUAL = 1.8
"""Width of spots, Gaussian σ, that filters and networks are made for, at most √2 off:
wider ones are found best where pixels are binned [px]."""

CLEAR = 12.0
"""Significance from which a spot's shape can be measured [σ]."""


class ScanTraits(Parameters):
    """Facts of a scan, measured on some of its frames without any labels."""

    projections: int = Field(ge=1, description="Frames measured.")
    level: float = Field(description="Median grey value.")
    sigma: float = Field(ge=0, description="Median noise of a pixel [grey values].")
    drift: float = Field(ge=0, description="Spread of the frames' levels, relative.")
    correlation: float = Field(
        description="Correlation of neighbouring pixels' noise, 0 for white noise."
    )
    zinger_rate: float = Field(ge=0, description="Zingers per pixel and frame.")
    spots: float = Field(ge=0, description="Clear spots a frame.")
    width: tuple[float, float, float] = Field(
        description="Width of clear spots across, Gaussian σ at 10, 50 and 90 % [px]."
    )
    elongation: float = Field(
        ge=0, description="Median length over width of clear spots."
    )

    @property
    def binning(self) -> int:
        """Side of bins that suits the scan's spots [px]."""
        return binning_for(self.width[1])


def binning_for(width: float) -> int:
    """Side of bins in which spots of a width, Gaussian σ [px], are as wide as usual."""
    return int(2 ** np.clip(np.round(np.log2(max(width, 0.1) / USUAL)), 0, 4))


def usual_width(stack: ProjectionStack, most: int = 3) -> float:
    """Median width of the clear spots, Gaussian σ [px], on a few frames of a scan.

    Parameters
    ----------
    stack
        The scan as measured.
    most
        Frames to look at.
    """
    scan = statistics_of(stack)
    tables = []
    for number in spread_over(len(stack), most):
        known = scan.of(number)
        tables.append(find_spots(stack.frame(number) - known.background, known.sigma))
    width, _, _ = _shapes(tables)
    return width[1]


def measure_traits(stack: ProjectionStack, most: int = 8) -> ScanTraits:
    """Measure a scan on a few frames spread over it.

    Parameters
    ----------
    stack
        The scan as measured.
    most
        Frames to look at.
    """
    scan = statistics_of(stack)
    numbers = spread_over(len(stack), most)
    levels, sigmas, together, zingers, tables = [], [], [], [], []
    for number in numbers:
        frame, known = stack.frame(number), scan.of(number)
        units = (frame - known.background) / known.sigma
        calm = without_zingers(units)
        levels.append(float(np.median(frame[::4, ::4])))
        sigmas.append(float(np.median(known.sigma[::4, ::4])))
        together.append(_correlation(calm))
        zingers.append(float((calm != units).mean()))
        tables.append(find_spots(frame - known.background, known.sigma))
    width, elongation, spots = _shapes(tables)
    return ScanTraits(
        projections=len(numbers),
        level=round(float(np.median(levels)), 3),
        sigma=round(float(np.median(sigmas)), 4),
        drift=round(float(np.std(levels)) / max(abs(float(np.mean(levels))), 1e-9), 4),
        correlation=round(float(np.median(together)), 3),
        zinger_rate=float(f"{np.mean(zingers):.2g}"),
        spots=round(spots, 1),
        width=width,
        elongation=elongation,
    )


def spread_over(count: int, most: int) -> list[int]:
    """At most `most` numbers from 0 to `count` − 1, evenly spread."""
    return sorted({int(n) for n in np.linspace(0, count - 1, min(count, most))})


def _correlation(units: NDArray[np.float32]) -> float:
    """Of neighbouring pixels, where there are no spots."""
    quiet = np.abs(units) < 3
    pairs = [
        (units[1:], units[:-1], quiet[1:] & quiet[:-1]),
        (units[:, 1:], units[:, :-1], quiet[:, 1:] & quiet[:, :-1]),
    ]
    # Frames without any noise, as after a fault, have none in common either.
    if not all(a[at].size and np.ptp(a[at]) and np.ptp(b[at]) for a, b, at in pairs):
        return 0.0
    return float(np.mean([np.corrcoef(a[at], b[at])[0, 1] for a, b, at in pairs]))


def _shapes(
    tables: list[SpotTable],
) -> tuple[tuple[float, float, float], float, float]:
    """Widths, elongation, and number a frame, of the clear spots."""
    clear = [table.frame[table.frame["score"] > CLEAR] for table in tables]
    count = sum(len(part) for part in clear)
    if count < 5:  # too few to say: those of a point on a usual detector
        return (1.0, 1.4, 2.0), 1.0, count / len(tables)
    minor = np.concatenate([part["minor_px"].to_numpy() for part in clear]) / FWHM
    major = np.concatenate([part["major_px"].to_numpy() for part in clear]) / FWHM
    low, middle, high = (
        round(float(w), 2) for w in np.quantile(minor, [0.1, 0.5, 0.9])
    )
    ratio = round(float(np.median(major / np.maximum(minor, 0.3))), 2)
    return (low, middle, high), ratio, count / len(tables)
