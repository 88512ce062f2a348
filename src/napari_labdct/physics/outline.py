"""Outlines of samples, and how far a ray travels inside them.

Positions and directions have shape (3, N), in the sample's own frame [mm]. The
formulas are written so that NumPy arrays and torch tensors both go through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

_TINY = 1e-9


class Outline(Protocol):
    """The outside of a sample."""

    @property
    def reach(self) -> float:
        """Longest straight path inside [mm]."""
        ...

    def exit_distance(self, position: Any, direction: Any) -> Any:
        """Path from a point inside to the surface along a unit vector, (N,) [mm]."""
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

    def exit_distance(self, position: Any, direction: Any) -> Any:
        """Path from a point inside to the surface along a unit vector, (N,) [mm].

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

    def exit_distance(self, position: Any, direction: Any) -> Any:
        """Path from a point inside to the surface along a unit vector, (N,) [mm]."""
        x, y, z = (
            _face(p, u, edge / 2)
            for p, u, edge in zip(position, direction, self.size, strict=True)
        )
        return x.clip(None, y).clip(None, z)


def _face(position: Any, direction: Any, half: float) -> Any:
    """Distance to the face at ±half that the direction looks at."""
    sign = (direction > 0) * 2.0 - 1.0
    return ((half - sign * position) / (sign * direction).clip(_TINY)).clip(0.0)
