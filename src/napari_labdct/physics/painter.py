"""Painting rays: each spot on a patch of its own, then all patches into the frame.

A spot's patch holds the spot alone, so its photons, size and overlap with others are
measured, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_labdct.physics.footprint import (
    beam_stop_transmission,
    blur_kernel,
    blur_sigma,
    element_points,
)
from napari_labdct.physics.patches import Frame, Strip, blurred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.physics.bundles import Rays

_WIDTH_STEP = 8
SPOT_EDGE = 0.1
"""A spot's pixels are those above this fraction of its peak."""


@dataclass(frozen=True)
class Painted:
    """A painted projection and what was measured on it.

    Attributes
    ----------
    image
        Photons, shape (rows, columns).
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
    visible: NDArray[np.float64]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    peak: NDArray[np.float64]
    area: NDArray[np.int64]
    box: NDArray[np.int64]
    overlap: NDArray[np.bool_]
    labels: NDArray[np.int32] | None


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

    def paint(self, rays: Rays) -> Painted:
        """Paint the spots of one projection."""
        points = element_points(rays.slope, self.element, self.period)
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
        patches = rays.bundles[0].photons.new_zeros(int(size.sum()))
        origin = base - first[0].astype(np.int64) * width - first[1].astype(np.int64)
        self._draw(patches, rays, points, origin, width)

        rows, columns = self.geometry.detector.shape
        border += _WIDTH_STEP  # patches are rounded up to the right
        frame = patches.new_zeros((rows + 2 * border) * (columns + 2 * border))
        whole = Frame(frame, border, columns + 2 * border, self._passing(frame, border))
        strips = [
            Strip(
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
            strip.fill(blurred(view, self.kernel), whole)
            start = stop
        return self._measured(strips, whole, rays)

    def _draw(
        self,
        patches: Any,
        rays: Rays,
        points: NDArray[np.float64],
        origin: NDArray[np.int64],
        width: NDArray[np.int64],
    ) -> None:
        """Share every ray's photons among the pixels its element covers."""
        offset = patches.new_tensor(points)[..., None]
        stride, corner = (
            patches.new_tensor(values).int()[:, None] for values in (width, origin)
        )
        first = 0
        for bundle in rays.bundles:
            here = slice(first, first + len(bundle.row))
            first = here.stop
            weight = bundle.photons / len(points)
            for point in offset[:, here]:
                row, column = bundle.row + point[:, 0], bundle.column + point[:, 1]
                top, left = row.floor(), column.floor()
                down, right = row - top, column - left
                index = top.int() * stride[here]
                index += left.int() + corner[here]
                # the four pixels around the point, upper left first
                lower = weight * down
                upper = weight - lower
                below = lower * right
                beside = upper * right
                for value, step in (
                    (upper - beside, 0),
                    (beside, 1),
                    (below, stride[here]),
                    (lower - below, -1),
                ):
                    index += step
                    patches.index_add_(0, index.view(-1), value.view(-1))

    def _passing(self, like: Any, border: int) -> Any:
        """Transmission of the beam stop on the bordered frame, 0 outside it."""
        key = (border, like.device)
        if key not in self._transmission:
            passing = beam_stop_transmission(self.geometry)
            flat = np.pad(passing, border).reshape(-1)
            self._transmission = {key: like.new_tensor(flat)}
        return self._transmission[key]

    def _measured(self, strips: list[Strip], whole: Frame, rays: Rays) -> Painted:
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
        return Painted(
            self._cropped(whole.image, whole),
            visible,
            row,
            column,
            peak,
            area,
            box,
            overlap,
            labels,
        )

    def _cropped(self, flat: Any, whole: Frame) -> NDArray[np.float32]:
        rows, columns = self.geometry.detector.shape
        b = whole.border
        cropped = flat.view(-1, whole.stride)[b : b + rows, b : b + columns]
        return np.ascontiguousarray(cropped.cpu().numpy(), np.float32)
