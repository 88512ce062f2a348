"""From a sample and a scan to projections: the verbs of this room."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import Field

from napari_labdct.core import InputError, ProjectionStack, SpotTable
from napari_labdct.core.geometry import Parameters
from napari_labdct.physics.attenuation import Scintillator
from napari_labdct.physics.footprint import opaque_box
from napari_labdct.physics.response import Lorentz, Response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from napari_labdct.core import Geometry, ScanPlan
    from napari_labdct.physics.bundles import Rays
    from napari_labdct.physics.crystal import Reflections
    from napari_labdct.physics.painter import Painted
    from napari_labdct.physics.polycrystal import Polycrystal
    from napari_labdct.physics.spectrum import Spectrum

_CUT = 0.995  # a spot that shows a smaller share of its photons is cut


class SimulationSettings(Parameters):
    """How projections are computed."""

    families: int = Field(
        8, ge=1, le=100, description="Number of lattice spacings that reflect."
    )
    d_min: float | None = Field(
        None, gt=0, description="Smallest lattice spacing [Å], instead of families."
    )
    lorentz: Lorentz = Field(
        "laue",
        description="Intensity: white-beam Laue, or the form of Fang et al. 2020.",
    )
    polarised: bool = Field(True, description="Apply the polarisation factor.")
    absorption: bool = Field(True, description="Weaken rays inside the sample.")
    scintillator: Scintillator | None = Field(
        Scintillator(), description="What detects the photons; none detects all."
    )
    period: float = Field(
        2.7, gt=0, le=20, description="Period at which elements may show [σ of blur]."
    )
    labels: bool = Field(True, description="Draw the label image too.")
    device: str = Field("cpu", description="torch device: cpu, cuda, …")
    workers: int | None = Field(
        None, ge=1, le=64, description="Projections at a time; all cores when empty."
    )


@dataclass(frozen=True)
class Projection:
    """One simulated projection.

    Attributes
    ----------
    index
        0-based index in the scan.
    omega_deg
        Rotation angle [deg].
    image
        Expected photons, free of noise, shape (rows, columns) float32.
    spots
        Table of the spots in the image; see `docs/physics.md` for its columns.
    labels
        Number of the strongest spot in each pixel (column `label` of `spots`, from
        1), 0 for none, shape (rows, columns) int32; None if not asked for.
    """

    index: int
    omega_deg: float
    image: NDArray[np.float32]
    spots: SpotTable
    labels: NDArray[np.int32] | None = None


class Simulator:
    """A scan made ready: reflections, response table and element arrays.

    Parameters
    ----------
    polycrystal, geometry, spectrum
        Sample, set-up and beam.
    exposure
        Exposure time of a projection [s].
    settings
        How to compute.
    """

    def __init__(
        self,
        polycrystal: Polycrystal,
        geometry: Geometry,
        spectrum: Spectrum,
        *,
        exposure: float = 600.0,
        settings: SimulationSettings | None = None,
    ) -> None:
        from napari_labdct.physics.painter import Painter
        from napari_labdct.physics.rays import RayCaster, pool_of_single_threads

        settings = settings or SimulationSettings()
        outline = polycrystal.outline if settings.absorption else None
        self.reflections: Reflections = polycrystal.crystal.reflections(
            settings.families, settings.d_min
        )
        self.response = Response.of(
            polycrystal.crystal,
            self.reflections,
            spectrum,
            exposure=exposure,
            lorentz=settings.lorentz,
            polarised=settings.polarised,
            longest_path=2 * outline.reach if outline else 0.0,
            scintillator=settings.scintillator,
        )
        self._painter = Painter(
            geometry,
            float(np.cbrt(np.median(polycrystal.volume))),
            period=settings.period,
            labels=settings.labels,
        )
        self._caster = RayCaster(
            polycrystal,
            geometry,
            self.response,
            self.reflections.unit,
            outline=outline,
            margin=self._painter.margin,
            device=settings.device,
        )
        self.geometry, self.settings = geometry, settings
        self._workers = settings.workers or min(cpu_count() or 1, 8)
        if settings.device != "cpu":
            self._workers = 1  # one device, one stream of work
        self._pool = pool_of_single_threads(self._workers)

    def project(self, omega_deg: float, index: int = 0) -> Projection:
        """Compute one projection at a rotation angle [deg]."""
        return self._pool.submit(self._project, omega_deg, index).result()

    def iter_projections(self, omega_deg: NDArray[np.float64]) -> Iterator[Projection]:
        """Compute projections at rotation angles (P,) [deg], in their order.

        As many as there are workers are computed at a time.

        Raises
        ------
        InputError
            In place of the last projection, if none holds a single spot.
        """
        found = False
        for projection in self._in_order(omega_deg):
            found = found or len(projection.spots) > 0
            if not found and projection.index == len(omega_deg) - 1:
                raise InputError(
                    f"No diffracted ray of the {len(omega_deg)} projections meets the "
                    "detector: check distances, detector size and centre, beam stop, "
                    "lattice spacings and tube voltage."
                )
            yield projection

    def _in_order(self, omega_deg: NDArray[np.float64]) -> Iterator[Projection]:
        ahead: deque[Future[Projection]] = deque()
        try:
            for index, omega in enumerate(omega_deg):
                ahead.append(self._pool.submit(self._project, float(omega), index))
                if len(ahead) > self._workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()

    def _project(self, omega_deg: float, index: int) -> Projection:
        rays = self._caster.cast(omega_deg)
        if rays is not None:
            rays = rays.only(rays.alive & ~self._behind_stop(rays))
        if rays is None or len(rays.grain) == 0:
            image = np.zeros(self.geometry.detector.shape, np.float32)
            labels = image.astype(np.int32) if self.settings.labels else None
            return Projection(index, omega_deg, image, SpotTable(), labels)
        painted = self._painter.paint(rays)
        order = np.lexsort((rays.direction, rays.grain))
        labels = painted.labels
        if labels is not None:
            number = np.empty(len(order), np.int32)
            number[order] = np.arange(1, len(order) + 1)
            lit = labels > 0
            labels[lit] = number[labels[lit] - 1]
        spots = self._table(rays, painted, order, omega_deg, index)
        return Projection(index, omega_deg, painted.image, spots, labels)

    def _behind_stop(self, rays: Rays) -> NDArray[np.bool_]:
        """Spots whose box lies wholly in an opaque beam stop's shadow, (S,)."""
        shadow = opaque_box(self.geometry)
        if shadow is None:
            return np.zeros(len(rays.grain), bool)
        top, bottom, left, right = rays.box
        within = (top > shadow[0]) & (bottom < shadow[1])
        within &= (left > shadow[2]) & (right < shadow[3])
        return np.asarray(within, bool)

    def _table(
        self,
        rays: Rays,
        painted: Painted,
        order: NDArray[np.int64],
        omega_deg: float,
        index: int,
    ) -> SpotTable:
        direction = rays.direction[order]
        first_energy, sine, eta = rays.middle[:, order]
        harmonic = self.response.strongest_order(direction, first_energy)
        primitive = self.reflections.primitive[direction] * harmonic[:, None]
        low, high = rays.energy[:, order] * harmonic
        seen = painted.visible[order] > 0
        # a spot too faint to see keeps the place of its rays
        box = rays.box[:, order]
        visible, photons = painted.visible[order], rays.photons[order]
        edges = np.where(seen, painted.box[:, order], np.rint(box))
        frame = pd.DataFrame(
            {
                "projection": np.full(len(order), index, np.int64),
                "omega_deg": np.full(len(order), float(omega_deg)),
                "row_px": np.where(seen, painted.row[order], box[:2].mean(0)),
                "column_px": np.where(seen, painted.column[order], box[2:].mean(0)),
                "area_px": painted.area[order].astype(np.float64),
                "peak": painted.peak[order],
                "intensity": visible,
                "snr": np.sqrt(visible),
                "label": np.arange(1, len(order) + 1),
                "grain": rays.grain[order],
                "h": primitive[:, 0],
                "k": primitive[:, 1],
                "l": primitive[:, 2],
                "energy_keV": (low + high) / 2,
                "energy_low_keV": low,
                "energy_high_keV": high,
                "two_theta_deg": np.rad2deg(2 * np.arcsin(sine)),
                "eta_deg": np.rad2deg(eta),
                "photons": photons,
                "box_top": edges[0].astype(np.int64),
                "box_bottom": edges[1].astype(np.int64),
                "box_left": edges[2].astype(np.int64),
                "box_right": edges[3].astype(np.int64),
                "overlap": painted.overlap[order],
                "cut": visible < _CUT * photons,
            }
        )
        return SpotTable(frame)


