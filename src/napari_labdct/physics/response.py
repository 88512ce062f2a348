"""How many photons a crystal of unit volume sends to the detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_labdct.core import InputError
from napari_labdct.physics.attenuation import linear_attenuation
from napari_labdct.physics.crystal import HC_KEV_ANGSTROM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.physics.attenuation import Scintillator
    from napari_labdct.physics.crystal import Crystal, Reflections
    from napari_labdct.physics.spectrum import Spectrum

Lorentz = Literal["laue", "fang2020"]

ELECTRON_RADIUS_ANGSTROM = 2.8179403262e-5
_ANGSTROM_PER_MM = 1e7
_FANG_BIN_KEV = 2.551  # width of the spectrum's bins in Fang et al. (2020)
_STEP_KEV = 0.25
_PATHS = 64
_DIM = 1e-3  # of the spectrum's peak: where its energies begin and end


@dataclass(frozen=True)
class Response:
    """Photons by reflecting direction, energy and path in the sample.

    Harmonics are summed: the table's energy is that of the direction's primitive
    indices, E₁, and order m adds what it reflects at m·E₁.

    Attributes
    ----------
    table
        Photons per mm³ of crystal and exposure with the source 1 mm away, before
        the factor of the scattering angle; shape (C, K, L).
    energy_step, path_step
        Steps of the table's energies, from 0 [keV], and paths, from 0 [mm].
    row
        Row of `table` for each direction, shape (D,).
    energy_range
        Lowest and highest E₁ that reflects any photons, shape (D, 2) [keV].
    bragg
        sin θ · E₁ = hc / 2d for each direction, shape (D,) [keV].
    lorentz
        The form of the intensity.
    polarised
        Whether the polarisation factor of an unpolarised source applies.
    strength
        Relative photons of each order m = 1 … M, shape (D, K, M), to name spots by
        their strongest harmonic; −1 where an order is absent.
    """

    table: NDArray[np.float32]
    energy_step: float
    path_step: float
    row: NDArray[np.int64]
    energy_range: NDArray[np.float64]
    bragg: NDArray[np.float64]
    lorentz: Lorentz
    polarised: bool
    strength: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        crystal: Crystal,
        reflections: Reflections,
        spectrum: Spectrum,
        *,
        exposure: float,
        lorentz: Lorentz = "laue",
        polarised: bool = True,
        longest_path: float = 0.0,
        scintillator: Scintillator | None = None,
    ) -> Response:
        """Tabulate the photons a crystal reflects.

        Parameters
        ----------
        crystal, reflections, spectrum
            What reflects what.
        exposure
            Exposure time [s].
        lorentz
            ``"laue"``: a crystal at rest in a white beam (Buras & Gerward 1975,
            Acta Cryst. A31, 372), r_e²|F|²·P·V/V_c²·Φ_E·hc·2d². ``"fang2020"``:
            the form of Fang, Juul Jensen & Zhang (2020, Acta Cryst. A76, 652),
            r_e²|F|²·P·V/V_c²·Φ_E·ΔE·λ³/sin 2θ with ΔE = 2.551 keV.
        polarised
            Whether (1 + cos² 2θ)/2 applies.
        longest_path
            Longest path in the sample, 0 for no absorption [mm].
        scintillator
            What detects the photons; None detects all.
        """
        low, high = _carried(spectrum)
        count = int(reflections.order.max())
        f_squared = np.zeros((len(reflections.unit), count))
        f_squared[reflections.direction, reflections.order - 1] = reflections.f_squared
        spacing = reflections.d_primitive
        # directions with the same d and |F|² share one row of the table
        key = np.round(np.column_stack([spacing[:, None], f_squared]), 5)
        _, first, row = np.unique(key, axis=0, return_index=True, return_inverse=True)
        row = row.reshape(-1)

        energy = np.arange(0, high + 3 * _STEP_KEV, _STEP_KEV)
        path_step = max(longest_path, 1e-3) / (_PATHS - 1)
        path = np.arange(_PATHS + 1) * path_step
        table = np.zeros((len(first), energy.size, path.size))
        constant = (
            _ANGSTROM_PER_MM
            * ELECTRON_RADIUS_ANGSTROM**2
            / crystal.cell_volume**2
            * exposure
            * 1000**2  # the spectrum is given at 1 m
        )
        for order in range(1, count + 1):
            photon = np.maximum(order * energy, 1e-3)
            flux = spectrum.at(photon)
            if scintillator is not None:
                flux = flux * scintillator.efficiency(photon)
            passed = np.ones((energy.size, path.size))
            if longest_path > 0:
                mu = linear_attenuation(crystal.composition, crystal.density, photon)
                passed = np.exp(-mu[:, None] * path)
            if lorentz == "laue":
                d = spacing[first] / order
                form = HC_KEV_ANGSTROM * 2 * d[:, None] ** 2 * np.ones(energy.size)
            else:
                wavelength = HC_KEV_ANGSTROM / photon
                form = _FANG_BIN_KEV * wavelength**3 * np.ones((len(first), 1))
            weight = f_squared[first, order - 1][:, None] * form * flux
            table += constant * weight[:, :, None] * passed
        table[:, -2:] = 0  # rays beyond the table find no photons
        orders = np.arange(1, count + 1) * (f_squared > 0)
        lowest = np.where(orders > 0, orders, count + 1).min(axis=1)
        highest = orders.max(axis=1)
        return cls(
            table.astype(np.float32),
            _STEP_KEV,
            path_step,
            row,
            np.column_stack([low / highest, high / lowest]),
            HC_KEV_ANGSTROM / (2 * spacing),
            lorentz,
            polarised,
            _strength(spectrum, f_squared, spacing, energy, lorentz),
        )

    def strongest_order(
        self, direction: NDArray[np.int64], energy: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Order that carries most photons, for directions (N,) at E₁ (N,) [keV]."""
        step = np.rint(energy / self.energy_step).astype(np.int64)
        step = np.clip(step, 0, self.strength.shape[1] - 1)
        best = self.strength[direction, step].argmax(axis=1)
        return np.asarray(best + 1, np.int64)


def _carried(spectrum: Spectrum) -> tuple[float, float]:
    """Lowest and highest energy with a noteworthy flux [keV]."""
    carried = spectrum.energy[spectrum.flux > _DIM * spectrum.flux.max()]
    if carried.size < 2:
        raise InputError(
            "All photons of the spectrum have one energy: "
            "LabDCT needs a polychromatic beam."
        )
    return float(carried[0]), float(carried[-1])


def _strength(
    spectrum: Spectrum,
    f_squared: NDArray[np.float64],
    spacing: NDArray[np.float64],
    energy: NDArray[np.float64],
    lorentz: Lorentz,
) -> NDArray[np.float64]:
    """Relative photons of each order, shape (D, K, M); absent orders get −1."""
    order = np.arange(1, f_squared.shape[1] + 1)
    flux = spectrum.at(np.maximum(energy[:, None] * order, 1e-3))
    power = 2.0 if lorentz == "laue" else 3.0
    share = f_squared[:, None, :] * flux[None] / order**power
    # where no order has photons the lowest that exists names the spot
    share = share + 1e-30 * (order.size - order)
    return np.where(f_squared[:, None, :] > 0, share, -1.0)
