"""Patches that hold one spot each, and the frame they are added to.

Patches of like width are stacked into strips; blurring, adding and measuring a whole
projection is then a handful of steps on each strip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Frame:
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


class Strip:
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

    def fill(self, patch: Any, whole: Frame) -> None:
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

    def cover(self, edge: NDArray[np.float64], whole: Frame) -> None:
        """Mark the pixels that belong to each spot."""
        threshold = self.patch.new_tensor(edge[self.of_row])
        self.mask = (self.patch > threshold[:, None]).to(self.patch.dtype)
        whole.covered.index_add_(0, self.pixel, self.mask.view(-1))

    def extent(
        self, whole: Frame
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

    def compete(self, whole: Frame) -> None:
        """Find the strongest spot in each pixel."""
        self.own = self.mask.view(-1).nonzero().view(-1)
        self.place = self.pixel.index_select(0, self.own).long()
        self.value = self.patch.view(-1).index_select(0, self.own)
        whole.best.scatter_reduce_(0, self.place, self.value, "amax")

    def win(self, whole: Frame) -> None:
        """Write the spot's number where it is the strongest."""
        won = self.value == whole.best.index_select(0, self.place)
        number = self.patch.new_tensor((self.of_row + 1).astype(np.float32))
        number = number.index_select(0, self.own[won] // self.width)
        whole.label.index_copy_(0, self.place[won], number)


def blurred(strip: Any, kernel: NDArray[np.float64]) -> Any:
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
