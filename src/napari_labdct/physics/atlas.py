"""Painting rays: each spot on a patch of its own, then all patches into the frame.

A spot's patch holds the spot alone, so its photons, size and overlap with others
are measured, not guessed. Patches of like width are stacked into strips; a frame's
worth of blur is then a handful of shifted additions on each strip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ive, ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.physics.rays import Rays

_WIDTH_STEP = 16
_FINEST = 8  # divisions of an element's edge, at most
_PAINT_VARIANCE = 1 / 6  # what sharing a ray among four pixels adds to a spot [px²]
SPOT_EDGE = 0.1
"""A spot's pixels are those above this fraction of its peak."""


@dataclass(frozen=True)
class Painted:
    """A painted projection and what was measured on it.

    Attributes
    ----------
    image
        Photons, shape (rows, columns).
    photons
        Photons of each spot before frame edge and beam stop cut it, shape (S,).
    visible
        Photons of each spot in the frame, shape (S,).
    row, column
        Centroid of what is visible, shape (S,) [px].
    peak
        Most photons in one pixel, shape (S,).
    area
        Pixels above `SPOT_EDGE` of the peak, shape (S,).
    box
        First and last row, first and last column of those pixels, shape (4, S).
    overlap
        Whether another spot has a pixel in common, shape (S,).
    labels
        1 + number of the spot that is strongest in each pixel, 0 for none; or None.
    """

    image: NDArray[np.float32]
    photons: NDArray[np.float64]
    visible: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    peak: NDArray[np.float64]
    area: NDArray[np.int64]
    box: NDArray[np.int64]
    overlap: NDArray[np.bool_]
    labels: NDArray[np.int32] | None


def blur_sigma(geometry: Geometry) -> float:
    """Point spread in the image, source ⊕ detector, Gaussian σ [px].

    A source of full width s draws every point of the sample L_sd/L_ss times as wide.
    """
    source = geometry.source_size / np.sqrt(8 * np.log(2))
    drawn = source * geometry.sample_to_detector / geometry.source_to_sample
    return float(
        np.hypot(geometry.detector.blur_sigma, drawn / geometry.detector.pixel_size)
    )


def blur_kernel(sigma: float) -> NDArray[np.float64]:
    """Weights of a blur from its middle outwards.

    The discrete Gaussian exp(−σ²) I_n(σ²) has the variance σ² for every σ, which a
    sampled Gaussian of less than a pixel has not (Lindeberg 1990).
    """
    variance = max(sigma**2 - _PAINT_VARIANCE, 0.0)
    if variance < 1e-3:
        return np.ones(1)
    reach = int(np.ceil(4 * np.sqrt(variance)))
    kernel = ive(np.arange(reach + 1), variance)
    return np.asarray(kernel / (kernel[0] + 2 * kernel[1:].sum()), np.float64)


def points_in_cube(finer: float) -> NDArray[np.float64]:
    """Points of a unit cube that make a lattice of cubes look `finer` times finer.

    A lattice of elements shows through in the picture at its own spatial
    frequencies. Points inside each element cancel the lowest of them: a
    body-centred set those below √2, a face-centred one those below √3 times the
    lattice's first, and the same sets in n³ smaller cubes n times as much.
    """
    bases = (
        (1.0, np.zeros((1, 3))),
        (np.sqrt(2), 0.25 * np.array([[1, 1, 1], [-1, -1, -1]])),
        (
            np.sqrt(3),
            0.25 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]),
        ),
    )
    enough = [
        (len(basis) * n**3, n, basis)
        for n in range(1, _FINEST + 1)
        for reach, basis in bases
        if reach * n >= min(finer, _FINEST)
    ]
    _, n, basis = min(enough, key=lambda choice: choice[0])
    cell = (np.indices((n, n, n)).reshape(3, -1).T + 0.5) / n - 0.5
    return np.asarray((cell[:, None] + basis / n).reshape(-1, 3))


