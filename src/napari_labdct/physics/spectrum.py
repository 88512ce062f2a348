"""The polychromatic beam of a laboratory tube."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_labdct.core import InputError
from napari_labdct.physics.attenuation import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LOWEST_KVP, HIGHEST_KVP = 60.0, 160.0
_NO_PHOTONS = 1e-9  # at 1 m [s⁻¹ mm⁻² keV⁻¹]


@cache
def _tables() -> dict[str, NDArray[np.float64]]:
    with (
        as_file(files("napari_labdct") / "assets" / "spectra.npz") as path,
        np.load(path) as table,
    ):
        return {name: np.asarray(table[name], np.float64) for name in table.files}


@dataclass(frozen=True)
class Spectrum:
    """Photons that leave the source, by energy.

    Attributes
    ----------
    energy
        Photon energy, rising, shape (K,) [keV].
    flux
        Photons at 1 m from the source, shape (K,) [s⁻¹ mm⁻² keV⁻¹]. At a
        distance r it is 1/r² of that.
    kvp
        Tube voltage [kV].
    target
        Element of the target.
    """

    energy: NDArray[np.float64]
    flux: NDArray[np.float64]
    kvp: float = 0.0
    target: str = "W"

    def __post_init__(self) -> None:
        energy = np.asarray(self.energy, np.float64)
        flux = np.asarray(self.flux, np.float64)
        if energy.ndim != 1 or energy.shape != flux.shape or energy.size < 2:
            raise InputError(
                f"A spectrum of {energy.size} energies and {flux.size} fluxes cannot "
                "be used: give one flux for each of at least two energies."
            )
        if np.any(np.diff(energy) <= 0) or energy[0] <= 0:
            raise InputError("The energies of a spectrum must be positive and rise.")
        if not np.isfinite(flux).all() or flux.min() < 0 or flux.max() < _NO_PHOTONS:
            raise InputError(
                "The spectrum holds no photons (or negative ones): "
                "raise voltage or current, or take a thinner filter."
            )
        object.__setattr__(self, "energy", energy)
        object.__setattr__(self, "flux", flux)

    @classmethod
    def tube(
        cls,
        kvp: float = 140.0,
        *,
        current_ua: float = 10.0,
        filters: Sequence[Filter] = (Filter(material="Al", thickness=0.5),),
    ) -> Spectrum:
        """A tungsten tube.

        Parameters
        ----------
        kvp
            Tube voltage, 60 to 160 [kV].
        current_ua
            Tube current [µA].
        filters
            Sheets between source and sample.

        Notes
        -----
        Tables every 5 kV made with SpekPy (Poludniowski et al. 2021, Med. Phys.
        48, 3630), reflection target, take-off angle 12°, in steps of 0.5 keV,
        which keeps the K lines narrow; voltages between are mixed.
        """
        if not LOWEST_KVP <= kvp <= HIGHEST_KVP:
            raise InputError(
                f"A tube voltage of {kvp:g} kV has no spectrum: choose "
                f"{LOWEST_KVP:g} to {HIGHEST_KVP:g} kV, or give a measured spectrum."
            )
        table = _tables()
        energy, voltages = table["energy_keV"], table["kvp"]
        below = int(np.searchsorted(voltages, kvp, side="right")) - 1
        above = min(below + 1, voltages.size - 1)
        share = (kvp - voltages[below]) / 5
        flux = (1 - share) * table["flux"][below] + share * table["flux"][above]
        flux = np.where(energy < kvp, flux, 0) * current_ua / 1000
        for sheet in filters:
            flux = flux * sheet.transmission(energy)
        return cls(energy, flux, kvp=kvp)

    @classmethod
    def from_spekpy(
        cls,
        kvp: float = 140.0,
        *,
        target: str = "W",
        angle_deg: float = 12.0,
        current_ua: float = 10.0,
        filters: Sequence[Filter] = (Filter(material="Al", thickness=0.5),),
    ) -> Spectrum:
        """Another tube, computed by SpekPy (``pip install napari-labdct[tubes]``).

        Parameters
        ----------
        kvp
            Tube voltage [kV].
        target
            Element of the target: W, Mo, Rh, …
        angle_deg
            Take-off angle [deg].
        current_ua, filters
            As for `tube`.
        """
        try:
            import spekpy
        except ImportError as error:
            raise InputError(
                "Other tubes than the tabulated need SpekPy: install it with "
                "pip install 'napari-labdct[tubes]'."
            ) from error
        tube = spekpy.Spek(kvp=kvp, th=angle_deg, targ=target, dk=0.5, z=100)
        energy, per_cm2 = tube.get_spectrum(edges=False)
        flux = np.asarray(per_cm2) / 100 * current_ua / 1000
        energy = np.asarray(energy)
        for sheet in filters:
            flux = flux * sheet.transmission(energy)
        return cls(energy, flux, kvp=kvp, target=target)

    @classmethod
    def read(cls, path: str | Path) -> Spectrum:
        """Read a measured spectrum from CSV: energy [keV], flux at 1 m, two columns.

        Raises
        ------
        InputError
            If the file cannot be read or holds no spectrum.
        """
        try:
            text = pd.read_csv(path, header=None)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path} cannot be read as a spectrum ({error}): give a CSV file with "
                "two columns, energy [keV] and flux at 1 m [s⁻¹ mm⁻² keV⁻¹]."
            ) from error
        if text.shape[1] < 2:
            raise InputError(
                f"{path} holds no two columns: give energy [keV] and flux at 1 m "
                "[s⁻¹ mm⁻² keV⁻¹], separated by commas."
            )
        numbers = text.iloc[:, :2].apply(pd.to_numeric, errors="coerce")
        rows = numbers.dropna().to_numpy(np.float64)  # without headings
        return cls(rows[:, 0], rows[:, 1], kvp=float(rows[-1, 0]) if len(rows) else 0)

    @property
    def mean_energy(self) -> float:
        """Mean photon energy [keV]."""
        mean = np.trapezoid(self.energy * self.flux, self.energy) / np.trapezoid(
            self.flux, self.energy
        )
        return float(mean)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest energy that carries a millionth of the peak [keV]."""
        carried = self.energy[self.flux > 1e-6 * self.flux.max()]
        return float(carried[0]), float(carried[-1])

    def total_flux(self, distance_mm: float) -> float:
        """Photons of all energies at a distance from the source [s⁻¹ mm⁻²]."""
        whole = float(np.trapezoid(self.flux, self.energy))
        return whole * (1000 / distance_mm) ** 2

    def at(self, energy_kev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Flux at 1 m by energy, straight lines between points, 0 outside."""
        return np.interp(energy_kev, self.energy, self.flux, left=0.0, right=0.0)
