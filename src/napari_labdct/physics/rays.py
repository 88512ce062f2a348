"""Every ray of a projection: the hot path, on the processor or a CUDA device.

The only file that imports torch. One formula, `trace`, follows rays; it serves grain
centres (which reflections to follow at all), the slope of the mapping (how large an
element's image is) and the elements themselves.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_labdct.physics.trace import GRAZING, SMALL, dot, trace
from napari_labdct.physics.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.physics.outline import Outline
    from napari_labdct.physics.polycrystal import Polycrystal
    from napari_labdct.physics.response import Response
    from napari_labdct.physics.trace import Trace

Vector = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_NARROWEST = 0.5  # least width of an energy average, in steps of the table


@dataclass(frozen=True)
class Rays:
    """Rays of one projection, those of one spot side by side.

    Attributes
    ----------
    grain, direction
        Grain and reflecting direction of each spot, shape (S,).
    count
        Rays of each spot, shape (S,).
    spot
        Spot of each ray, shape (N,).
    row, column
        Where each ray meets the detector, shape (N,) [px].
    photons
        Photons of each ray, shape (N,).
    box
        Least and greatest row and column of a spot's rays, shape (4, S) [px].
    alive
        Whether a spot has a ray of a useful energy on the detector, shape (S,).
    energy
        Lowest and highest E₁ of those rays, shape (2, S) [keV].
    middle
        E₁ [keV], sin θ, η [rad] at the grain's centre, shape (3, S).
    slope
        How (row, column) change along the sample's x, y, z, shape (S, 2, 3)
        [px mm⁻¹].
    """

    grain: NDArray[np.int64]
    direction: NDArray[np.int64]
    count: NDArray[np.int64]
    spot: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    photons: torch.Tensor
    box: NDArray[np.float64]
    alive: NDArray[np.bool_]
    energy: NDArray[np.float64]
    middle: NDArray[np.float64]
    slope: NDArray[np.float64]


def pool_of_single_threads(workers: int) -> ThreadPoolExecutor:
    """Threads that each compute alone, so that projections run side by side.

    Splitting the short steps of one projection among cores costs more than it gains,
    most of all on a busy machine. torch's thread setting is put back for everybody
    else once the threads have taken it over.
    """
    before = torch.get_num_threads()
    started = Barrier(workers)

    def begin() -> None:
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="projection")
    for start in [pool.submit(begin) for _ in range(workers)]:
        start.result()
    torch.set_num_threads(before)
    return pool


class RayCaster:
    """Follows rays from the source through a polycrystal to the detector.

    Parameters
    ----------
    polycrystal, geometry, response
        The scan; `response` says how many photons are reflected.
    unit
        Reciprocal unit vectors of the crystal, shape (D, 3).
    outline
        The surface of the sample, None for no absorption.
    margin
        How far beyond the frame rays still matter [px].
    device
        torch's name of the device.
    """

    def __init__(
        self,
        polycrystal: Polycrystal,
        geometry: Geometry,
        response: Response,
        unit: NDArray[np.float64],
        *,
        outline: Outline | None = None,
        margin: float = 0.0,
        device: str = "cpu",
    ) -> None:
        self.geometry, self.outline, self.margin = geometry, outline, margin
        self.response = response
        self.device = torch.device(device)
        order = polycrystal.grain_of
        full = np.flatnonzero(np.bincount(order, minlength=len(polycrystal)))
        self._grain = full  # grains without elements cast no rays
        number = np.bincount(order, minlength=len(polycrystal))[full]
        centre = polycrystal.grain_centre[full]
        away = polycrystal.centre - polycrystal.grain_centre[order]
        starts = np.concatenate([[0], np.cumsum(number)[:-1]])
        radius = np.maximum.reduceat(np.linalg.norm(away, axis=1), starts)
        unit_of_grain = np.einsum(
            "gij,dj->igd", polycrystal.orientation[full].as_matrix(), unit
        )
        self._number = torch.as_tensor(number, device=self.device)
        self._start = torch.as_tensor(starts, device=self.device)
        self._centre = self._tensor(centre.T[:, :, None])
        self._radius = self._tensor(radius[:, None])
        self._unit = self._tensor(unit_of_grain)
        self._element = self._tensor(polycrystal.centre.T)
        self._volume = self._tensor(polycrystal.volume)
        self._turn = (
            None
            if polycrystal.misorientation is None
            else self._tensor(polycrystal.misorientation.T)
        )
        self._spread = (
            0.0
            if polycrystal.misorientation is None
            else float(np.linalg.norm(polycrystal.misorientation, axis=1).max())
        )
        self._bragg = self._tensor(response.bragg)
        self._range = self._tensor(response.energy_range.T)
        # summed up in double precision; differences of neighbours stay exact enough
        summed = np.cumsum(response.table, axis=1, dtype=np.float64)
        summed -= 0.5 * response.table
        self._table = self._tensor(summed).reshape(-1)
        self._edge = float(np.cbrt(np.median(polycrystal.volume)))
        self._shelf = torch.as_tensor(
            response.row * response.table[0].size, device=self.device
        ).int()

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(array, np.float32)).to(self.device)

    @torch.inference_mode()
    def cast(self, omega_deg: float) -> Rays | None:
        """All rays of one projection, or None where none meets the detector."""
        view = View.at(self.geometry, omega_deg)
        grain, direction, middle = self._candidates(view)
        if len(grain) == 0:
            return None
        count = self._number[grain]
        ends = torch.cumsum(count, 0)
        starts = ends - count
        total = int(ends[-1])
        # number the rays 0 0 0 1 1 2 2 2 … by their spot; quicker than repeating
        marks = torch.zeros(total, dtype=torch.int32, device=self.device)
        marks[starts[1:]] = 1
        spot = torch.cumsum(marks, 0, dtype=torch.int32)
        element = torch.arange(total, dtype=torch.int32, device=self.device)
        element += (self._start[grain] - starts).int().index_select(0, spot)

        position = _pick(self._element.unbind(0), element)
        unit = _pick(self._unit[:, grain, direction].unbind(0), spot)
        if self._turn is not None:
            unit = _turned(unit, _pick(self._turn.unbind(0), element))
        ray = trace(view, self.geometry, position, unit)
        energy = self._bragg[direction].index_select(0, spot) / ray.sine
        slope, spread = self._slopes(view, grain, direction)
        # across an element the energy runs over this share of itself
        span = (spread * self._edge).clip(SMALL, 0.5).index_select(0, spot)
        inward = self._inward(view)
        if inward is not None:
            inward = inward.index_select(0, element)
        photons = self._photons(direction, spot, energy, span, ray, position, inward)
        photons *= self._volume.index_select(0, element)

        rows, columns = self.geometry.detector.shape
        low, high = self._range[:, direction]
        alive = (energy >= low.index_select(0, spot)).float()
        alive *= energy <= high.index_select(0, spot)
        alive *= (ray.row >= -0.5) & (ray.row < rows - 0.5)
        alive *= (ray.column >= -0.5) & (ray.column < columns - 0.5)
        alive *= ray.forward
        edge = self.margin
        row = ray.row.clip(-edge, rows - 1 + edge)
        column = ray.column.clip(-edge, columns - 1 + edge)

        def per_spot(value: torch.Tensor, what: str) -> torch.Tensor:
            return torch.segment_reduce(value, what, lengths=count)

        far = 1e4 * (1 - alive)
        measured = torch.stack(
            [
                per_spot(row, "min"),
                per_spot(row, "max"),
                per_spot(column, "min"),
                per_spot(column, "max"),
                per_spot(energy + far, "min"),
                per_spot(energy - far, "max"),
                per_spot(alive, "max"),
            ]
        )
        numbers = measured.cpu().numpy().astype(np.float64)
        return Rays(
            self._grain[grain.cpu().numpy()],
            direction.cpu().numpy(),
            count.cpu().numpy(),
            spot,
            row,
            column,
            photons,
            numbers[:4],
            numbers[6] > 0,
            numbers[4:6],
            middle,
            slope.cpu().numpy().astype(np.float64),
        )

    def _candidates(
        self, view: View
    ) -> tuple[torch.Tensor, torch.Tensor, NDArray[np.float64]]:
        """Grains and directions that may reflect onto the detector.

        Judged by the ray through the grain's centre, with margins for the
        grain's size that hold for every element of it.
        """
        ray = trace(view, self.geometry, self._centre.unbind(0), self._unit.unbind(0))
        slack = 1.05 * self._radius / ray.distance + self._spread
        low, high = self._range
        reflects = (self._bragg / high < ray.sine + slack) & (
            self._bragg / low > ray.sine - slack
        )
        detector = self.geometry.detector
        pixel = detector.pixel_size / 1000
        # a ray's turn of 2·slack at the grain is seen from the path's length
        reach = 1.2 * (self._radius + 2 * slack * ray.path) / ray.slope.clip(GRAZING)
        reach = reach / ray.slope.clip(GRAZING) / pixel + 1
        meets = (ray.row > -reach) & (ray.row < detector.rows + reach)
        meets &= (ray.column > -reach) & (ray.column < detector.columns + reach)
        grain, direction = torch.nonzero(reflects & meets & ray.forward, as_tuple=True)
        sine = ray.sine[grain, direction].clip(SMALL)
        out = [axis[grain, direction] for axis in ray.out]
        left, up = dot(view.left, out), dot(view.up, out)
        middle = torch.stack(
            [self._bragg[direction] / sine, sine, torch.atan2(-left, up)]
        )
        return grain, direction, middle.cpu().numpy().astype(np.float64)

    def _inward(self, view: View) -> torch.Tensor | None:
        """Path from the surface to each element, along the incident ray (E,) [mm]."""
        if self.outline is None:
            return None
        back = [
            float(s) - p
            for p, s in zip(self._element.unbind(0), view.source, strict=True)
        ]
        length = torch.sqrt(back[0] ** 2 + back[1] ** 2 + back[2] ** 2)
        toward = [a / length for a in back]
        path: torch.Tensor = self.outline.path(self._element.unbind(0), toward)
        return path

    def _photons(
        self,
        direction: torch.Tensor,
        spot: torch.Tensor,
        energy: torch.Tensor,
        span: torch.Tensor,
        ray: Trace,
        position: Any,
        inward: torch.Tensor | None,
    ) -> torch.Tensor:
        """Photons per mm³ of every ray, from the response table.

        The table is summed up over the energy, so that the mean over the energies
        that an element reflects is a difference: narrow tungsten lines draw lines
        across a spot, not dots on some of its elements.
        """
        shelf = self._shelf[direction].index_select(0, spot)
        _, energies, paths = self.response.table.shape
        if self.outline is None or inward is None:
            column, along = shelf, None
        else:
            path = inward + self.outline.path(position, ray.out)
            along = (path / self.response.path_step).clip(0, paths - 1.001)
            floor = along.int()
            column, along = shelf + floor, along - floor
        width = energy * (span / self.response.energy_step)
        width = width.clip(_NARROWEST)
        middle = energy / self.response.energy_step
        sums = []
        for end in (middle - 0.5 * width, middle + 0.5 * width):
            place = end.clip(0, energies - 1.001)
            step = place.int()
            index = column + step * paths
            part = place - step
            near = _between(self._table, index, paths, part)
            if along is not None:
                far = _between(self._table, index + 1, paths, part)
                near = near + along * (far - near)
            sums.append(near)
        photons = (sums[1] - sums[0]) / width
        twice = 1 - 2 * ray.sine * ray.sine  # cos 2θ
        if self.response.polarised:
            photons = photons * (0.5 + 0.5 * twice * twice)
        if self.response.lorentz == "fang2020":
            photons = photons / torch.sqrt((1 - twice * twice).clip(SMALL**2))
        received: torch.Tensor = photons * ray.forward / ray.distance**2
        return received

    def _slopes(
        self, view: View, grain: torch.Tensor, direction: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """How hits (S, 2, 3) [px mm⁻¹] and ln E (S,) [mm⁻¹] change in a grain."""
        step = self._radius[grain, 0] / 4 + 1e-4
        unit = self._unit[:, grain, direction].unbind(0)
        centre = self._centre[:, grain, 0].unbind(0)
        slopes = []
        for axis in range(3):
            ends = []
            for sign in (-1.0, 1.0):
                moved = list(centre)
                moved[axis] = moved[axis] + sign * step
                ray = trace(view, self.geometry, moved, unit)
                ends.append(torch.stack([ray.row, ray.column, torch.log(ray.sine)]))
            slopes.append((ends[1] - ends[0]) / (2 * step))
        row, column, energy = torch.stack(slopes, dim=-1).unbind(0)
        return torch.stack([row, column], dim=1), energy.norm(dim=1)


def _pick(vector: Any, index: torch.Tensor) -> Vector:
    x, y, z = (axis.index_select(0, index) for axis in vector)
    return x, y, z


def _turned(vector: Vector, rotation: Vector) -> Vector:
    """Vectors turned by small rotation vectors, to first order and unit length."""
    x, y, z = vector
    a, b, c = rotation
    x, y, z = x + b * z - c * y, y + c * x - a * z, z + a * y - b * x
    length = torch.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


def _between(
    table: torch.Tensor, index: torch.Tensor, stride: int, part: torch.Tensor
) -> torch.Tensor:
    """The table between two entries a stride apart, on a straight line."""
    near = table.index_select(0, index)
    return near + part * (table.index_select(0, index + stride) - near)
