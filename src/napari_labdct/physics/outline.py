"""Outlines of samples, and how far a ray travels inside them.

Positions and directions have shape (3, N), in the sample's own frame [mm]. The
formulas are written so that NumPy arrays and torch tensors both go through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TINY = 1e-9


class Outline(Protocol):
    """The outside of a sample."""

    @property
    def reach(self) -> float:
        """Longest straight path inside [mm]."""
        ...

    def path(self, position: Any, direction: Any) -> Any:
        """Length of material a ray passes from a point on, shape (N,) [mm]."""
        ...


@dataclass(frozen=True)
class Cylinder:
    """An upright cylinder around the rotation axis, centred at the origin.

    Attributes
    ----------
    radius, height
        Size [mm].
    """

    radius: float
    height: float

    @property
    def reach(self) -> float:
        """Longest straight path inside [mm]."""
        return float((4 * self.radius**2 + self.height**2) ** 0.5)

    def path(self, position: Any, direction: Any) -> Any:
        """Length of material a ray passes from a point on, shape (N,) [mm].

        The wall is hit where |p + t·u| in the plane equals the radius, the end
        faces where |z| equals half the height; the nearer one counts.
        """
        x, y, z = position
        u, v, w = direction
        flat = (u * u + v * v).clip(_TINY)
        along = x * u + y * v
        inside = (self.radius**2 - x * x - y * y).clip(0.0)
        wall = ((along * along + flat * inside) ** 0.5 - along) / flat
        return wall.clip(None, _face(z, w, self.height / 2))


@dataclass(frozen=True)
class Box:
    """A box centred at the origin.

    Attributes
    ----------
    size
        Edges along the sample's x, y, z [mm].
    """

    size: tuple[float, float, float]

    @property
    def reach(self) -> float:
        """Longest straight path inside [mm]."""
        return float(sum(edge**2 for edge in self.size) ** 0.5)

    def path(self, position: Any, direction: Any) -> Any:
        """Length of material a ray passes from a point on, shape (N,) [mm]."""
        x, y, z = (
            _face(p, u, edge / 2)
            for p, u, edge in zip(position, direction, self.size, strict=True)
        )
        return x.clip(None, y).clip(None, z)


@dataclass(frozen=True)
class VoxelMask:
    """A sample of any form, holes and all, on a grid of voxels.

    Attributes
    ----------
    filled
        Whether a voxel is material, shape (nx, ny, nz).
    spacing
        Edge of the voxels [mm].
    origin
        Centre of voxel (0, 0, 0) in the sample frame, shape (3,) [mm].
    """

    filled: NDArray[np.bool_]
    spacing: float
    origin: tuple[float, float, float]

    @property
    def reach(self) -> float:
        """Longest straight path inside [mm]."""
        return float(np.linalg.norm(self.filled.shape) * self.spacing)

    def path(self, position: Any, direction: Any) -> Any:
        """Length of material a ray passes from a point on, shape (N,) [mm].

        The ray is followed in steps of half a voxel until all rays have left the
        grid; each step counts when its middle lies in a filled voxel. For torch
        tensors.
        """
        step = self.spacing / 2
        # a border of empty voxels catches rays that have left
        padded = np.pad(np.asarray(self.filled, np.float32), 1)
        filled = position[0].new_tensor(padded.reshape(-1))
        stride = (padded.shape[1] * padded.shape[2], padded.shape[2], 1)
        place = [
            (p - start) / self.spacing + 1.5 + u / 4
            for p, start, u in zip(position, self.origin, direction, strict=True)
        ]
        passed = 0.0 * place[0]
        for _ in range(int(self.reach / step) + 2):
            voxel = self._voxel(place, stride, padded.shape)
            passed += filled.index_select(0, voxel.reshape(-1)).view_as(voxel)
            place = [p + u / 2 for p, u in zip(place, direction, strict=True)]
        return passed * step

    @staticmethod
    def _voxel(place: Any, stride: Any, shape: Any) -> Any:
        index = 0
        for p, width, cells in zip(place, stride, shape, strict=True):
            index = index + p.clip(0, cells - 0.5).int() * width
        return index


def _face(position: Any, direction: Any, half: float) -> Any:
    """Distance to the face at ±half that the direction looks at."""
    sign = (direction > 0) * 2.0 - 1.0
    return ((half - sign * position) / (sign * direction).clip(_TINY)).clip(0.0)
