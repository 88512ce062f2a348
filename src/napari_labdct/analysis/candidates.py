"""Candidate spots and the table of what is measured on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_labdct.analysis.photometry import (
    contacts,
    grow,
    local_background,
    shrunk,
)
from napari_labdct.analysis.regions import largest
from napari_labdct.analysis.shape import (
    WINDOW,
    centred,
    lit_above,
    shape_of,
    sharpness,
)
from napari_labdct.core import SpotTable

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
    "snr_error": "standard error of `snr` by the noise of the background",
    "edge": "touches the frame's border or a masked pixel",
    "overlap": "touches another spot",
    "probability": "mean probability of its pixels; NaN without a network",
    "significance": "largest response of the matched filters [standard deviations]",
    "score": "what spots are ranked by, as rare in noise as such a significance",
    "companions": "projections before and after, of four, that confirm it",
    "sharpness_px2": "smallest windowed variance at its peak, about 0 for a direct hit "
    "of the sensor [px²]",
}
"""Columns that `find_spots` adds to those of every spot table."""

FWHM = 2.3548
"""Full width at half maximum of a Gaussian in units of its σ."""


@dataclass(frozen=True)
class Candidates:
    """Pixels of candidate spots.

    Attributes
    ----------
    pixels, spot, height
        Flat index of every pixel in the frame, the number of its spot (from 0),
        and its height in the landscape that spots were told apart in, shape (N,).
    significance, core
        Significance of each spot, and that which the finest filter sees, shape
        (S,) [standard deviations of the noise].
    cut
        Height at which each spot ends, shape (S,).
    blur
        Gaussian σ by which its heights are smoothed, shape (S,) [px].
    score
        What they are ranked by, shape (S,): significance, less what speaks against.
    sharpness
        How narrow each is at its peak, shape (S,), see `sharpness` [px²]; NaN where
        nobody has looked.
    """

    pixels: NDArray[np.intp]
    spot: NDArray[np.intp]
    height: NDArray[np.float64]
    significance: NDArray[np.float64]
    core: NDArray[np.float64]
    cut: NDArray[np.float64]
    blur: NDArray[np.float64]
    score: NDArray[np.float64]
    sharpness: NDArray[np.float64]

    def only(self, keep: NDArray[np.bool_]) -> Candidates:
        """The spots to keep, numbered anew."""
        number = np.cumsum(keep) - 1
        of_pixel = keep[self.spot]
        return replace(
            self,
            pixels=self.pixels[of_pixel],
            spot=number[self.spot[of_pixel]],
            height=self.height[of_pixel],
            significance=self.significance[keep],
            score=self.score[keep],
            core=self.core[keep],
            cut=self.cut[keep],
            blur=self.blur[keep],
            sharpness=self.sharpness[keep],
        )

    def scored(self, score: NDArray[np.float64]) -> Candidates:
        """The same spots with other scores, shape (S,)."""
        return replace(self, score=score)

    def area(self) -> NDArray[np.intp]:
        """Number of pixels of each spot above its cut, shape (S,)."""
        inside = self.height > self.cut[self.spot]
        return np.bincount(self.spot[inside], minlength=self.score.size)

    def cut_off(self) -> Candidates:
        """The same spots without their pixels below the cut."""
        inside = self.height > self.cut[self.spot]
        return replace(
            self,
            pixels=self.pixels[inside],
            spot=self.spot[inside],
            height=self.height[inside],
        )

    def small(self) -> Candidates:
        """The same in less memory, to be kept for all projections of a scan."""
        return replace(
            self,
            pixels=self.pixels.astype(np.int32),
            spot=self.spot.astype(np.int32),
            height=self.height.astype(np.float32),
        )

    def most(self, image: NDArray[np.float32]) -> NDArray[np.float64]:
        """Largest value of an image within each spot, shape (S,)."""
        return largest(image.ravel()[self.pixels], self.spot)

    def peaks(self, image: NDArray[np.float32]) -> NDArray[np.intp]:
        """Flat index of the brightest pixel of each spot, shape (S,)."""
        at = image.ravel()[self.pixels]
        top = np.flatnonzero(at >= largest(at, self.spot)[self.spot])
        peak = np.empty(self.score.size, np.intp)
        peak[self.spot[top]] = self.pixels[top]
        return peak

    def looked_at(self, units: NDArray[np.float32]) -> Candidates:
        """The same spots, with how narrow they are.

        Parameters
        ----------
        units
            Measured frame above background over the noise, shape (rows, columns).
        """
        row, column = np.divmod(self.peaks(units), units.shape[1])
        narrow = sharpness(units, row.astype(np.float64), column.astype(np.float64))
        return replace(self, sharpness=narrow)

    def sharp(self, point_spread: float) -> NDArray[np.bool_]:
        """Which are narrower than the detector's point spread, shape (S,).

        What is sharper is a particle track or a hot pixel. The windowed variance
        of a spot scatters by about 1.5 / SNR, and far more candidates are spots
        than tracks; hence the limit falls for faint ones.

        Parameters
        ----------
        point_spread
            Gaussian σ of the narrowest spot [px]; 0 for none.
        """
        if point_spread == 0:
            return np.zeros(self.score.size, np.bool_)
        narrowest = 1 / (1 / (point_spread**2 + 1 / 12) + 1 / WINDOW**2)
        limit = 0.65 * narrowest - 9 / np.maximum(self.core, 1) ** 2
        return np.asarray(self.sharpness < limit, np.bool_)


def spot_table(
    spots: Candidates,
    measured: NDArray[np.float32],
    sigma: NDArray[np.float32],
    use: NDArray[np.bool_],
    *,
    probability: NDArray[np.float32] | None = None,
    projection: int = 0,
    omega_deg: float = np.nan,
) -> SpotTable:
    """Centroid, shape, intensity and flags of every spot.

    Parameters
    ----------
    spots
        The pixels of the spots.
    measured, sigma
        Measured frame minus background, and its noise in every pixel, shape
        (rows, columns) [grey values].
    use
        Pixels that are not masked, shape (rows, columns).
    probability
        Probability that a pixel belongs to a spot, shape (rows, columns).
    projection, omega_deg
        0-based index and rotation angle [deg], for the table.

    Returns
    -------
    table
        With the columns `FOUND_COLUMNS`, the most significant spot first.
    """
    pixels, spot, count = spots.pixels, spots.spot, spots.score.size
    columns = measured.shape[1]
    row, column = np.divmod(pixels, columns)
    place = row.astype(np.float64), column.astype(np.float64)
    values = measured.ravel()[pixels].astype(np.float64)
    noise = sigma.ravel()[pixels].astype(np.float64)
    peak = largest(spots.height, spot)
    height, cut = spots.height - spots.cut[spot], spots.cut / peak
    shape = shape_of(*place, height, spot, cut, spots.blur)
    template = spots.height
    power = np.bincount(spot, template**2, count)
    snr = np.bincount(spot, template * values / noise, count) / np.sqrt(power)
    lit = spots.height > lit_above(peak, snr)[spot]
    row_lit, column_lit = (at[lit] for at in place)
    shape = centred(shape, row_lit, column_lit, values[lit], noise[lit], spot[lit])
    labels = np.pad(use, 1).astype(np.int32) - 1
    padded = (row + 1) * (columns + 2) + column + 1
    labels.ravel()[padded] = spot + 1
    edge, overlap = contacts(labels, padded, spot)
    # Wide enough for the tails below the cut.
    radius = np.sqrt(shape.major * shape.minor)
    margin = np.clip(np.rint(1 + 0.75 * radius), 2, 6).astype(np.intp)
    grow(labels, padded, margin)
    aperture = labels[1:-1, 1:-1]
    within = np.flatnonzero(aperture > 0)
    whose = aperture.ravel()[within] - 1
    area = np.bincount(whose, minlength=count)
    total = np.bincount(whose, measured.ravel()[within], count)
    variance = np.bincount(whose, sigma.ravel()[within] ** 2, count)
    background, samples = local_background(measured, aperture, shape, margin)
    # The median of n samples scatters by √(π/2) of what their mean does.
    error = np.sqrt(np.pi / 2 * variance / np.maximum(area * samples, 1))
    background, error = shrunk(background, error)
    # The weights have a noise of 1; an uncertain background moves all pixels.
    level = np.bincount(spot, template / noise, count) * error
    snr_error = np.sqrt(1 + level**2 / power)
    if probability is None:
        mean_probability = np.full(count, np.nan)
    else:
        at = probability.ravel()[pixels]
        mean_probability = np.bincount(spot, at, count) / np.bincount(
            spot, minlength=count
        )
    table = pd.DataFrame(
        {
            "projection": np.full(count, projection, np.int64),
            "omega_deg": np.full(count, omega_deg, np.float64),
            "row_px": shape.row,
            "column_px": shape.column,
            "area_px": np.bincount(spot, minlength=count).astype(np.float64),
            "peak": largest(values, spot),
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
            "snr_error": snr_error,
            "edge": edge,
            "overlap": overlap,
            "probability": mean_probability,
            "significance": spots.significance,
            "score": spots.score,
            "companions": np.zeros(count, np.int64),
            "sharpness_px2": spots.sharpness,
        }
    )
    return SpotTable(table.sort_values("score", ascending=False, kind="stable"))
