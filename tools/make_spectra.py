"""Make ``assets/spectra.npz``: unfiltered tungsten tube spectra, 60 to 160 kV.

Needs SpekPy (``pip install spekpy``), which the package itself does not need.
SpekPy: Poludniowski, Omar, Bujila & Andreo (2021), Med. Phys. 48, 3630; its
"casim" model of a reflection target, take-off angle 12°, which resembles the
tubes of laboratory microscopes closely enough once a filter is put in front.
Filters are not baked in: the package applies them with its attenuation table.
"""

from pathlib import Path

import numpy as np
import spekpy

KILOVOLTS = np.arange(60, 161, 5)
STEP_KEV = 0.5  # holds the tungsten K lines (57.98, 59.32, 67.2 keV) apart
ENERGY_KEV = np.arange(5.25, 160, STEP_KEV)  # centres of the bins
TARGET = Path(__file__).parents[1] / "src/napari_labdct/assets/spectra.npz"


def main() -> None:
    flux = np.zeros((KILOVOLTS.size, ENERGY_KEV.size), np.float32)
    for row, kilovolt in enumerate(KILOVOLTS):
        tube = spekpy.Spek(kvp=float(kilovolt), th=12, dk=STEP_KEV, z=100)
        energy, per_cm2_mas = tube.get_spectrum(edges=False)
        kept = (energy > ENERGY_KEV[0] - 0.01) & (energy < kilovolt)
        column = np.rint((energy[kept] - ENERGY_KEV[0]) / STEP_KEV).astype(int)
        # SpekPy: photons cm⁻² keV⁻¹ (mA s)⁻¹ at 1 m; the package: mm⁻²
        flux[row, column] = per_cm2_mas[kept] / 100
    np.savez_compressed(
        TARGET, kvp=KILOVOLTS.astype(np.float32), energy_keV=ENERGY_KEV, flux=flux
    )
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
