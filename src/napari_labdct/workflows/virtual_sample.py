"""Beams and samples of virtual scans, as the run file spells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from napari_labdct.core.geometry import Parameters
from napari_labdct.physics import Crystal, Cylinder, Filter, Polycrystal, Spectrum

if TYPE_CHECKING:
    from napari_labdct.physics.outline import Outline


class Beam(Parameters):
    """A tungsten tube and what stands in its beam."""

    kvp: float = Field(
        140.0, ge=60, le=160, title="tube voltage", description="Tube voltage [kV]."
    )
    current: float = Field(10.0, gt=0, le=1e6, description="Tube current [µA].")
    filters: tuple[Filter, ...] = Field(
        (Filter(material="Al", thickness=0.5),), description="Sheets in the beam."
    )

    table: str | None = Field(
        None,
        description="CSV file with a spectrum (energy [keV], flux at 1 m "
        "[s⁻¹ mm⁻² keV⁻¹]) instead of the tube.",
    )

    def spectrum(self) -> Spectrum:
        """The photons that leave the tube."""
        if self.table:
            return Spectrum.read(self.table)
        return Spectrum.tube(self.kvp, current_ua=self.current, filters=self.filters)


class Grains(Parameters):
    """What all samples have in common."""

    element_size: float = Field(
        12.0, gt=0, le=1e4, description="Edge of the elements grains are made of [µm]."
    )
    mosaic_spread: float = Field(
        0.0, ge=0, le=5, description="Lattice rotation inside grains, σ [deg]."
    )


class RandomGrains(Grains):
    """What random samples have in common."""

    grain_size: float = Field(
        100.0, gt=0, le=1e5, description="Mean grain size, sphere diameter [µm]."
    )
    grain_size_sd: float = Field(
        10.0, ge=0, le=1e5, description="Standard deviation of the grain size [µm]."
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


class GrainListSample(Grains):
    """Grains from a CSV list, each a sphere at its place."""

    kind: Literal["grain list"] = "grain list"
    path: str = Field(description="CSV file with place and orientation of each grain.")
    grain_size: float = Field(
        50.0, gt=0, le=1e5, description="Diameter where the list gives none [µm]."
    )
    diameter: float = Field(
        0.0, ge=0, le=1e5, description="Diameter of the absorbing cylinder [µm]."
    )
    height: float = Field(
        0.0, ge=0, le=1e5, description="Height of the absorbing cylinder [µm]."
    )

    def polycrystal(self, crystal: Crystal, rng: np.random.Generator) -> Polycrystal:
        """Read the list."""
        from scipy.spatial.transform import Rotation

        from napari_labdct.files.grainlist import read_grain_list

        found = read_grain_list(self.path)
        unknown = np.isnan(found.diameter_um)
        outline: Outline | None = None
        if self.diameter and self.height:
            outline = Cylinder(self.diameter / 2000, self.height / 1000)
        grains = Polycrystal.from_spheres(
            crystal,
            found.position,
            Rotation.from_matrix(found.orientation),
            diameter_um=np.where(unknown, self.grain_size, found.diameter_um),
            element_um=self.element_size,
            outline=outline,
        )
        return grains.with_mosaic_spread(self.mosaic_spread, rng=rng)


class GrainMapSample(Grains):
    """A measured grain map: GrainMapper3D or DREAM.3D."""

    kind: Literal["grain map"] = "grain map"
    path: str = Field(description="Grain map (.h5, .dream3d).")

    def polycrystal(self, crystal: Crystal, rng: np.random.Generator) -> Polycrystal:
        """Read the map."""
        from scipy.spatial.transform import Rotation

        from napari_labdct.files.grainmap import read_grain_map

        found = read_grain_map(self.path)
        grains = Polycrystal.from_voxels(
            crystal,
            found.grain,
            Rotation.from_matrix(found.orientation),
            spacing=found.spacing,
            origin=found.origin,
            element_um=self.element_size,
            filled=found.filled,
        )
        return grains.with_mosaic_spread(self.mosaic_spread, rng=rng)


Sample = Annotated[
    CylinderSample | BoxSample | GrainListSample | GrainMapSample,
    Field(discriminator="kind"),
]
