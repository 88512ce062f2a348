"""The conventional way to spots: rolling median, Laplacian of Gaussian, thresholds.

The recipe of LabDCT's reconstruction codes (after Lind 2013), written anew: what
does not turn with the sample is taken off by a median over the rotation, convex
blobs are kept where the Laplacian of Gaussian says so, and each is cut off at a
fraction of its own peak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import ndimage

from napari_labdct.analysis.bands import laplacian_of_gaussian
from napari_labdct.analysis.candidates import Candidates, spot_table
from napari_labdct.analysis.detection import robust_spread
from napari_labdct.analysis.regions import largest, split_regions
from napari_labdct.analysis.rolling import iter_rolling_median
from napari_labdct.calibration import noise_map
from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_labdct.core import ProjectionStack, SpotTable


class ConventionalSettings(Parameters):
    """Steps of the conventional pipeline, in their order.

    Grey values are those of 8 bit, as the recipe gives them; `white` says what
    255 is.
    """

    window: int = Field(
        11, ge=3, le=101, description="Projections of the rolling median, odd."
    )
    cyclic: bool = Field(True, description="Whether the scan is a full turn.")
    white: float | None = Field(
        None,
        gt=0,
        description="Grey value above background that counts as 255; when empty, "
        "255 for 8-bit frames and otherwise what 0.05 % of the pixels exceed.",
    )
    offset: float = Field(
        5.0, ge=0, le=255, description="Taken off after the median [8-bit grey]."
    )
    log_sigma: float = Field(
        3.0,
        ge=0.3,
        le=25,
        description="Width of the Laplacian of Gaussian, σ [px]; 3 suits pixels of "
        "6.7 µm in Laue focusing, 0.5 to 1.5 point-like spots.",
    )
    least_area: int = Field(10, ge=1, le=10000, description="Smallest spot [px].")
    peak_fraction: float = Field(
        0.1, ge=0, le=0.25, description="Spots end at this part of their peak."
    )
    plain_threshold: float | None = Field(
        160.0,
        ge=0,
        le=255,
        description="Pixels above belong to spots anyhow [8-bit grey]; empty for no "
        "plain threshold.",
    )
    point_spread: float = Field(
        0.7,
        ge=0,
        le=20,
        description="Narrowest width of a spot, Gaussian σ [px]; what is sharper is "
        "a particle track. 0 keeps everything, as the recipe does.",
    )
    split: bool = Field(True, description="Whether touching spots are split.")


def iter_conventional(
    stack: ProjectionStack,
    settings: ConventionalSettings | None = None,
    *,
    mask: NDArray[np.bool_] | None = None,
) -> Iterator[SpotTable]:
    """Find the spots of every projection in turn, the conventional way.

    Parameters
    ----------
    stack
        The scan.
    settings
        Steps of the pipeline.
    mask
        Pixels to leave out; the beam stop's shadow by default.

    Yields
    ------
    spots
        Table of one projection, with the columns of `find_spots`; `score` is the
        response of the Laplacian of Gaussian in standard deviations of its noise.

    Raises
    ------
    InputError
        If the scan is shorter than the rolling median.
    """
    settings = settings or ConventionalSettings()
    if mask is None and stack.geometry is not None:
        shadow = stack.geometry.beam_stop_mask()
        mask = shadow if shadow.shape == stack.shape[1:] else None
    white = settings.white
    if white is None and np.dtype(stack.images.dtype) == np.uint8:
        white = 255.0
    frames = iter_rolling_median(stack, settings.window, cyclic=settings.cyclic)
    for index, (frame, median) in enumerate(frames):
        residual = frame - median
        if white is None:
            white = max(float(np.quantile(residual[::2, ::2], 0.9995)), 1e-6)
        yield conventional_spots(
            residual,
            noise_map(residual, median),
            white,
            settings,
            mask=mask,
            projection=index,
            omega_deg=float(stack.omega[index]),
        )


def conventional_spots(
    residual: NDArray[np.float32],
    sigma: NDArray[np.float32],
    white: float,
    settings: ConventionalSettings,
    *,
    mask: NDArray[np.bool_] | None = None,
    projection: int = 0,
    omega_deg: float = np.nan,
) -> SpotTable:
    """Spots of one frame whose median is taken off: the steps after the median.

    Parameters
    ----------
    residual, sigma
        Frame minus median, and the noise of its pixels, shape (rows, columns)
        [grey values].
    white
        Grey value above background that counts as 255.
    settings
        Steps of the pipeline.
    mask
        Pixels to leave out, shape (rows, columns).
    projection, omega_deg
        0-based index and rotation angle [deg], for the table.
    """
    use = np.ones(residual.shape, bool) if mask is None else ~mask
    grey = np.maximum(residual * np.float32(255 / white), 0)
    grey = np.maximum(grey - np.float32(settings.offset), 0)
    curvature = laplacian_of_gaussian(grey, settings.log_sigma)
    blobs = _at_least(use & (curvature > 0), settings.least_area)
    labels, count = ndimage.label(blobs)
    top = np.zeros(count + 1, np.float32)
    np.maximum.at(top, labels.ravel(), grey.ravel())
    blobs &= grey > settings.peak_fraction * top[labels]
    blobs = _at_least(blobs, settings.least_area)
    if settings.plain_threshold is not None:
        blobs |= use & (grey > settings.plain_threshold)
    blobs = _at_least(blobs, 2 * settings.least_area)
    pixels = np.flatnonzero(blobs)
    # Without splitting, every connected blob is one spot.
    depth = 0.0 if settings.split else np.inf
    spot = split_regions(curvature, pixels, depth=depth, contrast=0.25, least=0.0)
    units = residual / sigma
    response = laplacian_of_gaussian(units, settings.log_sigma)
    height = np.maximum(grey.ravel()[pixels].astype(np.float64), 1e-6)
    score = largest(response.ravel()[pixels], spot) / robust_spread(response, use)
    cut, blur = np.zeros(score.size), np.zeros(score.size)
    nobody = np.full(score.size, np.nan)
    found = Candidates(pixels, spot, height, score, score, cut, blur, score, nobody)
    found = found.looked_at(units)
    found = found.only(~found.sharp(settings.point_spread))
    return spot_table(
        found, residual, sigma, use, projection=projection, omega_deg=omega_deg
    )


def _at_least(blobs: NDArray[np.bool_], area: int) -> NDArray[np.bool_]:
    """Blobs, connected over edges and corners, of at least so many pixels."""
    labels, count = ndimage.label(blobs, np.ones((3, 3), bool))
    large = np.bincount(labels.ravel(), minlength=count + 1) >= area
    large[0] = False
    return np.asarray(large[labels])
