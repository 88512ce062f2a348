"""A clean projection made to look measured, with what is known of its scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import ndimage

from napari_labdct.calibration import (
    FrameStatistics,
    TemporalMedian,
    combine,
    measure_frame,
)
from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.corruption import artefacts, background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.learning.corruption.background import View


class MeasuredLook(Parameters):
    """Ranges of what measured frames show, wider than any one detector's."""

    fewest_photons: float = Field(
        4, gt=0, description="Fewest background photons per pixel."
    )
    most_photons: float = Field(
        4000, gt=0, description="Most background photons per pixel."
    )
    faintest: float = Field(
        0.7, gt=0, description="Peak of a typical spot when faintest [σ]."
    )
    brightest: float = Field(
        80, gt=0, description="Peak of a typical spot when brightest [σ]."
    )
    correlation: float = Field(
        0.6,
        ge=0,
        le=3,
        description="Largest blur of the photon noise, Gaussian σ [px].",
    )
    zinger_rate: float = Field(
        4e-4, ge=0, le=0.1, description="Highest rate of zingers per pixel."
    )
    scan_fraction: float = Field(
        0.6, ge=0, le=1, description="Share of frames whose scan's median is known."
    )
    spotless_fraction: float = Field(
        0.08, ge=0, le=1, description="Share of frames without any spot."
    )
    eight_bit_fraction: float = Field(
        0.2, ge=0, le=1, description="Share of frames stored with 8 bits."
    )


@dataclass(frozen=True)
class Scene:
    """One training example before it is put in units of noise.

    Attributes
    ----------
    frame
        What the detector shows, shape (rows, columns) [grey values].
    spots
        What the spots alone add to it, shape (rows, columns) [grey values].
    statistics
        Background and noise as estimated from the frame (and its scan's median),
        exactly as for a measured frame.
    view
        Where the crop lies in its frame.
    """

    frame: NDArray[np.float32]
    spots: NDArray[np.float32]
    statistics: FrameStatistics
    view: View


def draw_scene(
    clean: NDArray[np.float32],
    view: View,
    rng: np.random.Generator,
    look: MeasuredLook,
) -> Scene:
    """Corrupt one crop of a clean projection.

    Parameters
    ----------
    clean
        Photons of the spots alone, shape (rows, columns); its scale is not used.
    view
        Where the crop lies in its projection.
    rng
        Source of everything drawn.
    look
        Ranges to draw from.
    """
    shape = clean.shape
    photons = float(_log_uniform(rng, look.fewest_photons, look.most_photons))
    level = photons * background.gradients(rng, view)
    read_noise = float(rng.uniform(0, 0.6)) * np.sqrt(photons) * (rng.random() < 0.6)
    noise = np.sqrt(photons + read_noise**2)

    stop_state = rng.bit_generator.state
    shadow = background.shadows(rng, view)
    streaks = background.static_streaks(rng, view)
    streaks = streaks * noise * float(_log_uniform(rng, 0.5, 12))
    hot = float(rng.choice([0, 3e-5, 1e-4]))
    fixed = artefacts.hot_pixels(rng, (shape[0], shape[1]), hot)
    spots = bright_as(clean, rng, look, noise) * shadow
    still = (level + streaks) * shadow  # what stays while the sample turns

    blur = rng.uniform(0, look.correlation) * (rng.random() < 0.4)

    def expose(expected: NDArray[np.float32]) -> NDArray[np.float32]:
        counts = _photon_noise(rng, expected, blur)
        return counts + rng.standard_normal(shape, np.float32) * np.float32(read_noise)

    drift = rng.normal(1, 0.04)
    now = still
    flicker = None
    if rng.random() < 0.15:  # the beam stop has moved a little since
        after = rng.bit_generator.state
        rng.bit_generator.state = stop_state
        moved = background.shadows(rng, view, tuple(rng.normal(0, 0.3, 2)))
        rng.bit_generator.state = after
        now = (level + streaks) * moved
        flicker = np.sqrt(1 + (now - still) ** 2 / (still + read_noise**2 + 1))
    frame = expose(now * np.float32(drift) + spots)
    frame += fixed * noise
    rate = float(_log_uniform(rng, 1e-6, look.zinger_rate))
    frame += artefacts.zingers(rng, (shape[0], shape[1]), rate) * np.float32(noise)
    if rng.random() < 0.01:
        text = artefacts.burnt_in_text(rng, (shape[0], shape[1]))
        frame[text] = frame.max() if rng.random() < 0.7 else 0

    gain, offset, top = _digitiser(rng, look, photons, noise)
    frame = np.clip(np.rint(frame * gain + offset), 0, top).astype(np.float32)
    spots = np.asarray(spots * gain, np.float32)
    if rng.random() < look.scan_fraction:
        frames = rng.integers(9, 61)
        # The median of n frames has noise 1.25 σ/√n, and the little that spots leave.
        spread = np.sqrt(np.maximum(still, 0) + read_noise**2) * 1.25 / np.sqrt(frames)
        median = still + fixed * noise + spread * rng.standard_normal(shape, np.float32)
        median = np.asarray(median * gain + offset, np.float32)
        statistics = combine(frame, TemporalMedian.from_image(median, flicker))
    else:
        statistics = measure_frame(frame)
    return Scene(frame, spots, statistics, view)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def bright_as(
    clean: NDArray[np.float32],
    rng: np.random.Generator,
    look: MeasuredLook,
    noise: float,
) -> NDArray[np.float32]:
    """Spots scaled so that a typical one has a drawn peak height, in photons."""
    peaks = clean[(clean == ndimage.maximum_filter(clean, 5)) & (clean > 0)]
    if peaks.size == 0 or rng.random() < look.spotless_fraction:
        return np.zeros_like(clean)
    typical = float(np.quantile(peaks, 0.75))
    height = _log_uniform(rng, look.faintest, look.brightest) * noise
    return np.asarray(clean * np.float32(height / max(typical, 1e-12)), np.float32)


def _photon_noise(
    rng: np.random.Generator, expected: NDArray[np.float32], blur: float
) -> NDArray[np.float32]:
    """Poisson counts; where the detector spreads each photon, correlated noise."""
    counts = rng.poisson(np.maximum(expected, 0)).astype(np.float32)
    if blur > 0.15:
        # The image is blurred already: only the noise is spread.
        spread = ndimage.gaussian_filter(counts - expected, blur)
        counts = expected + spread
    return counts


def _digitiser(
    rng: np.random.Generator, look: MeasuredLook, photons: float, noise: float
) -> tuple[np.float32, np.float32, float]:
    """Gain [grey values per photon], offset and highest grey value."""
    if rng.random() < look.eight_bit_fraction:
        sigma = _log_uniform(rng, 0.4, 8)
        gain = min(sigma / noise, 180 / (photons + 3 * noise))
        return np.float32(gain), np.float32(rng.uniform(0, 20)), 255.0
    gain = _log_uniform(rng, 2, 60) / noise
    gain = min(gain, 30000 / photons)
    return np.float32(gain), np.float32(rng.uniform(0, 500)), 65535.0
