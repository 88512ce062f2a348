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

from napari_labdct.core import InputError
from napari_labdct.physics.bundles import Bundle, Rays
from napari_labdct.physics.footprint import opaque_box
from napari_labdct.physics.trace import GRAZING, SMALL, dot, trace
from napari_labdct.physics.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.physics.outline import Outline
    from napari_labdct.physics.polycrystal import Polycrystal
    from napari_labdct.physics.response import Response
    from napari_labdct.physics.trace import Trace

Vector = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_CACHED, _LAUNCHED = 60_000, 4_000_000  # rays at a time: processor, device
_FAR = 1e4  # keV, more than any photon has
_NARROWEST = 0.5  # least width of an energy average, in steps of the table


@dataclass(frozen=True)
class _Spots:
    """What the rays of some spots need to know; shapes (S,) or (…, S, 1)."""

    count: torch.Tensor
    start: torch.Tensor
    unit: torch.Tensor
    bragg: torch.Tensor
    energy: torch.Tensor
    span: torch.Tensor
    shelf: torch.Tensor


def pool_of_single_threads(workers: int) -> ThreadPoolExecutor:
    """Threads that each compute alone, so that projections run side by side.

    Splitting the short steps of one projection among cores costs more than it gains,
    most of all on a busy machine. torch's thread setting is put back for everybody
    else once the threads have taken it over.
    """
    before = torch.get_num_threads()
    started = Barrier(workers)

    def begin() -> None:
        torch.get_num_threads()  # or the thread takes up the common setting later on
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
        self._opaque = opaque_box(geometry)
        self.response = response
        self.device = _usable(device)
        self._block = _CACHED if self.device.type == "cpu" else _LAUNCHED
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
        # grains of like size side by side: blocks of them are nearly rectangular
        size, order = torch.sort(self._number[grain])
        grain, direction, middle = grain[order], direction[order], middle[:, order]
        slope, spread = self._slopes(view, grain, direction)
        inward = self._inward(view)
        bundles, measured = [], []
        for first, last in _blocks(size.cpu().numpy(), self._block):
            here = slice(first, last)
            spots = _Spots(
                size[here],
                self._start[grain[here]],
                self._unit[:, grain[here], direction[here], None],
                self._bragg[direction[here], None],
                self._range[:, direction[here], None],
                # across an element the energy runs over this share of itself
                (spread[here, None] * self._edge).clip(SMALL, 0.5),
                self._shelf[direction[here], None],
            )
            bundle, spans = self._bundle(view, spots, inward)
            bundles.append(bundle)
            measured.append(spans)
        numbers = torch.cat(measured, dim=1).cpu().numpy().astype(np.float64)
        return Rays(
            self._grain[grain.cpu().numpy()],
            direction.cpu().numpy(),
            bundles,
            numbers[:4],
            numbers[6] > 0,
            numbers[4:6],
            numbers[7],
            middle.cpu().numpy().astype(np.float64),
            slope.cpu().numpy().astype(np.float64),
        )

    def _bundle(
        self, view: View, spots: _Spots, inward: torch.Tensor | None
    ) -> tuple[Bundle, torch.Tensor]:
        """Rays of some spots, a row each, and what they span."""
        most = int(spots.count[-1])
        number = torch.arange(most, dtype=torch.int32, device=self.device)
        last = (spots.count[:, None] - 1).int()
        # rows are filled up with a grain's last element, without photons
        element = spots.start[:, None].int() + torch.minimum(number, last)
        shape = element.shape

        def of_elements(values: torch.Tensor) -> torch.Tensor:
            return values.index_select(0, element.view(-1)).view(shape)

        x, y, z = (of_elements(axis) for axis in self._element.unbind(0))
        position, unit = (x, y, z), spots.unit.unbind(0)
        if self._turn is not None:
            unit = _turned(unit, [of_elements(axis) for axis in self._turn.unbind(0)])
        ray = trace(view, self.geometry, position, unit)
        energy = spots.bragg / ray.sine
        if inward is not None:
            inward = of_elements(inward)
        photons = self._photons(spots, energy, ray, position, inward)
        photons *= of_elements(self._volume)
        photons *= number <= last

        rows, columns = self.geometry.detector.shape
        edge = self.margin
        row = ray.row.clip(-edge, rows - 1 + edge)
        column = ray.column.clip(-edge, columns - 1 + edge)
        alive = (energy >= spots.energy[0]) & (energy <= spots.energy[1])
        alive &= (row >= -0.5) & (row < rows - 0.5)
        alive &= (column >= -0.5) & (column < columns - 0.5)
        alive &= ray.forward
        measured = [
            row.amin(1),
            row.amax(1),
            column.amin(1),
            column.amax(1),
            (energy + _FAR * ~alive).amin(1),
            (energy * alive).amax(1),
            alive.any(1).float(),
            photons.sum(1),
        ]
        return Bundle(row, column, photons), torch.stack(measured)

    def _candidates(
        self, view: View
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Grains and directions that may reflect past the beam stop onto the detector.

        Judged by the ray through the grain's centre, with margins for the
        grain's size that hold for every element of it.
        """
        ray = trace(view, self.geometry, self._centre.unbind(0), self._unit.unbind(0))
        turn = 1.05 * self._radius / ray.distance  # of rays to the grain's rim
        slack = turn + self._spread
        low, high = self._range
        reflects = (self._bragg / high < ray.sine + slack) & (
            self._bragg / low > ray.sine - slack
        )
        detector = self.geometry.detector
        pixel = detector.pixel_size / 1000
        # mirrored rays turn as incident ones do, and twice as far as their planes
        away = (turn + 2 * self._spread) * ray.path
        reach = 1.1 * (self._radius + away) / ray.slope.clip(GRAZING)
        reach = reach / ray.slope.clip(GRAZING) / pixel + 1
        meets = (ray.row > -reach) & (ray.row < detector.rows + reach)
        meets &= (ray.column > -reach) & (ray.column < detector.columns + reach)
        if self._opaque is not None:
            top, bottom, left, right = self._opaque
            hidden = (ray.row - reach > top) & (ray.row + reach < bottom)
            hidden &= (ray.column - reach > left) & (ray.column + reach < right)
            meets &= ~hidden
        grain, direction = torch.nonzero(reflects & meets & ray.forward, as_tuple=True)
        sine = ray.sine[grain, direction].clip(SMALL)
        out = [axis[grain, direction] for axis in ray.out]
        left, up = dot(view.left, out), dot(view.up, out)
        middle = torch.stack(
            [self._bragg[direction] / sine, sine, torch.atan2(-left, up)]
        )
        return grain, direction, middle

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
        spots: _Spots,
        energy: torch.Tensor,
        ray: Trace,
        position: Any,
        inward: torch.Tensor | None,
    ) -> torch.Tensor:
        """Photons per mm³ of every ray, from the response table.

        The table is summed up over the energy, so that the mean over the energies
        that an element reflects is a difference: narrow tungsten lines draw lines
        across a spot, not dots on some of its elements.
        """
        _, energies, paths = self.response.table.shape
        if self.outline is None or inward is None:
            column, along = spots.shelf, None
        else:
            path = inward + self.outline.path(position, ray.out)
            along = (path / self.response.path_step).clip(0, paths - 1.001)
            floor = along.int()
            column, along = spots.shelf + floor, along - floor
        width = energy * (spots.span / self.response.energy_step)
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


def _usable(name: str) -> torch.device:
    """torch's device of that name, once it has proved to compute."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"The device {name!r} cannot be used ({why}): choose cpu, or another that "
            "labdct info lists."
        ) from error
    return device


def _blocks(count: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """First and behind-last spots of blocks of at most `most` rays, or one spot."""
    first = 0
    for last in range(1, len(count) + 1):
        if last == len(count) or (last + 1 - first) * int(count[last]) > most:
            yield first, last
            first = last


def _turned(vector: Any, rotation: Any) -> Vector:
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
    flat = index.reshape(-1)
    near = table.index_select(0, flat).view_as(part)
    far = table.index_select(0, flat + stride).view_as(part)
    return near + part * (far - near)
