"""Spots in a frame: where, how bright, how certain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from napari_labdct.analysis.detection import matched_filters, threshold_for
from napari_labdct.analysis.photometry import (
    contacts,
    grow,
    local_background,
    trusted,
)
from napari_labdct.analysis.regions import connected_to, largest, split_regions
from napari_labdct.analysis.shape import WINDOW, shape_of, sharpness
from napari_labdct.core import InputError, SpotTable
from napari_labdct.core.geometry import Parameters
from napari_labdct.core.spots import COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOUND_COLUMNS: dict[str, str] = {
    "intensity_error": "standard error of `intensity` [grey values]",
    "background": "local background taken off `intensity` [grey values a pixel]",
    "major_px": "full width at half maximum along the long axis [px]",
    "minor_px": "full width at half maximum along the short axis [px]",
    "angle_deg": "long axis from +column towards −row, −90 to 90 [deg]",
    "row_start": "first row of the box [px]",
    "row_stop": "row after the last of the box [px]",
    "column_start": "first column of the box [px]",
    "column_stop": "column after the last of the box [px]",
    "edge": "touches the frame's border or a masked pixel",
    "overlap": "touches another spot",
    "probability": "mean probability of its pixels; NaN without a network",
    "score": "significance that spots are ranked by [standard deviations]",
}
"""Columns that `find_spots` adds to those of every spot table."""

CLEANED_SUPPORT = 0.5
"""Cleaned grey value, in units of the noise, above which a pixel may be a spot's."""

SUPPORT = 2.5
"""Response of the fine filter above which a pixel may belong to a spot."""

WIDE = 0.7
"""Part of the significance below which the fine filter does not show a spot."""

FWHM = 2.3548
"""Full width at half maximum of a Gaussian in units of its σ."""


class FindSettings(Parameters):
    """How spots are told from noise and from each other."""

    false_alarms: float = Field(
        1.0,
        gt=0,
        le=1e4,
        description="False alarms a frame that noise alone may cause, on average.",
    )
    scales: tuple[float, ...] = Field(
        (1.0, 2.0),
        min_length=1,
        description="Widths of the matched filters, Gaussian σ [px]; the response "
        "of the finest is divided into spots.",
    )
    point_spread: float = Field(
        0.7,
        ge=0,
        le=20,
        description="Narrowest width of a spot, Gaussian σ of the detector's point "
        "spread [px]; what is sharper is a particle track. 0 keeps everything.",
    )
    peak_fraction: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Spots end where they fall to this part of the peak.",
    )
    valley: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Touching spots are split where the valley between them is at "
        "least this part of the lower peak deep.",
    )
    least_area: int = Field(1, ge=1, le=10000, description="Smallest spot [px].")


def find_spots(
    signal: NDArray[np.float32],
    sigma: NDArray[np.float32],
    *,
    residual: NDArray[np.float32] | None = None,
    probability: NDArray[np.float32] | None = None,
    mask: NDArray[np.bool_] | None = None,
    settings: FindSettings | None = None,
    threshold: float | None = None,
    projection: int = 0,
    omega_deg: float = np.nan,
) -> SpotTable:
    """Find and measure the diffraction spots of one frame.

    Maxima that noise would reach less often than `settings.false_alarms` times
    a frame are spots: significance is the largest response of matched filters
    of several widths to the measured frame, in standard deviations of the
    noise. Where the frame was cleaned, only what is in the cleaned frame can be
    a spot, and its shape is taken from there; intensity and significance are
    always measured on the residual.

    Parameters
    ----------
    signal
        Grey values above background, shape (rows, columns): a cleaned frame, or
        the residual itself.
    sigma
        Standard deviation of the noise in a pixel, shape (rows, columns) [grey
        values].
    residual
        Measured frame minus background, shape (rows, columns); give it where
        `signal` is a cleaned frame.
    probability
        Probability that a pixel belongs to a spot, 0 to 1, shape (rows,
        columns); pixels below one half then belong to none.
    mask
        Pixels to leave out, such as a beam stop's, shape (rows, columns).
    settings
        How spots are told from noise and from each other.
    threshold
        Least significance [standard deviations] in place of the one that
        follows from `settings.false_alarms`.
    projection, omega_deg
        0-based index and rotation angle [deg], for the table.

    Returns
    -------
    spots
        The columns of every table and those of `FOUND_COLUMNS`, the most
        significant spot first.

    Raises
    ------
    InputError
        If the arrays differ in shape.
    """
    settings = settings or FindSettings()
    measured = signal if residual is None else residual
    given = [a for a in (sigma, residual, probability, mask) if a is not None]
    if signal.ndim != 2 or any(part.shape != signal.shape for part in given):
        raise InputError(
            f"The frame has shape {signal.shape}, its companions "
            f"{', '.join(str(part.shape) for part in given)}: give one shape for all."
        )
    use = np.ones(signal.shape, bool) if mask is None else ~mask
    units = measured / sigma
    if mask is not None:
        units[mask] = 0
    if threshold is None:
        area = int(np.count_nonzero(use))
        threshold = threshold_for(settings.false_alarms, area, settings.scales)
    spots = (
        _in_residual(units, use, threshold, settings)
        if residual is None
        else _in_cleaned(signal / sigma, probability, units, use, threshold, settings)
    )
    if settings.point_spread > 0:
        spots = spots.only(~_is_sharp(spots, units, settings.point_spread))
    spots = spots.cut_off(settings.least_area)
    table = _measure(spots, measured, sigma, units, use)
    table["probability"] = (
        np.nan if probability is None else spots.mean(probability.ravel()[spots.pixels])
    )
    table["projection"], table["omega_deg"] = projection, float(omega_deg)
    table = table.sort_values("score", ascending=False, kind="stable")
    return SpotTable(table[[*COLUMNS, *FOUND_COLUMNS]])


