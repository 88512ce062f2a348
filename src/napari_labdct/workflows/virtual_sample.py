"""Beams and samples of virtual scans, as the run file spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from napari_labdct.core.geometry import Parameters
from napari_labdct.physics import Crystal, Filter, Polycrystal, Spectrum

if TYPE_CHECKING:
    import numpy as np


class Beam(Parameters):
    """A tungsten tube and what stands in its beam."""

    kvp: float = Field(140.0, ge=60, le=160, description="Tube voltage [kV].")
    current: float = Field(10.0, gt=0, le=1e6, description="Tube current [µA].")
    filters: tuple[Filter, ...] = Field(
        (Filter(material="Al", thickness=0.5),), description="Sheets in the beam."
    )

    def spectrum(self) -> Spectrum:
        """The photons that leave the tube."""
        return Spectrum.tube(self.kvp, current_ua=self.current, filters=self.filters)


class RandomGrains(Parameters):
    """What random samples have in common."""

    grain_size: float = Field(
        100.0, gt=0, le=1e5, description="Mean grain size, sphere diameter [µm]."
    )
    grain_size_sd: float = Field(
        10.0, ge=0, le=1e5, description="Standard deviation of the grain size [µm]."
    )
    element_size: float = Field(
        12.0, gt=0, le=1e4, description="Edge of the elements grains are made of [µm]."
    )
    mosaic_spread: float = Field(
        0.0, ge=0, le=5, description="Lattice rotation inside grains, σ [deg]."
    )


class CylinderSample(RandomGrains):
    """An upright cylinder of random grains."""

    kind: Literal["cylinder"] = "cylinder"
    diameter: float = Field(400.0, gt=0, le=1e5, description="Diameter [µm].")
    height: float = Field(600.0, gt=0, le=1e5, description="Height [µm].")

    def polycrystal(self, crystal: Crystal, rng: np.random.Generator) -> Polycrystal:
        """Grow the grains."""
        grains = Polycrystal.random_cylinder(
            crystal,
            diameter_um=self.diameter,
            height_um=self.height,
            grain_um=self.grain_size,
            grain_sd_um=self.grain_size_sd,
            element_um=self.element_size,
            rng=rng,
        )
        return grains.with_mosaic_spread(self.mosaic_spread, rng=rng)


class BoxSample(RandomGrains):
    """A box of random grains."""

    kind: Literal["box"] = "box"
    width_x: float = Field(300.0, gt=0, le=1e5, description="Edge along x [µm].")
    width_y: float = Field(300.0, gt=0, le=1e5, description="Edge along y [µm].")
    height: float = Field(300.0, gt=0, le=1e5, description="Edge along z [µm].")

    def polycrystal(self, crystal: Crystal, rng: np.random.Generator) -> Polycrystal:
        """Grow the grains."""
        grains = Polycrystal.random_box(
            crystal,
            size_um=(self.width_x, self.width_y, self.height),
            grain_um=self.grain_size,
            grain_sd_um=self.grain_size_sd,
            element_um=self.element_size,
            rng=rng,
        )
        return grains.with_mosaic_spread(self.mosaic_spread, rng=rng)


Sample = Annotated[CylinderSample | BoxSample, Field(discriminator="kind")]
