"""Make ``assets/attenuation.npz``: mass attenuation of the elements, 5 to 200 keV.

Needs xraydb (``pip install xraydb``), which the package itself does not need. The
numbers are those of Elam, Ravel & Sieber (2002), Radiat. Phys. Chem. 63, 121.
One row an (element, energy) pair; energies crowd around absorption edges, so that
straight lines between the logarithms are right to a fraction of a percent.
"""

from pathlib import Path

import numpy as np
import xraydb

NUMBERS = np.arange(1, 93)
ENERGY_KEV = np.geomspace(5, 200, 64)
TARGET = Path(__file__).parents[1] / "src/napari_labdct/assets/attenuation.npz"


def main() -> None:
    number, energy, total, absorbed = [], [], [], []
    for z in NUMBERS:
        edges = [e.energy / 1000 for e in xraydb.xray_edges(int(z)).values()]
        near = [e * (1 + side * 1e-4) for e in edges if 5 < e < 200 for side in (-1, 1)]
        grid = np.sort(np.concatenate([ENERGY_KEV, near]))
        number.append(np.full(grid.size, z))
        energy.append(grid)
        every = xraydb.mu_elam(int(z), grid * 1000)
        total.append(every)
        absorbed.append(every - xraydb.mu_elam(int(z), grid * 1000, kind="coh"))
    np.savez_compressed(
        TARGET,
        number=np.concatenate(number).astype(np.uint8),
        energy_keV=np.concatenate(energy),
        total_cm2_g=np.concatenate(total).astype(np.float32),
        without_coherent_cm2_g=np.concatenate(absorbed).astype(np.float32),
    )
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
