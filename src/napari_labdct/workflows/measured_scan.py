"""A simulated scan made to look measured: one detector, one background, one beam stop.

Training corrupts every crop in its own way; a scan has things that stay while the
sample turns, and its temporal median finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_labdct.core import SpotTable
from napari_labdct.learning.corruption import View, artefacts, background
from napari_labdct.workflows.scan_look import ScanLook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry

__all__ = ["MeasuredScan", "ScanLook"]


@dataclass(frozen=True)
class MeasuredScan:
    """The detector of one scan: exposes clean frames.

    Attributes
    ----------
    still
        Photons expected without spots, shape (rows, columns).
    hot
        Pixels that are always off [σ].
    scale
        Photons on the detector for each photon of the simulation.
    look, seed
        What was asked for.
    """

    still: NDArray[np.float32]
    hot: NDArray[np.float32]
    scale: float
    look: ScanLook
    seed: int

    @classmethod
    def draw(
        cls,
        clean: NDArray[np.float32],
        geometry: Geometry,
        look: ScanLook | None = None,
        seed: int = 0,
    ) -> MeasuredScan:
        """Draw background, streaks and hot pixels.

        Parameters
        ----------
        clean
            A simulated projection that sets the scale [photons], shape (rows,
            columns).
        geometry
            Where the beam stop is.
        look
            What the detector adds.
        seed
            Seed of everything drawn, of the noise too.
        """
        look = look or ScanLook()
        shape = geometry.detector.shape
        rng = np.random.default_rng(seed)
        view = View.of_crop(shape, (0, 0), shape)
        # each is drawn whether wanted or not: a switch changes nothing else
        level = background.gradients(rng, view)
        level = level * look.photons if look.gradients else np.full(shape, look.photons)
        streaks = background.static_streaks(rng, view) * (look.streaks * look.noise)
        stop = ndimage.gaussian_filter(
            geometry.beam_stop_mask().astype(np.float32), 1.5
        )
        dark = 1 - look.stop_transmission if look.shadow else 0.0
        still = (level + streaks) * (1 - dark * stop)
        top = clean == ndimage.maximum_filter(clean, 5)
        peaks = clean[top & (clean > 0)]
        typical = float(np.quantile(peaks, 0.75)) if peaks.size else 1.0
        return cls(
            np.asarray(still, np.float32),
            artefacts.hot_pixels(rng, shape, look.hot_rate),
            look.typical_peak * look.noise / typical if look.typical_peak else 1.0,
            look,
            seed,
        )

    def in_grey_values(self, spots: SpotTable) -> SpotTable:
        """True spots with `peak` and `intensity` as the frames show them."""
        grey = self.scale * self.look.gain
        frame = spots.frame
        return SpotTable(
            frame.assign(peak=frame["peak"] * grey, intensity=frame["intensity"] * grey)
        )

    def expose(
        self, clean: NDArray[np.float32], index: int
    ) -> NDArray[np.uint8 | np.uint16]:
        """One frame as the detector writes it.

        Parameters
        ----------
        clean
            Simulated photons of the spots, shape (rows, columns).
        index
            Number of the projection: noise depends on it and the seed alone.

        Returns
        -------
        frame
            Grey values, shape (rows, columns); uint8 with 8 bits, else uint16.
        """
        rng = np.random.default_rng([self.seed, index])
        look = self.look
        shape = (self.still.shape[0], self.still.shape[1])
        drift = max(0.1, rng.normal(1, look.drift))
        expected = self.still * drift + clean * self.scale
        counts = rng.poisson(expected).astype(np.float32) if look.poisson else expected
        hits = artefacts.zingers(rng, shape, look.zinger_rate)
        counts = counts + (self.hot + hits) * np.float32(look.noise)
        if look.full_well:
            counts = np.minimum(counts, look.full_well)
        grey = counts * look.gain + look.offset
        if look.read_noise:
            grey = grey + rng.normal(0, look.read_noise, shape)
        kind = np.uint8 if look.bits == 8 else np.uint16
        return np.clip(np.rint(grey), 0, look.highest).astype(kind)
