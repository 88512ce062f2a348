"""The one formula of a ray: from the source by a lattice plane to the detector.

Works on NumPy arrays and torch tensors alike. Vectors are three arrays x, y, z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry
    from napari_labdct.physics.view import View

GRAZING = 0.02
"""Cosine to the detector's normal below which a ray runs along it and is dropped."""

SMALL = 1e-6
"""Least sin θ that counts."""


@dataclass(frozen=True)
class Trace:
    """Rays followed.

    Attributes
    ----------
    row, column
        Where they meet the detector [px].
    sine
        sin θ, at least `SMALL`.
    k, out
        Unit vectors of the incident and the diffracted ray.
    distance, path
        From the source to the position, and on to the detector [mm].
    slope
        Cosine between diffracted ray and detector normal.
    forward
        Whether the planes can reflect the ray, and towards the detector.
    """

    row: Any
    column: Any
    sine: Any
    k: list[Any]
    out: list[Any]
    distance: Any
    path: Any
    slope: Any
    forward: Any


def trace(view: View, geometry: Geometry, position: Any, unit: Any) -> Trace:
    """Follow rays from the source to a position and, reflected, to the detector.

    The incident direction k is mirrored by lattice planes of unit normal g:
    k' = k + λG/2π = k + 2 sin θ g with sin θ = −k·g. This is exact for any incidence.

    Parameters
    ----------
    view, geometry
        Where source and detector are, in the sample's frame.
    position
        Where the planes are, in the sample's frame [mm].
    unit
        Unit normals of the planes, in the sample's frame.
    """
    away = [p - float(s) for p, s in zip(position, view.source, strict=True)]
    distance = (away[0] * away[0] + away[1] * away[1] + away[2] * away[2]) ** 0.5
    k = [a / distance for a in away]
    sine = -(k[0] * unit[0] + k[1] * unit[1] + k[2] * unit[2])
    out = [a + 2 * sine * g for a, g in zip(k, unit, strict=True)]
    slope = dot(view.normal, out)
    to_go = [float(d) - p for p, d in zip(position, view.detector, strict=True)]
    path = dot(view.normal, to_go) / slope.clip(GRAZING)
    hit = [o * path - t for o, t in zip(out, to_go, strict=True)]
    row, column = geometry.to_pixels(dot(view.y_axis, hit), dot(view.z_axis, hit))
    return Trace(
        row,
        column,
        sine.clip(SMALL),
        k,
        out,
        distance,
        path,
        slope,
        (slope > GRAZING) & (sine > SMALL),
    )


def dot(fixed: NDArray[Any], vector: Any) -> Any:
    """Scalar product of one vector with many."""
    x, y, z = (float(value) for value in fixed)
    return vector[0] * x + vector[1] * y + vector[2] * z
