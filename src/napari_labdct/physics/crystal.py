"""Crystals and their reflections: cell, sites, d-spacings and structure factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HC_KEV_ANGSTROM = 12.398419843
"""Planck's constant times the speed of light [keV Å]."""

ATOMIC_MASS_GRAM = 1.66053906660e-24
_ABSENT = 1e-6  # |F|² below this fraction of the strongest counts as absent
_D_TOLERANCE = 1e-4  # relative difference below which two d-spacings are one family


@dataclass(frozen=True)
class Site:
    """An atom of the asymmetric unit.

    Attributes
    ----------
    element
        Chemical symbol.
    position
        Fractional coordinates along a, b, c.
    occupancy
        Fraction of the site that is filled.
    u_iso
        Mean square displacement ⟨u²⟩ along one direction [Å²].
    """

    element: str
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    occupancy: float = 1.0
    u_iso: float = 0.01


@dataclass(frozen=True)
class Reflections:
    """Reflections of a crystal, harmonics of one direction side by side.

    Attributes
    ----------
    hkl
        Miller indices, shape (R, 3).
    d
        Lattice spacing, shape (R,) [Å].
    f_squared
        |F|² with Debye-Waller factor, shape (R,) [e²].
    direction
        Row of `unit` a reflection belongs to, shape (R,). 111 and 222 share one:
        they reflect a ray to the same place, at E and 2E.
    order
        How many times the primitive indices (hkl over their greatest common
        divisor) the reflection is, shape (R,).
    unit
        Unit vectors of the reciprocal directions in the crystal's Cartesian frame
        (x along a, z along c*), shape (D, 3).
    d_primitive
        Spacing of each direction's primitive indices, shape (D,) [Å].
    primitive
        Those indices, shape (D, 3).
    """

    hkl: NDArray[np.int64]
    d: NDArray[np.float64]
    f_squared: NDArray[np.float64]
    direction: NDArray[np.int64]
    order: NDArray[np.int64]
    unit: NDArray[np.float64]
    d_primitive: NDArray[np.float64]
    primitive: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hkl)

    @property
    def g(self) -> NDArray[np.float64]:
        """Reciprocal vectors G with |G| = 2π/d, shape (R, 3) [Å⁻¹]."""
        return self.unit[self.direction] * (2 * np.pi / self.d)[:, None]

    @property
    def structure_factor(self) -> NDArray[np.float64]:
        """Structure factor |F|, shape (R,) [e]."""
        return np.sqrt(self.f_squared)