def iter_projections(
    polycrystal: Polycrystal,
    geometry: Geometry,
    spectrum: Spectrum,
    plan: ScanPlan,
    *,
    settings: SimulationSettings | None = None,
) -> Iterator[Projection]:
    """Simulate a scan, projection by projection.

    Parameters
    ----------
    polycrystal, geometry, spectrum, plan
        Sample, set-up, beam and rotation.
    settings
        How to compute; see `SimulationSettings`.

    Yields
    ------
    Projection
        In the order of the scan.

    Raises
    ------
    InputError
        If no projection of the scan can hold a single spot.
    """
    settings = settings or SimulationSettings()
    simulator = Simulator(
        polycrystal, geometry, spectrum, exposure=plan.exposure, settings=settings
    )
    yield from simulator.iter_projections(plan.omega_deg)


def simulate(
    polycrystal: Polycrystal,
    geometry: Geometry,
    spectrum: Spectrum,
    plan: ScanPlan,
    *,
    settings: SimulationSettings | None = None,
) -> tuple[ProjectionStack, SpotTable]:
    """Simulate a whole scan; parameters as in `iter_projections`.

    Returns
    -------
    stack
        Clean photon images, float32.
    spots
        All spots of the scan.
    """
    images = np.zeros((plan.count, *geometry.detector.shape), np.float32)
    tables = []
    for projection in iter_projections(
        polycrystal, geometry, spectrum, plan, settings=settings
    ):
        images[projection.index] = projection.image
        tables.append(projection.spots)
    stack = ProjectionStack(
        images,
        plan.omega_deg,
        geometry,
        "simulated",
        f"virtual {polycrystal.crystal.name} sample of {len(polycrystal)} grains",
        ("simulated photons, free of noise",),
    )
    return stack, SpotTable.concatenate(tables)