@dataclass(frozen=True)
class _Regions:
    """Pixels of candidate spots.

    `pixels` are flat indices, `spot` their spots' numbers from 0 and `height`
    their heights in the landscape that the spots were told apart in, shape (N,);
    `score` is the significance, `core` that of the finest filter, `cut` the
    height at which a spot ends and `blur` the landscape's smoothing, Gaussian σ
    [px], shape (S,).
    """

    pixels: NDArray[np.intp]
    spot: NDArray[np.intp]
    height: NDArray[np.float64]
    score: NDArray[np.float64]
    core: NDArray[np.float64]
    cut: NDArray[np.float64]
    blur: NDArray[np.float64]

    def mean(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean over each spot's pixels."""
        count = np.bincount(self.spot, minlength=self.score.size)
        return np.asarray(np.bincount(self.spot, values, self.score.size) / count)

    def only(self, keep: NDArray[np.bool_]) -> _Regions:
        """The spots to keep, numbered anew."""
        number = np.cumsum(keep) - 1
        of_pixel = keep[self.spot]
        return replace(
            self,
            pixels=self.pixels[of_pixel],
            spot=number[self.spot[of_pixel]],
            height=self.height[of_pixel],
            score=self.score[keep],
            core=self.core[keep],
            cut=self.cut[keep],
            blur=self.blur[keep],
        )

    def cut_off(self, least_area: int) -> _Regions:
        """The same spots without their pixels below the cut."""
        inside = self.height > self.cut[self.spot]
        area = np.bincount(self.spot[inside], minlength=self.score.size)
        part = replace(
            self,
            pixels=self.pixels[inside],
            spot=self.spot[inside],
            height=self.height[inside],
        )
        return part.only(area >= least_area)


def _significance(
    units: NDArray[np.float32], settings: FindSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Response of the finest filter, and the largest of all."""
    responses = matched_filters(units, sorted(settings.scales))
    best = responses[0].copy()
    for response in responses[1:]:
        np.maximum(best, response, out=best)
    return responses[0], best


def _in_residual(
    units: NDArray[np.float32],
    use: NDArray[np.bool_],
    threshold: float,
    settings: FindSettings,
) -> _Regions:
    """Spots of a frame that was not cleaned."""
    fine, best = _significance(units, settings)
    strong = use & (best > threshold)
    pixels = connected_to(strong, use & (fine > SUPPORT) | strong)
    spot = split_regions(
        fine, pixels, depth=3.0, contrast=settings.valley, least=threshold
    )
    height = fine.ravel()[pixels].astype(np.float64)
    core, score = largest(height, spot), largest(best.ravel()[pixels], spot)
    cut = np.maximum(settings.peak_fraction * core, SUPPORT)
    blur = np.full(core.size, min(settings.scales))
    # Faint wide spots are seen by the wide filters alone.
    wide = (core < 2 * SUPPORT) & (core < WIDE * score)
    height[wide[spot]] = best.ravel()[pixels][wide[spot]]
    cut[wide], blur[wide] = score[wide] / 2, max(settings.scales)
    return _Regions(pixels, spot, height, score, core, cut, blur)


def _in_cleaned(
    landscape: NDArray[np.float32],
    probability: NDArray[np.float32] | None,
    units: NDArray[np.float32],
    use: NDArray[np.bool_],
    threshold: float,
    settings: FindSettings,
) -> _Regions:
    """Spots of a cleaned frame that the measured frame confirms."""
    fine, best = _significance(units, settings)
    support = use & (landscape > CLEANED_SUPPORT)
    if probability is not None:
        support &= probability > 0.5
    pixels = connected_to(best > threshold, support)
    spot = split_regions(
        landscape, pixels, depth=1.0, contrast=settings.valley, least=1.0
    )
    height = landscape.ravel()[pixels].astype(np.float64)
    core, score = (largest(part.ravel()[pixels], spot) for part in (fine, best))
    cut = np.maximum(settings.peak_fraction * largest(height, spot), CLEANED_SUPPORT)
    regions = _Regions(pixels, spot, height, score, core, cut, np.zeros(core.size))
    return regions.only(score >= threshold)


def _is_sharp(
    spots: _Regions, units: NDArray[np.float32], point_spread: float
) -> NDArray[np.bool_]:
    """Whether spots are sharper than the point spread allows: particle tracks.

    The windowed variance of a spot scatters by about 1.5 / SNR, and far more
    candidates are spots than tracks; hence the limit falls for faint ones.
    """
    at = units.ravel()[spots.pixels]
    first = np.flatnonzero(at >= largest(at, spots.spot)[spots.spot])
    peak = np.empty(spots.score.size, np.intp)
    peak[spots.spot[first]] = spots.pixels[first]
    row, column = np.divmod(peak, units.shape[1])
    variance = sharpness(units, row.astype(np.float64), column.astype(np.float64))
    narrowest = 1 / (1 / (point_spread**2 + 1 / 12) + 1 / WINDOW**2)
    return np.asarray(variance < 0.65 * narrowest - 9 / spots.core**2)


def _measure(
    spots: _Regions,
    measured: NDArray[np.float32],
    sigma: NDArray[np.float32],
    units: NDArray[np.float32],
    use: NDArray[np.bool_],
) -> pd.DataFrame:
    """Centroid, shape, intensity and flags of every spot."""
    pixels, spot, count = spots.pixels, spots.spot, spots.score.size
    columns = measured.shape[1]
    row, column = np.divmod(pixels, columns)
    peak_height = largest(spots.height, spot)
    shape = shape_of(
        row.astype(np.float64),
        column.astype(np.float64),
        spots.height - spots.cut[spot],
        spot,
        spots.cut / peak_height,
        spots.blur,
    )
    labels = np.full((measured.shape[0] + 2, columns + 2), -1, np.int32)
    labels[1:-1, 1:-1] = np.where(use, 0, -1)
    place = (row + 1) * (columns + 2) + column + 1
    labels.ravel()[place] = spot + 1
    edge, overlap = contacts(labels, place, spot)
    # Wide enough for the tails below the cut.
    radius = np.sqrt(shape.major * shape.minor)
    margin = np.clip(np.rint(1 + 0.75 * radius), 2, 6).astype(np.intp)
    grow(labels, place, margin)
    aperture = labels[1:-1, 1:-1]
    within = np.flatnonzero(aperture > 0)
    whose = aperture.ravel()[within] - 1
    area = np.bincount(whose, minlength=count)
    total = np.bincount(whose, measured.ravel()[within], count)
    variance = np.bincount(whose, sigma.ravel()[within] ** 2, count)
    background, samples = local_background(measured, aperture == 0, shape, margin)
    # The median of n samples scatters by √(π/2) of what their mean does.
    error = np.sqrt(np.pi / 2 * variance / np.maximum(area * samples, 1))
    trust = trusted(background, error)
    background, error = trust * background, np.sqrt(trust) * error
    template = spots.height
    power = np.bincount(spot, template**2, count)
    snr = np.bincount(spot, template * units.ravel()[pixels], count) / np.sqrt(power)
    return pd.DataFrame(
        {
            "row_px": shape.row,
            "column_px": shape.column,
            "area_px": np.bincount(spot, minlength=count).astype(np.float64),
            "peak": largest(measured.ravel()[pixels], spot),
            "intensity": total - background * area,
            "snr": snr,
            "intensity_error": np.sqrt(variance + (area * error) ** 2),
            "background": background,
            "major_px": FWHM * shape.major,
            "minor_px": FWHM * shape.minor,
            "angle_deg": shape.angle,
            "row_start": -largest(-row, spot).astype(np.int64),
            "row_stop": largest(row, spot).astype(np.int64) + 1,
            "column_start": -largest(-column, spot).astype(np.int64),
            "column_stop": largest(column, spot).astype(np.int64) + 1,
            "edge": edge,
            "overlap": overlap,
            "score": spots.score,
        }
    )
