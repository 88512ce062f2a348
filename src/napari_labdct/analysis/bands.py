"""Filters that pass what is as wide as a spot, for frames with no scan to help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import fft, ndimage

from napari_labdct.analysis.candidates import spot_table
from napari_labdct.analysis.detection import Kernel, Response, threshold_for
from napari_labdct.analysis.find import FindSettings, from_response
from napari_labdct.calibration import FrameStatistics, measure_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_labdct.core import SpotTable

Band = Literal["log", "dog", "tophat"]

TOP_HAT = 11
"""Side of the square that a spot must fit into for the top-hat [px]."""

RATIO = 3.0
"""Width of the wider Gaussian of a difference over the narrower one's."""

BLOCK = 32
"""Side of the blocks in which the noise of a response is measured [px]."""


def laplacian_of_gaussian(
    image: NDArray[np.float32], sigma: float
) -> NDArray[np.float32]:
    """Negative, scale-normalised Laplacian of Gaussian, −σ²∇²G ∗ image.

    Positive where the image is convex, as on a spot. Outside of the frame the
    image counts as zero.

    Parameters
    ----------
    image
        Shape (rows, columns).
    sigma
        Width of the Gaussian [px].
    """
    return _passed(image, 4 * sigma, lambda q: sigma**2 * q * np.exp(-q * sigma**2 / 2))


def difference_of_gaussians(
    image: NDArray[np.float32], sigma: float
) -> NDArray[np.float32]:
    """Gaussian blur minus one that is `RATIO` times as wide; as above otherwise."""
    wide = RATIO * sigma
    return _passed(
        image,
        4 * wide,
        lambda q: np.exp(-q * sigma**2 / 2) - np.exp(-q * wide**2 / 2),
    )


def top_hat(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blurred image minus its opening: what fits into a square of `TOP_HAT` px."""
    smooth = ndimage.gaussian_filter(image, sigma)
    return np.asarray(smooth - ndimage.grey_opening(smooth, (TOP_HAT, TOP_HAT)))


def _passed(
    image: NDArray[np.float32],
    room: float,
    gain: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The image times a gain that depends on the squared frequency [rad²/px²]."""
    rows, columns = image.shape
    extra = int(np.ceil(room))
    size = (fft.next_fast_len(rows + extra), fft.next_fast_len(columns + extra, True))
    down = (2 * np.pi * fft.fftfreq(size[0])).astype(np.float32)
    across = (2 * np.pi * fft.rfftfreq(size[1])).astype(np.float32)
    spectrum = fft.rfft2(image, size)
    spectrum *= gain(down[:, None] ** 2 + across**2)
    passed = fft.irfft2(spectrum, size, overwrite_x=True)[:rows, :columns]
    return np.asarray(passed, np.float32)


def local_noise(
    response: NDArray[np.float32], upper: bool = False
) -> NDArray[np.float32]:
    """Middle and spread of a response in blocks.

    Parameters
    ----------
    response
        Shape (rows, columns).
    upper
        Whether the spread is that of the upper half; the lower half is free of
        spots, but not the same where noise is skewed.

    Returns
    -------
    middle, spread
        Stacked, shape (2, rows, columns).
    """
    rows, columns = response.shape
    side = min(BLOCK, rows, columns)
    down, over = rows // side, columns // side
    whole = response[: down * side, : over * side].reshape(down, side, over, side)
    blocks = whole.transpose(0, 2, 1, 3).reshape(down, over, -1)
    # Skewed noise needs a quantile nearer to the tail that makes false alarms.
    level, deviations = (0.9332, 1.5) if upper else (0.1587, 1.0)
    middle, edge = np.quantile(blocks, [0.5, level], axis=-1)
    at = np.meshgrid(
        (np.arange(rows) + 0.5) / side - 0.5,
        (np.arange(columns) + 0.5) / side - 0.5,
        indexing="ij",
    )
    out = []
    for coarse in (middle, np.abs(edge - middle) / deviations):
        calm = ndimage.median_filter(coarse, 3, mode="nearest")
        out.append(ndimage.map_coordinates(calm, at, order=1, mode="nearest"))
    return np.asarray(out, np.float32)


def find_in_band(
    frame: NDArray[np.float32],
    band: Band = "log",
    *,
    sigma: float = 1.5,
    statistics: FrameStatistics | None = None,
    mask: NDArray[np.bool_] | None = None,
    settings: FindSettings | None = None,
    projection: int = 0,
    omega_deg: float = np.nan,
) -> SpotTable:
    """Find the spots of a single frame with a classical filter and local noise.

    For scans too short for a median over the rotation. Whatever stays while the
    sample turns and is as wide as a spot is found as well.

    Parameters
    ----------
    frame
        Grey values as measured, shape (rows, columns).
    band
        Laplacian of Gaussian, difference of Gaussians, or white top-hat.
    sigma
        Width of the spots, Gaussian σ [px].
    statistics
        Background and noise of the frame; estimated from it by default.
    mask
        Pixels to leave out, shape (rows, columns).
    settings
        How spots are told from noise and from each other; its `scales` do not
        matter here.
    projection, omega_deg
        0-based index and rotation angle [deg], for the table.
    """
    known = measure_frame(frame) if statistics is None else statistics
    residual = frame - known.background
    use = np.ones(frame.shape, bool) if mask is None else ~mask
    units = np.where(use, residual / known.sigma, np.float32(0))
    response = FILTERS[band](units, sigma)
    # What an opening leaves is positive: its noise reaches up further than down.
    middle, spread = local_noise(response, upper=band == "tophat")
    response = (response - middle) / np.maximum(spread, 0.2 * float(np.median(spread)))
    # The Laplacian's noise wiggles on a finer scale than its Gaussian.
    grain = sigma / np.sqrt(3) if band == "log" else sigma
    settings = (settings or FindSettings()).model_copy(update={"scales": (sigma,)})
    threshold = threshold_for(
        settings.false_alarms, int(np.count_nonzero(use)), (Kernel(grain, grain),)
    )
    found = from_response(Response(response, response), use, threshold, settings)
    found = found.looked_at(units)
    found = found.only(~found.sharp(settings.point_spread))
    found = found.only(found.area() >= settings.least_area).cut_off()
    return spot_table(
        found, residual, known.sigma, use, projection=projection, omega_deg=omega_deg
    )


FILTERS: dict[str, Callable[[NDArray[np.float32], float], NDArray[np.float32]]] = {
    "log": laplacian_of_gaussian,
    "dog": difference_of_gaussians,
    "tophat": top_hat,
}
