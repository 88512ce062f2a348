"""Polycrystals: grains, their orientations and the elements they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from napari_labdct.core import InputError
from napari_labdct.physics.outline import Box, Cylinder
from napari_labdct.physics.tessellation import fit_laguerre

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.physics.crystal import Crystal
    from napari_labdct.physics.outline import Outline

_POINTS_ACROSS_GRAIN = 7  # of the grid on which grain volumes are fitted


@dataclass(frozen=True)
class Polycrystal:
    """A sample made of grains, each of many small elements.

    Attributes
    ----------
    crystal
        What every grain consists of.
    orientation
        Orientation of each grain, crystal → sample, G rotations.
    centre
        Middle of each element in the sample frame, shape (E, 3) [mm].
    volume
        Volume of each element, shape (E,) [mm³].
    grain_of
        Grain of each element, shape (E,); elements are kept sorted by it.
    outline
        The surface that X-rays enter and leave by; None for no absorption.
    misorientation
        Rotation vector of each element against its grain, in the sample frame,
        shape (E, 3) [rad]; None for perfect grains.
    """

    crystal: Crystal
    orientation: Rotation
    centre: NDArray[np.float64]
    volume: NDArray[np.float64]
    grain_of: NDArray[np.int64]
    outline: Outline | None = None
    misorientation: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        centre = np.asarray(self.centre, np.float64).reshape(-1, 3)
        grain = np.asarray(self.grain_of, np.int64)
        volume = np.asarray(self.volume, np.float64)
        if not len(centre) == len(grain) == len(volume) > 0:
            raise InputError(
                f"A sample of {len(centre)} element centres, {len(volume)} volumes and "
                f"{len(grain)} grain numbers cannot be used: give one of each, at "
                "least one element."
            )
        if grain.min() < 0 or grain.max() >= len(self.orientation):
            raise InputError(
                f"Grain numbers run from {grain.min()} to {grain.max()}, but there are "
                f"{len(self.orientation)} orientations: number the grains from 0 and "
                "give each an orientation."
            )
        if not (np.isfinite(centre).all() and np.isfinite(volume).all()):
            raise InputError("Element centres and volumes must be finite numbers.")
        order = np.argsort(grain, kind="stable")
        for name, value in (
            ("centre", centre[order]),
            ("grain_of", grain[order]),
            ("volume", volume[order]),
        ):
            object.__setattr__(self, name, value)
        if self.misorientation is not None:
            turned = np.asarray(self.misorientation, np.float64)[order]
            object.__setattr__(self, "misorientation", turned)

    @classmethod
    def random_cylinder(
        cls,
        crystal: Crystal,
        *,
        diameter_um: float = 400.0,
        height_um: float = 600.0,
        grain_um: float = 100.0,
        grain_sd_um: float = 10.0,
        element_um: float = 12.0,
        rng: np.random.Generator | int | None = None,
    ) -> Polycrystal:
        """An upright cylinder filled with random grains.

        Parameters
        ----------
        crystal
            What the grains consist of.
        diameter_um, height_um
            Size of the cylinder [µm].
        grain_um, grain_sd_um
            Mean and standard deviation of the diameters of spheres as large as
            the grains [µm]. The number of grains is the cylinder's volume over
            that of the mean sphere, rounded down.
        element_um
            Edge of the cubic elements [µm].
        rng
            Random numbers, or a seed. Grains do not depend on `element_um`.
        """
        outline = Cylinder(diameter_um / 2000, height_um / 1000)
        extent = (diameter_um / 1000, diameter_um / 1000, height_um / 1000)
        return cls._random(
            crystal, outline, extent, grain_um, grain_sd_um, element_um, rng
        )

    @classmethod
    def random_box(
        cls,
        crystal: Crystal,
        *,
        size_um: tuple[float, float, float] = (300.0, 300.0, 300.0),
        grain_um: float = 100.0,
        grain_sd_um: float = 10.0,
        element_um: float = 12.0,
        rng: np.random.Generator | int | None = None,
    ) -> Polycrystal:
        """A box filled with random grains; parameters as in `random_cylinder`."""
        x, y, z = (edge / 1000 for edge in size_um)
        return cls._random(
            crystal, Box((x, y, z)), (x, y, z), grain_um, grain_sd_um, element_um, rng
        )

    @classmethod
    def _random(
        cls,
        crystal: Crystal,
        outline: Cylinder | Box,
        extent: tuple[float, float, float],
        grain_um: float,
        grain_sd_um: float,
        element_um: float,
        rng: np.random.Generator | int | None,
    ) -> Polycrystal:
        rng = np.random.default_rng(rng)
        if not 0 < element_um <= grain_um / 2:
            raise InputError(
                f"Elements of {element_um:g} µm cannot make grains of {grain_um:g} µm: "
                "choose an element size of at most half the grain size."
            )
        share = np.pi / 4 if isinstance(outline, Cylinder) else 1.0
        whole = float(np.prod(extent)) * share
        # the small term keeps 100 µm grains in 0.1³-sized samples from losing one
        count = int(whole / (np.pi / 6 * (grain_um / 1000) ** 3) + 1e-9)
        if count < 1:
            raise InputError(
                f"A sample of {whole:.3g} mm³ holds no grain of {grain_um:g} µm: "
                "take a larger sample or smaller grains."
            )
        size = rng.normal(grain_um, grain_sd_um, count)
        wanted = np.clip(size, 0.3 * grain_um, None) ** 3
        grid = _grid(outline, extent, grain_um / 1000 / _POINTS_ACROSS_GRAIN)
        grains = fit_laguerre(grid, wanted / wanted.sum(), rng)
        orientation = Rotation.random(count, rng)
        centre = _grid(outline, extent, element_um / 1000)
        volume = np.full(len(centre), whole / len(centre))
        return cls(
            crystal, orientation, centre, volume, grains.grain_of(centre), outline
        )

    def __len__(self) -> int:
        return len(self.orientation)

    @property
    def grain_volume(self) -> NDArray[np.float64]:
        """Volume of each grain, shape (G,) [mm³]."""
        volume = np.bincount(self.grain_of, self.volume, len(self))
        return np.asarray(volume, np.float64)

    @property
    def grain_size_um(self) -> NDArray[np.float64]:
        """Diameter of a sphere as large as each grain, shape (G,) [µm]."""
        return np.cbrt(self.grain_volume * 6 / np.pi) * 1000

    @property
    def grain_centre(self) -> NDArray[np.float64]:
        """Centre of mass of each grain, shape (G, 3) [mm]; NaN for empty grains."""
        weight = np.where(self.grain_volume > 0, self.grain_volume, np.nan)
        return np.stack(
            [
                np.bincount(self.grain_of, self.volume * self.centre[:, a], len(self))
                / weight
                for a in range(3)
            ],
            axis=1,
        )

    def with_mosaic_spread(
        self,
        spread_deg: float,
        *,
        copies: int = 8,
        rng: np.random.Generator | int | None = None,
    ) -> Polycrystal:
        """The same grains, their lattice turned a little from place to place.

        Parameters
        ----------
        spread_deg
            Standard deviation of the lattice rotation about each axis [deg].
        copies
            Lattice rotations in each element; more make smoother spots.
        rng
            Random numbers, or a seed.
        """
        if spread_deg <= 0:
            return self
        rng = np.random.default_rng(rng)
        turned = rng.normal(0, np.deg2rad(spread_deg), (len(self.centre) * copies, 3))
        return Polycrystal(
            self.crystal,
            self.orientation,
            np.repeat(self.centre, copies, axis=0),
            np.repeat(self.volume / copies, copies),
            np.repeat(self.grain_of, copies),
            self.outline,
            turned,
        )


def _grid(
    outline: Cylinder | Box, extent: tuple[float, float, float], step: float
) -> NDArray[np.float64]:
    """Centres of cubes that fill the outline, shape (N, 3) [mm]."""
    axes = []
    for length in extent:
        cells = max(int(np.ceil(length / step - 1e-9)), 1)
        axes.append((np.arange(cells) - (cells - 1) / 2) * step)
    point = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    if isinstance(outline, Cylinder):
        inside = np.hypot(point[:, 0], point[:, 1]) < outline.radius
        inside &= np.abs(point[:, 2]) < outline.height / 2
    else:
        inside = (np.abs(point) < np.asarray(extent) / 2).all(axis=1)
    return np.asarray(point[inside], np.float64)