@dataclass(frozen=True)
class Crystal:
    """A crystal structure.

    Attributes
    ----------
    name
        What people call it.
    cell
        a, b, c [Å], α, β, γ [deg].
    space_group
        Hermann-Mauguin symbol, with the origin choice where there are two
        (``"F d -3 m:1"``).
    sites
        Atoms of the asymmetric unit.
    """

    name: str
    cell: tuple[float, float, float, float, float, float]
    space_group: str
    sites: tuple[Site, ...]

    @classmethod
    def preset(cls, name: str) -> Crystal:
        """One of `CRYSTALS` by its name, such as ``"Al"``."""
        found = next(
            (c for c in CRYSTALS.values() if c.name.lower() == name.lower()), None
        )
        if found is None:
            raise InputError(
                f"There is no crystal named {name!r}: "
                f"choose one of {', '.join(CRYSTALS)} or give a CIF file."
            )
        return found

    @classmethod
    def named(cls, name_or_cif: str | Path) -> Crystal:
        """A preset by name, or a crystal from a CIF file by its path."""
        if str(name_or_cif).lower().endswith(".cif"):
            return cls.from_cif(name_or_cif)
        return cls.preset(str(name_or_cif))

    @classmethod
    def from_cif(cls, path: str | Path) -> Crystal:
        """Read a crystal from a CIF file.

        Raises
        ------
        InputError
            If the file cannot be read, or lacks cell, space group or atoms.
        """
        import gemmi

        path = Path(path)
        try:
            small = gemmi.read_small_structure(str(path))
        except (OSError, ValueError, RuntimeError, IndexError) as error:
            raise InputError(
                f"{path.name} cannot be read as a CIF file ({error}): "
                "give a crystallographic information file with one structure."
            ) from error
        missing = [
            what
            for what, there in {
                "unit cell": small.cell.is_crystal() and small.cell.a > 1,
                "known space group": small.spacegroup is not None,
                "atoms": len(small.sites) > 0,
            }.items()
            if not there
        ]
        if missing:
            raise InputError(
                f"{path.name} holds no {' and no '.join(missing)}: "
                "give a CIF file with cell, space group and atom sites."
            )
        sites = tuple(
            Site(
                site.element.name,
                (site.fract.x, site.fract.y, site.fract.z),
                site.occ,
                site.u_iso,
            )
            for site in small.sites
        )
        cell = small.cell
        return cls(
            small.name or path.stem,
            (cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma),
            small.spacegroup.xhm(),
            sites,
        )

    def _structure(self) -> Any:
        """The crystal as gemmi knows it; made anew, for gemmi's cannot be copied."""
        import gemmi

        group = gemmi.find_spacegroup_by_name(self.space_group)
        if group is None:
            raise InputError(
                f"Crystal {self.name} has the space group {self.space_group!r}, which "
                "is not a Hermann-Mauguin symbol: write it like 'F m -3 m'."
            )
        small = gemmi.SmallStructure()
        small.cell.set(*self.cell)
        small.spacegroup = group
        for number, site in enumerate(self.sites):
            atom = gemmi.SmallStructure.Site()
            atom.label = f"{site.element}{number}"
            atom.element = gemmi.Element(site.element)
            if atom.element.atomic_number == 0:
                raise InputError(
                    f"Crystal {self.name} holds an atom of unknown element "
                    f"{site.element!r}: use chemical symbols."
                )
            atom.fract = gemmi.Fractional(*site.position)
            atom.u_iso, atom.occ = site.u_iso, site.occupancy
            small.add_site(atom)
        small.setup_cell_images()
        return small

    @cached_property
    def composition(self) -> dict[str, float]:
        """Mass of each element in the unit cell [atomic mass units]."""
        masses: dict[str, float] = {}
        for site in self._structure().get_all_unit_cell_sites():
            mass = site.occ * site.element.weight
            masses[site.element.name] = masses.get(site.element.name, 0.0) + mass
        return masses

    @property
    def system(self) -> str:
        """Crystal system: cubic, hexagonal, trigonal, tetragonal, …"""
        return str(self._structure().spacegroup.crystal_system_str())

    @property
    def cell_volume(self) -> float:
        """Volume of the unit cell [Å³]."""
        return float(self._structure().cell.volume)

    @property
    def density(self) -> float:
        """Density that follows from cell and sites [g cm⁻³]."""
        mass = sum(self.composition.values()) * ATOMIC_MASS_GRAM
        return mass / (self.cell_volume * 1e-24)

    def f_squared(self, hkl: NDArray[np.int64]) -> NDArray[np.float64]:
        """|F(hkl)|², shape (R,) [e²].

        Form factors of the International Tables (four Gaussians and a constant),
        no anomalous terms, Debye-Waller factor exp(−8π²U sin²θ/λ²) on F.
        """
        import gemmi

        small = self._structure()
        small.change_occupancies_to_crystallographic()
        calculator = gemmi.StructureFactorCalculatorX(small.cell)
        factor = [
            calculator.calculate_sf_from_small_structure(small, tuple(map(int, row)))
            for row in np.asarray(hkl).reshape(-1, 3)
        ]
        return np.abs(np.asarray(factor, np.complex128)) ** 2

    def reflections(self, families: int = 8, d_min: float | None = None) -> Reflections:
        """Reflections by falling d-spacing, both Friedel mates.

        Parameters
        ----------
        families
            How many different d-spacings with a structure factor to keep.
        d_min
            Smallest d-spacing [Å]; takes the place of `families` when given.
        """
        import gemmi

        small = self._structure()
        smallest = d_min or float(max(self.cell[:3]) / np.sqrt(families + 1))
        while True:
            hkl = gemmi.make_miller_array(
                small.cell,
                small.spacegroup,
                smallest * (1 - _D_TOLERANCE),
                unique=False,
            ).astype(np.int64)
            d = np.asarray(small.cell.calculate_d_array(hkl), np.float64)
            order = np.argsort(-d, kind="stable")
            hkl, d = hkl[order], d[order]
            strength = self.f_squared(hkl)
            there = strength > _ABSENT * strength.max(initial=0.0)
            hkl, d, strength = hkl[there], d[there], strength[there]
            family = np.cumsum(np.diff(d, prepend=np.inf) < -_D_TOLERANCE * d)
            if d_min is not None or (family.size and family[-1] > families):
                break
            smallest *= 0.8
        kept = slice(None) if d_min is not None else family <= families
        if len(hkl[kept]) == 0:
            raise InputError(
                f"Crystal {self.name} has no reflection with a lattice spacing above "
                f"{d_min} Å: lower the smallest spacing."
            )
        return self._by_direction(hkl[kept], d[kept], strength[kept])

    def _by_direction(
        self,
        hkl: NDArray[np.int64],
        d: NDArray[np.float64],
        f_squared: NDArray[np.float64],
    ) -> Reflections:
        harmonic = np.gcd.reduce(hkl, axis=1)
        primitive = hkl // harmonic[:, None]
        rows, direction = np.unique(primitive, axis=0, return_inverse=True)
        to_cartesian = np.linalg.inv(
            np.array(self._structure().cell.orth.mat.tolist(), np.float64)
        ).T
        reciprocal = rows @ to_cartesian.T  # 1/d long
        length = np.linalg.norm(reciprocal, axis=1)
        return Reflections(
            hkl,
            d,
            f_squared,
            direction.reshape(-1).astype(np.int64),
            harmonic,
            reciprocal / length[:, None],
            1 / length,
            rows,
        )


def _simple(name: str, a: float, group: str, u_iso: float, c: float = 0.0) -> Crystal:
    """A crystal of one element on one site; hexagonal when c is given."""
    if c:
        place = (1 / 3, 2 / 3, 1 / 4)
        return Crystal(
            name, (a, a, c, 90, 90, 120), group, (Site(name, place, 1, u_iso),)
        )
    return Crystal(name, (a, a, a, 90, 90, 90), group, (Site(name, u_iso=u_iso),))


CRYSTALS: dict[str, Crystal] = {
    crystal.name: crystal
    for crystal in (
        _simple("Al", 4.04975, "F m -3 m", 0.01),
        _simple("Fe", 2.8665, "I m -3 m", 0.0045),
        _simple("Ni", 3.5238, "F m -3 m", 0.0045),
        _simple("Si", 5.43102, "F d -3 m:1", 0.0059),
        _simple("Cu", 3.6149, "F m -3 m", 0.0070),
        _simple("Mg", 3.2094, "P 63/m m c", 0.0220, c=5.2108),
    )
}
"""Crystals known by name; cells and displacements at room temperature."""
