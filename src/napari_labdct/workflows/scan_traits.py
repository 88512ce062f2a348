"""What a scan is like: its light, its noise, its zingers, the size of its spots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
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

FEWEST = 5
"""Clear spots that say how wide spots are."""

TOLD = 1.5
"""Length over width from which a spot's direction can be measured."""

LONG = 2.0
"""Median length over width from which filters are long as well."""

STRAIGHT = 25.0
"""How far a spot may lie from across, or from the direction itself, to count [deg]."""

MOST = 2 / 3
"""Share of spots that must lie so for filters to do it as well."""


class SpotShape(Parameters):
    """What clear spots of a scan look like."""

    width: tuple[float, float, float] = Field(
        description="Width of clear spots across, Gaussian σ at 10, 50 and 90 % [px]."
    )
    elongation: float = Field(
        ge=0, description="Median length over width of clear spots."
    )
    across: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of them that lie at right angles to the direction of the "
        "beam centre, of those whose direction can be told.",
    )
    radial: float = Field(
        0.0, ge=0, le=1, description="Share of them that lie along that direction."
    )

    @property
    def binning(self) -> int:
        """Side of bins that suits the scan's spots [px]."""
        return binning_for(self.width[1])

    @property
    def filters(self) -> float:
        """Length over width of filters that suit the scan's spots."""
        if max(self.across, self.radial) < MOST or self.elongation < LONG:
            return 1.0
        # Streaks of strained grains are smooth, and longer than round filters show.
        power = 0.75 if self.direction == "radial" else 0.5
        return round(float(self.elongation**power), 1)

    @property
    def direction(self) -> Literal["across", "radial"]:
        """How such filters lie."""
        return "radial" if self.radial > self.across else "across"


class ScanTraits(SpotShape):
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


def binning_for(width: float) -> int:
    """Side of bins in which spots of a width, Gaussian σ [px], are as wide as usual."""
    return int(2 ** np.clip(np.round(np.log2(max(width, 0.1) / USUAL)), 0, 4))


def usual_shape(
    stack: ProjectionStack, centre: tuple[float, float] | None = None, most: int = 3
) -> SpotShape:
    """Shape of the clear spots on a few frames of a scan.

    Parameters
    ----------
    stack
        The scan as measured.
    centre
        Row and column where the beam axis meets the detector [px]; the middle of the
        frames by default.
    most
        Frames to look at.
    """
    scan = statistics_of(stack)
    tables = []
    for number in spread_over(len(stack), most):
        known = scan.of(number)
        tables.append(find_spots(stack.frame(number) - known.background, known.sigma))
    return _shape_of(tables, centre or _middle(stack))


def _middle(stack: ProjectionStack) -> tuple[float, float]:
    """Row and column of the frames' middle [px]."""
    rows, columns = stack.shape[1:]
    return (rows - 1) / 2, (columns - 1) / 2


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
    shape = _shape_of(tables, _middle(stack))
    spots = float(np.mean([len(_clear(table)) for table in tables]))
    return ScanTraits(
        projections=len(numbers),
        level=round(float(np.median(levels)), 3),
        sigma=round(float(np.median(sigmas)), 4),
        drift=round(float(np.std(levels)) / max(abs(float(np.mean(levels))), 1e-9), 4),
        correlation=round(float(np.median(together)), 3),
        zinger_rate=float(f"{np.mean(zingers):.2g}"),
        spots=round(spots, 1),
        width=shape.width,
        elongation=shape.elongation,
        across=shape.across,
        radial=shape.radial,
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


def _clear(table: SpotTable) -> pd.DataFrame:
    """The clear spots of a frame."""
    return table.frame[table.frame["score"] > CLEAR]


def _shape_of(tables: list[SpotTable], centre: tuple[float, float]) -> SpotShape:
    """Shape of the clear spots of some frames; across which direction they lie."""
    clear = pd.concat([_clear(table) for table in tables])
    if len(clear) < FEWEST:  # too few to say: those of a point on a usual detector
        return SpotShape(width=(1.0, 1.4, 2.0), elongation=1.0)
    minor, major = (clear[name].to_numpy() / FWHM for name in ("minor_px", "major_px"))
    low, middle, high = (
        round(float(w), 2) for w in np.quantile(minor, [0.1, 0.5, 0.9])
    )
    ratio = major / np.maximum(minor, 0.3)
    row, column = (clear[name].to_numpy() for name in ("row_px", "column_px"))
    towards = np.degrees(np.arctan2(centre[0] - row, column - centre[1]))
    # From 0 for what lies along that direction to 90 for what lies across.
    turned = np.abs((clear["angle_deg"].to_numpy() - towards + 90) % 180 - 90)
    told = turned[ratio > TOLD]
    across, radial = (
        round(float(np.mean(off < STRAIGHT)), 2) if told.size else 0.0
        for off in (90 - told, told)
    )
    return SpotShape(
        width=(low, middle, high),
        elongation=round(float(np.median(ratio)), 2),
        across=across,
        radial=radial,
    )
