"""Polycrystals: grains, their orientations and the elements they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_labdct.core import InputError
from napari_labdct.physics.elements import gather_elements
from napari_labdct.physics.outline import Box, Cylinder, VoxelMask

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial.transform import Rotation

    from napari_labdct.physics.crystal import Crystal
    from napari_labdct.physics.outline import Outline


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
            that of the mean sphere, rounded down; fewer where the mean obtained
            would fall short by more than 1 %. `grain_size_um` tells what was
            obtained.
        element_um
            Edge of the cubic elements [µm].
        rng
            Random numbers, or a seed. Grains do not depend on `element_um`.
        """
        from napari_labdct.physics.growth import grow

        outline = Cylinder(diameter_um / 2000, height_um / 1000)
        return grow(crystal, outline, grain_um, grain_sd_um, element_um, rng)

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
        from napari_labdct.physics.growth import grow

        x, y, z = (edge / 1000 for edge in size_um)
        return grow(crystal, Box((x, y, z)), grain_um, grain_sd_um, element_um, rng)

    @classmethod
    def from_voxels(
        cls,
        crystal: Crystal,
        grain: NDArray[np.int64],
        orientation: Rotation,
        *,
        spacing: float,
        origin: tuple[float, float, float],
        element_um: float = 12.0,
        filled: NDArray[np.bool_] | None = None,
    ) -> Polycrystal:
        """Grains on a grid of voxels, as a grain map has them.

        Parameters
        ----------
        crystal
            What the grains consist of.
        grain
            Grain of each voxel, from 0; negative where there is none, (nx, ny, nz).
        orientation
            Orientation of each grain, crystal → sample.
        spacing
            Edge of the voxels [mm].
        origin
            Centre of voxel (0, 0, 0) in the sample frame [mm].
        element_um
            Edge of the elements, a voxel's at least [µm].
        filled
            Voxels that absorb, (nx, ny, nz); those with a grain when left out.
        """
        inside = grain >= 0
        if not inside.any():
            raise InputError(
                "The grain map holds no grain: give a map in which some voxels have "
                "a grain number and an orientation."
            )
        point = np.argwhere(inside) * spacing + np.asarray(origin)
        centre, volume, grain_of = gather_elements(
            point, grain[inside], max(element_um / 1000, spacing), spacing**3
        )
        mask = VoxelMask(inside if filled is None else filled, spacing, origin)
        return cls(crystal, orientation, centre, volume, grain_of, mask)

    @classmethod
    def from_spheres(
        cls,
        crystal: Crystal,
        position: NDArray[np.float64],
        orientation: Rotation,
        *,
        diameter_um: NDArray[np.float64],
        element_um: float = 12.0,
        outline: Outline | None = None,
    ) -> Polycrystal:
        """Grains known by position, orientation and size alone, taken as spheres.

        Parameters
        ----------
        crystal
            What the grains consist of.
        position
            Centres of the grains, shape (G, 3) [mm].
        orientation
            Orientation of each grain, crystal → sample.
        diameter_um
            Diameter of each sphere, shape (G,) [µm].
        element_um
            Edge of the elements [µm].
        outline
            The surface of the sample; None for no absorption.
        """
        centre, volume, grain_of = [], [], []
        for number, (middle, across) in enumerate(
            zip(position, diameter_um / 1000, strict=True)
        ):
            cells = max(int(np.rint(across / (element_um / 1000))), 1)
            axis = (np.arange(cells) - (cells - 1) / 2) * across / cells
            point = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
            point = point[np.linalg.norm(point, axis=1) < max(across / 2, 1e-9)]
            centre.append(point + middle)
            volume.append(np.full(len(point), np.pi / 6 * across**3 / len(point)))
            grain_of.append(np.full(len(point), number))
        return cls(
            crystal,
            orientation,
            np.concatenate(centre),
            np.concatenate(volume),
            np.concatenate(grain_of),
            outline,
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
    def summary(self) -> str:
        """Grains and sizes obtained (mean ± standard deviation), for people."""
        count, elements = len(self), len(self.centre)
        size = self.grain_size_um
        spread = f" ± {size.std():.1f}" if count > 1 else ""
        grains = "grain" if count == 1 else "grains"
        return f"{count} {grains} of {size.mean():.1f}{spread} µm, {elements} elements"

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

    def grain_map(
        self, voxel_um: float
    ) -> tuple[NDArray[np.int64], tuple[float, float, float]]:
        """The grains on a grid of voxels.

        Parameters
        ----------
        voxel_um
            Edge of the voxels [µm].

        Returns
        -------
        grain
            Grain of each voxel, −1 where there is none, shape (nx, ny, nz).
        origin
            Centre of voxel (0, 0, 0) in the sample frame [mm].
        """
        edge = voxel_um / 1000
        low, high = self.centre.min(axis=0), self.centre.max(axis=0)
        # voxels lie on the elements' own lattice, if they have one
        away = np.linalg.norm(self.centre - (low + high) / 2, axis=1)
        inner = self.centre[away.argmin()]
        before = np.ceil((inner - low) / edge)
        cells = (before + np.ceil((high - inner) / edge)).astype(int) + 1
        origin = inner - before * edge
        place = np.indices(cells).reshape(3, -1).T * edge + origin
        # less than an element: the surface stays where it is
        reach = 0.75 * max(float(np.cbrt(np.median(self.volume))), edge)
        _, nearest = cKDTree(self.centre).query(place, distance_upper_bound=reach)
        grain = np.append(self.grain_of, -1)[nearest]
        x, y, z = (float(value) for value in origin)
        return grain.reshape(cells), (x, y, z)

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