def beam_stop_transmission(geometry: Geometry) -> NDArray[np.float32]:
    """Share of the photons that pass the beam stop, shape (rows, columns)."""
    stop, detector = geometry.beam_stop, geometry.detector
    if stop.edge == 0:
        shadow = geometry.beam_stop_mask().astype(np.float64)
    else:
        size = detector.pixel_size / 1000
        row, column = detector.centre
        z = (row - np.arange(detector.rows)) * size - stop.offset_z
        y = (column - np.arange(detector.columns)) * size - stop.offset_y
        profile = [
            ndtr((x + full / 2) / stop.edge) - ndtr((x - full / 2) / stop.edge)
            for x, full in ((z, stop.height), (y, stop.width))
        ]
        shadow = profile[0][:, None] * profile[1]
    return (1 - (1 - stop.transmission) * shadow).astype(np.float32)


class Painter:
    """Paints the rays of projections of one geometry.

    Parameters
    ----------
    geometry
        Frame, beam stop, source and detector blur.
    element
        Edge of the elements [mm].
    period
        Largest period with which elements may show, in σ of the blur. A lattice of
        period 2.7 σ keeps 7 % of its contrast after the blur, and only in the
        few spots for which it is seen along a row of elements.
    labels
        Whether to draw the label image too.
    """

    def __init__(
        self,
        geometry: Geometry,
        element: float,
        *,
        period: float = 2.7,
        labels: bool = False,
    ) -> None:
        self.geometry, self.element = geometry, element
        sigma = blur_sigma(geometry)
        self.kernel = blur_kernel(sigma)
        self.period = max(period * sigma, 1.0)
        self.reach = len(self.kernel) - 1
        self.margin = float(self.reach + 2)
        self.labels = labels
        self._transmission: dict[tuple[int, Any], Any] = {}

    def paint(self, rays: Rays, seen: NDArray[np.bool_]) -> Painted:
        """Paint the spots of one projection that are `seen`, shape (S,)."""
        # what misses the detector needs no care, and may be drawn out endlessly
        points = self._points(rays.slope * rays.alive[:, None, None])
        # patches reach as far as points and blur do, and bilinear sharing one more
        far = np.abs(points).max(axis=0, initial=0.0).T
        first = np.floor(rays.box[[0, 2]] - far) - self.reach
        last = np.floor(rays.box[[1, 3]] + far) + self.reach + 1
        border = int(self.margin + np.ceil(far.max()) + self.reach + 2)
        height, width = (last - first + 1).astype(np.int64)
        width = -(-width // _WIDTH_STEP) * _WIDTH_STEP
        order = np.argsort(width, kind="stable")
        size = (height * width)[order]
        base = np.empty_like(size)
        base[order] = np.cumsum(size) - size
        patches = rays.photons.new_zeros(int(size.sum()))
        origin = base - first[0].astype(np.int64) * width - first[1].astype(np.int64)
        self._draw(patches, rays, seen, points, origin, width)

        rows, columns = self.geometry.detector.shape
        border += _WIDTH_STEP  # patches are rounded up to the right
        frame = patches.new_zeros((rows + 2 * border) * (columns + 2 * border))
        whole = _Whole(
            frame, border, columns + 2 * border, self._passing(frame, border)
        )
        strips = [
            _Strip(
                order[width[order] == w],
                int(w),
                height,
                first.astype(np.int64),
            )
            for w in np.unique(width)
        ]
        start = 0
        for strip in strips:
            stop = start + strip.rows * strip.width
            view = patches[start:stop].view(strip.rows, strip.width)
            strip.fill(_blurred(view, self.kernel), whole)
            start = stop
        return self._measured(strips, whole, rays)

    def _points(self, slope: NDArray[np.float64]) -> NDArray[np.float64]:
        """Offsets of the points that draw an element, (points, S, 2) [px]."""
        edges = slope * self.element
        drawn = np.linalg.norm(edges, axis=(1, 2), ord=2)
        typical = float(np.median(drawn[drawn > 0])) if drawn.any() else 0.0
        inside = points_in_cube(typical / self.period)
        return np.asarray(np.einsum("sij,pj->psi", edges, inside), np.float64)

    def _draw(
        self,
        patches: Any,
        rays: Rays,
        seen: NDArray[np.bool_],
        points: NDArray[np.float64],
        origin: NDArray[np.int64],
        width: NDArray[np.int64],
    ) -> None:
        """Share every ray's photons among the pixels its element covers."""

        def to_rays(values: NDArray[Any], like: Any) -> Any:
            kept = patches.new_tensor(values, dtype=like)
            return kept.index_select(0, rays.spot)

        real, whole = rays.row.dtype, rays.spot.dtype
        share = rays.photons * to_rays(seen / len(points), real)
        stride, corner = to_rays(width, whole), to_rays(origin, whole)
        for point in points:
            row, column = rays.row, rays.column
            if len(points) > 1:
                row = row + to_rays(point[:, 0], real)
                column = column + to_rays(point[:, 1], real)
            top, left = row.floor(), column.floor()
            down, right = row - top, column - left
            index = corner + top.int() * stride + left.int()
            lower = share * down
            upper = share - lower
            patches.index_add_(0, index, upper - upper * right)
            patches.index_add_(0, index + 1, upper * right)
            index += stride
            patches.index_add_(0, index, lower - lower * right)
            patches.index_add_(0, index + 1, lower * right)

    def _passing(self, like: Any, border: int) -> Any:
        """Transmission of the beam stop on the bordered frame, 0 outside it."""
        key = (border, like.device)
        if key not in self._transmission:
            passing = beam_stop_transmission(self.geometry)
            flat = np.pad(passing, border).reshape(-1)
            self._transmission = {key: like.new_tensor(flat)}
        return self._transmission[key]

    def _measured(self, strips: list[_Strip], whole: _Whole, rays: Rays) -> Painted:
        spots = len(rays.grain)
        visible, row, column = (np.zeros(spots) for _ in range(3))
        peak = np.zeros(spots)
        for strip in strips:
            visible[strip.spot], row[strip.spot], column[strip.spot] = strip.moments()
            peak[strip.spot] = strip.peaks()
        for strip in strips:
            strip.cover(np.where(peak > 0, SPOT_EDGE * peak, np.inf), whole)
        area, overlap = np.zeros(spots, np.int64), np.zeros(spots, bool)
        box = np.zeros((4, spots), np.int64)
        for strip in strips:
            area[strip.spot], box[:, strip.spot], overlap[strip.spot] = strip.extent(
                whole
            )
        labels = None
        if self.labels:
            for strip in strips:
                strip.compete(whole)
            for strip in strips:
                strip.win(whole)
            labels = self._cropped(whole.label, whole).astype(np.int32)
        starts = np.cumsum(rays.count) - rays.count
        photons = np.add.reduceat(rays.photons.cpu().numpy(), starts, dtype=np.float64)
        return Painted(
            self._cropped(whole.image, whole),
            photons,
            visible,
            row,
            column,
            peak,
            area,
            box,
            overlap,
            labels,
        )

    def _cropped(self, flat: Any, whole: _Whole) -> NDArray[np.float32]:
        rows, columns = self.geometry.detector.shape
        b = whole.border
        cropped = flat.view(-1, whole.stride)[b : b + rows, b : b + columns]
        return np.ascontiguousarray(cropped.cpu().numpy(), np.float32)


class _Whole:
    """The frame with a border, flat, and what is gathered on it."""

    def __init__(self, image: Any, border: int, stride: int, passing: Any) -> None:
        self.image, self.border, self.stride = image, border, stride
        self.passing = passing
        self.covered = image.new_zeros(image.shape)
        self._best: Any = None
        self._label: Any = None

    @property
    def best(self) -> Any:
        """Photons of the strongest spot in each pixel, made when first asked for."""
        if self._best is None:
            self._best = self.image.new_zeros(self.image.shape)
        return self._best

    @property
    def label(self) -> Any:
        """1 + number of that spot."""
        if self._label is None:
            self._label = self.image.new_zeros(self.image.shape)
        return self._label


class _Strip:
    """Patches of one width, stacked."""

    def __init__(
        self,
        spot: NDArray[np.int64],
        width: int,
        height: NDArray[np.int64],
        first: NDArray[np.int64],
    ) -> None:
        self.spot, self.width = spot, width
        heights = height[spot]
        self.rows = int(heights.sum())
        self.starts = np.cumsum(heights) - heights
        self.row = np.arange(self.rows) + np.repeat(
            first[0, spot] - self.starts, heights
        )
        self.column = np.repeat(first[1, spot], heights)
        self.of_row = np.repeat(spot, heights)

    def fill(self, patch: Any, whole: _Whole) -> None:
        """Add the patches to the frame; behind the beam stop less arrives."""
        corner = (self.row + whole.border) * whole.stride + self.column + whole.border
        across = patch.new_tensor(np.arange(self.width)).int()
        pixel = patch.new_tensor(corner, dtype=across.dtype)[:, None] + across
        self.pixel = pixel.view(-1)
        self.patch = patch * whole.passing.index_select(0, self.pixel).view_as(patch)
        whole.image.index_add_(0, self.pixel, self.patch.view(-1))
        self.across = across

    def moments(self) -> tuple[NDArray[np.float64], ...]:
        """Photons and centroid of each spot."""
        total = self.patch.sum(1).cpu().numpy().astype(np.float64)
        sideways = (self.patch * self.across).sum(1).cpu().numpy().astype(np.float64)
        photons = np.add.reduceat(total, self.starts)
        whole = np.maximum(photons, 1e-30)
        row = np.add.reduceat(total * self.row, self.starts) / whole
        sideways += total * self.column
        return photons, row, np.add.reduceat(sideways, self.starts) / whole

    def peaks(self) -> NDArray[np.float64]:
        """Most photons in a pixel of each spot."""
        highest = self.patch.amax(1).cpu().numpy().astype(np.float64)
        return np.maximum.reduceat(highest, self.starts)

    def cover(self, edge: NDArray[np.float64], whole: _Whole) -> None:
        """Mark the pixels that belong to each spot."""
        threshold = self.patch.new_tensor(edge[self.of_row])
        self.mask = (self.patch > threshold[:, None]).to(self.patch.dtype)
        whole.covered.index_add_(0, self.pixel, self.mask.view(-1))

    def extent(
        self, whole: _Whole
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Area, box and overlap of each spot."""
        count = self.mask.sum(1).cpu().numpy()
        right = (self.mask * (self.across + 1)).amax(1).cpu().numpy() - 1
        left = self.width - (self.mask * (self.width - self.across)).amax(1)
        left = left.cpu().numpy()
        shared = whole.covered.index_select(0, self.pixel).view_as(self.mask)
        shared = ((shared - 1) * self.mask).amax(1).cpu().numpy()
        there = count > 0
        big = 1 << 30
        box = np.stack(
            [
                np.minimum.reduceat(np.where(there, self.row, big), self.starts),
                np.maximum.reduceat(np.where(there, self.row, -big), self.starts),
                np.minimum.reduceat(
                    np.where(there, left + self.column, big), self.starts
                ),
                np.maximum.reduceat(
                    np.where(there, right + self.column, -big), self.starts
                ),
            ]
        )
        return (
            np.add.reduceat(count, self.starts).astype(np.int64),
            box.astype(np.int64),
            np.maximum.reduceat(shared, self.starts) > 0.5,
        )

    def compete(self, whole: _Whole) -> None:
        """Find the strongest spot in each pixel."""
        value = (self.patch * self.mask).view(-1)
        whole.best.scatter_reduce_(0, self.pixel.long(), value, "amax")

    def win(self, whole: _Whole) -> None:
        """Write the spot's number where it is the strongest."""
        value = (self.patch * self.mask).view(-1)
        won = (value > 0) & (value == whole.best.index_select(0, self.pixel))
        number = self.patch.new_tensor((self.of_row + 1).astype(np.float32))
        number = number[:, None].expand_as(self.patch).reshape(-1)
        whole.label[self.pixel[won].long()] = number[won]


def _blurred(strip: Any, kernel: NDArray[np.float64]) -> Any:
    """Blur down and across; patches are padded, so that none reaches another."""
    for axis in (0, 1):
        out = strip * float(kernel[0])
        length = strip.shape[axis]
        for step, weight in enumerate(kernel[1:], start=1):
            if step >= length:
                break
            near = strip.narrow(axis, 0, length - step)
            far = strip.narrow(axis, step, length - step)
            out.narrow(axis, step, length - step).add_(near, alpha=float(weight))
            out.narrow(axis, 0, length - step).add_(far, alpha=float(weight))
        strip = out
    return strip
