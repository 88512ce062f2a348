"""How strongly matter weakens X-rays, and what share of them a scintillator sees."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from napari_labdct.core import InputError
from napari_labdct.core.geometry import Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MATERIALS: dict[str, tuple[dict[str, float], float]] = {
    "CsI": ({"Cs": 132.905, "I": 126.904}, 4.51),
    "Gd2O2S": ({"Gd": 2 * 157.25, "O": 2 * 15.999, "S": 32.06}, 7.32),
    "Al": ({"Al": 1.0}, 2.699),
    "Cu": ({"Cu": 1.0}, 8.96),
    "Fe": ({"Fe": 1.0}, 7.874),
    "Si": ({"Si": 1.0}, 2.329),
    "SiO2": ({"Si": 28.085, "O": 2 * 15.999}, 2.20),
    "Sn": ({"Sn": 1.0}, 7.31),
    "W": ({"W": 1.0}, 19.25),
}
"""Materials of filters and scintillators: mass of each element, density [g cm⁻³]."""


@cache
def _tables() -> dict[str, NDArray[np.float64]]:
    with (
        as_file(files("napari_labdct") / "assets" / "attenuation.npz") as path,
        np.load(path) as table,
    ):
        return {name: np.asarray(table[name], np.float64) for name in table.files}


def mass_attenuation(
    element: str, energy_kev: NDArray[np.float64] | float, *, coherent: bool = True
) -> NDArray[np.float64]:
    """Mass attenuation coefficient µ/ρ of an element [cm² g⁻¹].

    Parameters
    ----------
    element
        Chemical symbol, H to U.
    energy_kev
        Photon energy, 5 to 200 keV; beyond, the nearest value [keV].
    coherent
        Whether coherent scattering counts. A beam loses it; a scintillator,
        which stops the photon somewhere, does not gain by it.

    Notes
    -----
    Elam, Ravel & Sieber (2002), Radiat. Phys. Chem. 63, 121; straight lines
    between the logarithms of tabulated points.
    """
    import gemmi

    number = gemmi.Element(element).atomic_number
    table = _tables()
    rows = table["number"] == number
    if not rows.any():
        raise InputError(
            f"There is no attenuation table for {element!r}: "
            "use the chemical symbol of an element from H to U."
        )
    column = "total_cm2_g" if coherent else "without_coherent_cm2_g"
    logarithm = np.interp(
        np.log(energy_kev),
        np.log(table["energy_keV"][rows]),
        np.log(table[column][rows]),
    )
    return np.asarray(np.exp(logarithm), np.float64)


def linear_attenuation(
    masses: Mapping[str, float],
    density: float,
    energy_kev: NDArray[np.float64] | float,
    *,
    coherent: bool = True,
) -> NDArray[np.float64]:
    """Linear attenuation coefficient µ of a mixture [mm⁻¹].

    Parameters
    ----------
    masses
        Mass of each element, in any one unit.
    density
        Density [g cm⁻³].
    energy_kev, coherent
        As in `mass_attenuation`.
    """
    whole = sum(masses.values())
    per_mass = sum(
        mass / whole * mass_attenuation(element, energy_kev, coherent=coherent)
        for element, mass in masses.items()
    )
    return np.asarray(per_mass * density / 10, np.float64)


def material_attenuation(
    material: str, energy_kev: NDArray[np.float64] | float, *, coherent: bool = True
) -> NDArray[np.float64]:
    """Linear attenuation coefficient µ of one of `MATERIALS` [mm⁻¹]."""
    if material not in MATERIALS:
        raise InputError(
            f"There is no material named {material!r}: "
            f"choose one of {', '.join(MATERIALS)}."
        )
    masses, density = MATERIALS[material]
    return linear_attenuation(masses, density, energy_kev, coherent=coherent)


class Filter(Parameters):
    """A sheet in the beam."""

    material: str = Field("Al", description="Material, one of `MATERIALS`.")
    thickness: float = Field(0.5, ge=0, le=100, description="Thickness [mm].")

    def transmission(self, energy_kev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the photons that pass, exp(−µt)."""
        mu = material_attenuation(self.material, energy_kev)
        return np.asarray(np.exp(-mu * self.thickness), np.float64)


class Scintillator(Parameters):
    """The layer that turns X-rays into light."""

    material: str = Field("CsI", description="Material, one of `MATERIALS`.")
    thickness: float = Field(
        150.0, gt=0, le=10000, description="Thickness of the layer [µm]."
    )

    def efficiency(self, energy_kev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the photons that leave energy in the layer, 1 − exp(−µt)."""
        mu = material_attenuation(self.material, energy_kev, coherent=False)
        return np.asarray(-np.expm1(-mu * self.thickness / 1000), np.float64)
