"""Source and detector as the turned sample sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.core import Geometry


@dataclass(frozen=True)
class View:
    """Source and detector in the sample's frame at one rotation angle.

    Turning the sample by ω and turning everything else by −ω is the same; the
    second leaves elements and lattice planes where they are for a whole scan.

    Attributes
    ----------
    source
        Position of the source, shape (3,) [mm].
    detector
        Where the beam axis meets the detector plane, shape (3,) [mm].
    normal, y_axis, z_axis
        Unit vectors of the detector plane, shape (3,); an untilted detector's are
        the laboratory's x, y, z.
    up
        Unit vector against which the azimuth η is measured (laboratory z).
    left
        Laboratory y.
    """

    source: NDArray[np.float64]
    detector: NDArray[np.float64]
    normal: NDArray[np.float64]
    y_axis: NDArray[np.float64]
    z_axis: NDArray[np.float64]
    up: NDArray[np.float64]
    left: NDArray[np.float64]

    @classmethod
    def at(cls, geometry: Geometry, omega_deg: float) -> View:
        """The view at a rotation angle.

        A sample point r_s lies at Rz(ω)·r_s + (0, axis_offset_y, 0) in the
        laboratory; here the inverse is applied to source and detector.
        """
        omega = np.deg2rad(omega_deg)
        cosine, sine = np.cos(omega), np.sin(omega)
        to_sample = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1.0]])
        axis = np.array([0.0, geometry.axis_offset_y, 0.0])
        source = np.array(
            [
                -geometry.source_to_sample,
                geometry.source_offset_y,
                geometry.source_offset_z,
            ]
        )
        detector = np.array([geometry.sample_to_detector, 0.0, 0.0])
        normal, y_axis, z_axis = (to_sample @ geometry.detector.rotation).T
        return cls(
            to_sample @ (source - axis),
            to_sample @ (detector - axis),
            normal,
            y_axis,
            z_axis,
            to_sample @ np.array([0.0, 0.0, 1.0]),
            to_sample @ np.array([0.0, 1.0, 0.0]),
        )
