"""A simulated scan made to look measured: one detector, one background, one beam stop.

Training corrupts every crop in its own way; a scan has things that stay while the
sample turns, and its temporal median finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field
from scipy import ndimage

from napari_labdct.core import ProjectionStack, SpotTable
from napari_labdct.core.geometry import Parameters
from napari_labdct.files import StackWriter
from napari_labdct.learning.corruption import View, artefacts, background

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.workflows.virtual_scan import VirtualScan

HIGHEST = 65535
"""Highest grey value: 16 bit."""


class ScanLook(Parameters):
    """What the detector adds to the spots of a scan."""

    photons: float = Field(
        400, gt=0, le=1e6, description="Typical background photons per pixel."
    )
    typical_peak: float = Field(
        12, gt=0, le=1e4, description="Peak of the brighter quarter of the spots [σ]."
    )
    gain: float = Field(1.5, gt=0, le=1e4, description="Grey values per photon.")
    streaks: float = Field(
        2, ge=0, le=100, description="Strength of streaks that do not turn [σ]."
    )
    stop_transmission: float = Field(
        0.15, ge=0, le=1, description="Background left in the beam stop's shadow."
    )
    zinger_rate: float = Field(
        2e-5, ge=0, le=0.1, description="Direct hits of the sensor per pixel."
    )
    hot_rate: float = Field(
        5e-5, ge=0, le=0.1, description="Share of pixels that are always off."
    )
    drift: float = Field(
        0.03, ge=0, le=1, description="Change of the level between frames, σ."
    )


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
        level = background.gradients(rng, view) * look.photons
        noise = np.sqrt(look.photons)
        streaks = background.static_streaks(rng, view) * (look.streaks * noise)
        stop = ndimage.gaussian_filter(
            geometry.beam_stop_mask().astype(np.float32), 1.5
        )
        still = (level + streaks) * (1 - (1 - look.stop_transmission) * stop)
        top = clean == ndimage.maximum_filter(clean, 5)
        peaks = clean[top & (clean > 0)]
        typical = float(np.quantile(peaks, 0.75)) if peaks.size else 1.0
        return cls(
            np.asarray(still, np.float32),
            artefacts.hot_pixels(rng, shape, look.hot_rate),
            look.typical_peak * noise / typical,
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

    def expose(self, clean: NDArray[np.float32], index: int) -> NDArray[np.uint16]:
        """One frame as the detector writes it.

        Parameters
        ----------
        clean
            Simulated photons of the spots, shape (rows, columns).
        index
            Number of the projection: noise depends on it and the seed alone.
        """
        rng = np.random.default_rng([self.seed, index])
        look = self.look
        shape = (self.still.shape[0], self.still.shape[1])
        drift = max(0.1, rng.normal(1, look.drift))
        counts = rng.poisson(self.still * drift + clean * self.scale).astype(np.float32)
        hits = artefacts.zingers(rng, shape, look.zinger_rate)
        counts += (self.hot + hits) * np.sqrt(np.float32(look.photons))
        grey = np.clip(np.rint(counts * look.gain), 0, HIGHEST)
        return np.asarray(grey, np.uint16)


def iter_to_file(
    scan: VirtualScan, path: Path | str, *, noise: bool = False
) -> Iterator[SpotTable]:
    """Simulate a scan into a TIFF stack, projection by projection.

    Parameters
    ----------
    scan
        Sample, beam, geometry and rotation.
    path
        The TIFF stack; it appears when the last projection is done.
    noise
        Make the scan look measured (16 bit) instead of writing clean photons
        (float32).

    Yields
    ------
    spots
        True spots of each projection; with noise, `peak` and `intensity` are in
        grey values of the frames.

    Raises
    ------
    InputError
        If no spot can meet the detector, or the file cannot be written.
    """
    plan, geometry = scan.plan, scan.geometry
    shape = (plan.count, *geometry.detector.shape)
    history = ("Simulated photons.", *(("Made to look measured.",) if noise else ()))
    header = ProjectionStack(
        np.broadcast_to(np.float32(0), shape),
        plan.omega_deg,
        geometry,
        "corrupted" if noise else "simulated",
        scan.name,
        history,
        scan.seed,
    )
    kind = np.uint16 if noise else np.float32
    detector = None
    with StackWriter(path, header, header.kind, dtype=kind) as writer:
        for projection in scan.iter_projections():
            image, spots = projection.image, projection.spots
            if noise:
                detector = detector or MeasuredScan.draw(
                    image, geometry, seed=scan.seed
                )
                writer.write(detector.expose(image, projection.index))
                yield detector.in_grey_values(spots)
            else:
                writer.write(image)
                yield spots
