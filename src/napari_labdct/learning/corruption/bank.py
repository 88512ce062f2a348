"""A scan's own frames, emptied of spots, as backgrounds to train on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_labdct.calibration import FrameStatistics, measure_frame, without_zingers
from napari_labdct.learning.corruption.background import View
from napari_labdct.learning.corruption.measured import MeasuredLook, Scene, bright_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.calibration import ScanStatistics

SUSPECT = 3.0
"""Response of a matched filter above which a pixel may belong to a spot [σ]. Lower
than any finder's threshold: a weak spot left in a background would be taught as
noise."""

TAIL = 1.0
"""Response down to which a suspect's surroundings are taken with it [σ]."""


@dataclass(frozen=True)
class BackgroundBank:
    """Frames of one scan without their spots, and what is known of each.

    Attributes
    ----------
    frames
        Grey values, shape (n, rows, columns).
    alone, within
        Statistics of every frame, once by itself and once out of its scan; `within`
        is empty where the scan is too short for a median.
    gain
        Variance that a grey value of spot brings [grey values].
    stored
        How the scan stores grey values.
    centre
        Row and column where the beam axis meets the detector [px].
    look
        How bright spots are drawn, and how often the scan's median is known.
    """

    frames: NDArray[np.float32]
    alone: tuple[FrameStatistics, ...]
    within: tuple[FrameStatistics, ...]
    gain: float
    stored: np.dtype[Any]
    centre: tuple[float, float]
    look: MeasuredLook

    @classmethod
    def of_scan(
        cls,
        scan: ScanStatistics,
        numbers: Sequence[int],
        rng: np.random.Generator,
        look: MeasuredLook | None = None,
    ) -> BackgroundBank:
        """Empty some frames of a scan.

        Parameters
        ----------
        scan
            Statistics of the scan, with the scan itself.
        numbers
            Projections to take; two or more.
        rng
            Chooses which frame lends its noise to which.
        look
            How bright spots are drawn.
        """
        stack = scan.stack
        known = [scan.of(number) for number in numbers]
        measured = np.stack([stack.frame(number) for number in numbers])
        units = np.stack(
            [
                (frame - of.background) / of.sigma
                for frame, of in zip(measured, known, strict=True)
            ]
        )
        suspects = np.stack([_suspects(part) for part in units])
        emptied = np.empty_like(measured)
        for number, of in enumerate(known):
            lender = (number + int(rng.integers(1, len(numbers)))) % len(numbers)
            # Where both have a spot, plain noise must do.
            plain = rng.standard_normal(units[number].shape, np.float32)
            lent = np.where(suspects[lender], plain, units[lender])
            noise = np.where(suspects[number], lent, units[number])
            emptied[number] = of.background + of.sigma * noise
        level = np.concatenate([of.background[::8, ::8].ravel() for of in known])
        variance = np.concatenate([of.sigma[::8, ::8].ravel() for of in known]) ** 2
        rows, columns = stack.shape[1:]
        middle = ((rows - 1) / 2, (columns - 1) / 2)
        return cls(
            emptied,
            tuple(measure_frame(frame) for frame in emptied),
            tuple(known) if scan.uses_scan else (),
            _gain(level, variance),
            stack.images.dtype,
            middle if stack.geometry is None else stack.geometry.detector.centre,
            look or MeasuredLook(),
        )

    def scene(
        self, clean: NDArray[np.floating], side: int, rng: np.random.Generator
    ) -> Scene:
        """Spots of a clean projection over a part of one of the frames.

        Parameters
        ----------
        clean
            Photons of the spots alone, shape (rows, columns); its scale is not used.
        side
            Side of the crop [px].
        rng
            Source of everything drawn.
        """
        number = int(rng.integers(len(self.frames)))
        inside = bool(self.within) and rng.random() < self.look.scan_fraction
        known = (self.within if inside else self.alone)[number]
        part, view = _crop(self.frames.shape[1:], side, self.centre, rng)
        background, sigma = known.background[part], known.sigma[part]
        static = None if known.static is None else known.static[part]
        over, _ = _crop(clean.shape, side, self.centre, rng)
        noise = float(np.median(sigma))
        spots = bright_as(np.asarray(clean[over], np.float32), rng, self.look, noise)
        shot = rng.standard_normal(spots.shape, np.float32)
        frame = self.frames[number][part] + spots + shot * np.sqrt(self.gain * spots)
        if np.issubdtype(self.stored, np.integer):
            frame = np.clip(np.rint(frame), 0, np.iinfo(self.stored).max)
        return Scene(
            frame.astype(np.float32),
            spots,
            FrameStatistics(background, sigma, static),
            view,
        )


def _suspects(units: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels that may belong to a spot, of a frame in units of noise."""
    calm = without_zingers(units)
    suspects = np.zeros(units.shape, bool)
    for scale in (1.3, 3.0):
        response = ndimage.gaussian_filter(calm, scale) * (2 * np.sqrt(np.pi) * scale)
        tail = response > TAIL
        suspects |= ndimage.binary_propagation(response > SUSPECT, mask=tail)
    return np.asarray(ndimage.binary_dilation(suspects, iterations=2), np.bool_)


def _gain(level: NDArray[np.float32], variance: NDArray[np.float32]) -> float:
    """Slope of the noise's variance with the level [grey values].

    Where the background is too even to show it, what follows if there is no offset.
    """
    low, high = (float(q) for q in np.quantile(level, [0.05, 0.95]))
    plain = float(np.median(variance)) / max(float(np.median(level)), 1e-6)
    if high - low < 0.2 * high:
        return plain
    dark, light = variance[level <= low], variance[level >= high]
    slope = float((np.median(light) - np.median(dark)) / (high - low))
    return slope if slope > 0 else plain


def _crop(
    shape: tuple[int, ...],
    side: int,
    centre: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[tuple[slice, slice], View]:
    """A square part of a frame, and where it lies."""
    corner = [int(rng.integers(0, n - side + 1)) for n in shape]
    row, column = (
        (np.arange(side) + (first - middle)).astype(np.float32)
        for first, middle in zip(corner, centre, strict=True)
    )
    part = (slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side))
    return part, View(row[:, None], column[None], max(shape) / 2)
