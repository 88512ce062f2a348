"""Reflections that known grains should give on a detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_labdct.analysis.explain import Explanation, explain
from napari_labdct.core import InputError, SpotTable
from napari_labdct.physics.crystal import HC_KEV_ANGSTROM
from napari_labdct.physics.trace import trace
from napari_labdct.physics.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.files.grainlist import GrainList
    from napari_labdct.physics import Crystal, Reflections, Spectrum
    from napari_labdct.physics.trace import Trace

ENERGIES = (15.0, 150.0)
"""Energies that reflect when no spectrum is given [keV]."""


FAINTEST = 0.01
"""Reflections below this part of the brightest are not expected to be seen."""


@dataclass(frozen=True)
class Lattice:
    """Lattice planes of all grains in the sample's frame.

    Attributes
    ----------
    position
        Centres of the grains, shape (G, 3) [mm].
    unit
        Unit normals of their planes, shape (G, D, 3).
    reflections
        What reflects; D directions.
    """

    position: NDArray[np.float64]
    unit: NDArray[np.float64]
    reflections: Reflections

    @classmethod
    def of(
        cls,
        grains: GrainList,
        crystal: Crystal,
        families: int = 8,
        d_min: float | None = None,
    ) -> Lattice:
        """Lattice planes of a list of grains; arguments as in `reflections_of`."""
        reflections = crystal.reflections(families, d_min)
        unit = np.einsum("gij,dj->gdi", grains.orientation, reflections.unit)
        return cls(np.asarray(grains.position, np.float64), unit, reflections)

    def traced(
        self,
        geometry: Geometry,
        omega_deg: float,
        grain: NDArray[np.intp],
        direction: NDArray[np.intp],
        offset: NDArray[np.float64] | float = 0.0,
    ) -> Trace:
        """Rays by some planes of some grains, both of shape (N,).

        `offset` shifts all grains in the sample's frame, shape (3,) [mm].
        """
        position = (self.position[grain] + offset).T
        unit = self.unit[grain, direction].T
        return trace(View.at(geometry, omega_deg), geometry, position, unit)


def predict_reflections(
    grains: GrainList,
    crystal: Crystal,
    geometry: Geometry,
    omega_deg: Sequence[float] | NDArray[np.float64],
    *,
    families: int = 8,
    d_min: float | None = None,
    spectrum: Spectrum | None = None,
    energies: tuple[float, float] = ENERGIES,
    faintest: float = 0.0,
) -> SpotTable:
    """Where the reflections of known grains meet the detector.

    Parameters
    ----------
    grains
        Places and orientations.
    crystal
        What the grains consist of.
    geometry
        Where source, axis and detector are; its beam stop hides reflections.
    omega_deg
        Rotation angle of every projection, shape (P,) [deg].
    families, d_min
        Number of lattice spacings that reflect, or the smallest of them [Å].
    spectrum
        The beam; all `energies` alike when not known.
    energies
        Lowest and highest energy that reflects [keV].
    faintest
        Reflections below this fraction of the brightest are left out.

    Returns
    -------
    reflections
        One row a spot, with grain, the strongest harmonic's hkl and its energy.
        `intensity` is relative: |F|² d² times flux and polarisation, summed over
        the harmonics, times the grain's volume where its size is known; `peak`,
        `area_px` and `snr` are NaN.

    Raises
    ------
    InputError
        If no reflection meets the detector.
    """
    lattice = Lattice.of(grains, crystal, families, d_min)
    reflections = lattice.reflections
    count, directions = lattice.unit.shape[:2]
    grain, direction = (
        index.ravel() for index in np.mgrid[:count, :directions].astype(np.intp)
    )
    size = np.where(np.isfinite(grains.diameter_um), grains.diameter_um, 1.0)
    hidden = geometry.beam_stop_mask()
    tables = []
    for index, omega in enumerate(np.asarray(omega_deg, np.float64)):
        if not np.isfinite(omega):
            raise InputError(
                f"The rotation angle of projection {index} is unknown: give the "
                "scan's start and step."
            )
        rays = lattice.traced(geometry, float(omega), grain, direction)
        rows, columns = geometry.detector.shape
        seen = np.asarray(rays.forward) & (rays.row > -0.5) & (rays.row < rows - 0.5)
        seen &= (rays.column > -0.5) & (rays.column < columns - 0.5)
        at = np.flatnonzero(seen)
        row, column, sine = rays.row[at], rays.column[at], rays.sine[at]
        at, row, column, sine = (
            part[~hidden[np.rint(row).astype(int), np.rint(column).astype(int)]]
            for part in (at, row, column, sine)
        )
        order, energy, strength = _strongest(
            reflections, direction[at], sine, spectrum, energies
        )
        there = strength > 0
        hkl = reflections.primitive[direction[at]] * order[:, None]
        tables.append(
            pd.DataFrame(
                {
                    "projection": np.full(at.size, index, np.int64),
                    "omega_deg": np.full(at.size, omega),
                    "row_px": row,
                    "column_px": column,
                    "area_px": np.nan,
                    "peak": np.nan,
                    "intensity": strength * size[grain[at]] ** 3,
                    "snr": np.nan,
                    "grain": grain[at],
                    "h": hkl[:, 0],
                    "k": hkl[:, 1],
                    "l": hkl[:, 2],
                    "energy_keV": energy,
                    "two_theta_deg": np.degrees(2 * np.arcsin(sine)),
                }
            )[there]
        )
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if not len(table):
        raise InputError(
            "No reflection of the grains meets the detector: check the geometry, the "
            "crystal, the energies and the orientations."
        )
    bright = table["intensity"] >= faintest * table["intensity"].max()
    return SpotTable(table[bright])


def identify(
    found: SpotTable,
    grains: GrainList,
    crystal: Crystal,
    geometry: Geometry,
    omega_deg: Sequence[float] | NDArray[np.float64],
    *,
    tolerance: float = 2.5,
    faintest: float = FAINTEST,
    **predicting: Any,
) -> Explanation:
    """Say which reflection of which grain every spot is, and what is missing.

    Parameters
    ----------
    found
        Found spots.
    grains, crystal, geometry, omega_deg
        As in `predict_reflections`.
    tolerance
        Largest distance between a spot and its reflection [px].
    faintest
        Reflections below this fraction of the brightest are not expected.
    **predicting
        Further arguments of `predict_reflections`.

    Returns
    -------
    explanation
        `spots` with grain, hkl and energy of each; `reflections` with whether each
        was found; `missed`, `unexplained`; and the completeness of every `grain`.
    """
    predicted = predict_reflections(
        grains, crystal, geometry, omega_deg, faintest=faintest, **predicting
    )
    rows, columns = geometry.detector.shape
    hidden = int(geometry.beam_stop_mask().sum())
    return explain(found, predicted, tolerance, area=rows * columns - hidden)


def _strongest(
    reflections: Reflections,
    direction: NDArray[np.intp],
    sine: NDArray[np.float64],
    spectrum: Spectrum | None,
    energies: tuple[float, float],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Order and energy of each spot's strongest harmonic, and all harmonics' sum."""
    orders = np.arange(1, int(reflections.order.max()) + 1)
    f_squared = np.zeros((len(reflections.unit), orders.size))
    f_squared[reflections.direction, reflections.order - 1] = reflections.f_squared
    spacing = reflections.d_primitive[direction, None] / orders
    energy = HC_KEV_ANGSTROM / (2 * spacing * sine[:, None])
    flux = (energy >= energies[0]) & (energy <= energies[1])
    weight = flux.astype(np.float64) if spectrum is None else flux * spectrum.at(energy)
    # White-beam Laue, Buras & Gerward (1975): |F|² d² Φ (1 + cos² 2θ) / 2.
    polarised = 1 - 2 * sine**2 * (1 - sine**2)
    strength = f_squared[direction] * spacing**2 * weight * polarised[:, None]
    best = strength.argmax(axis=1)
    at = np.arange(best.size)
    return orders[best], energy[at, best], strength.sum(axis=1)
