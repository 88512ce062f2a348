"""Grey values along a line, the way cleaned frames are judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LineProfile:
    """Grey values of one or more layers along the same line.

    Attributes
    ----------
    name
        The line's name, such as ``"A"``.
    start, stop
        End points (row, column) [px].
    distance_px
        Distance of each sample from `start`, shape (N,) [px].
    values
        Grey values of each layer, shape (N,), by layer name.
    width_px
        Width over which values are averaged across the line [px].
    projection
        0-based index of the projection.
    """

    name: str
    start: tuple[float, float]
    stop: tuple[float, float]
    distance_px: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    width_px: int = 1
    projection: int = 0

    @property
    def length_px(self) -> float:
        """Length of the line [px]."""
        return float(
            np.hypot(self.stop[0] - self.start[0], self.stop[1] - self.start[1])
        )

    @property
    def normalised_distance(self) -> NDArray[np.float64]:
        """Distance from `start` as a fraction of the line's length, 0 to 1."""
        return self.distance_px / max(self.length_px, np.finfo(float).tiny)
