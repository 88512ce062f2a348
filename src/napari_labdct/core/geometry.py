"""Where source, sample, detector and beam stop are.

Right-handed laboratory frame with its origin on the rotation axis: x along the
beam, z up along the rotation axis, y = z × x. The source is at
(−L_ss, 0, 0), the untilted detector plane at x = +L_sd. Arrays are
(ω, row, column), pixel centres at integers; row 0 is at the top (+z), column 0
at the left as seen looking downstream (+y).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Parameters(BaseModel):
    """Base of every parameter model: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Detector(Parameters):
    """A flat pixel detector."""

    rows: int = Field(1015, ge=1, le=32768, description="Number of rows [px].")
    columns: int = Field(1015, ge=1, le=32768, description="Number of columns [px].")
    pixel_size: float = Field(
        6.72, gt=0, le=1000, description="Effective pixel size at the detector [µm]."
    )
    centre_row: float | None = Field(
        None,
        description="Row where the beam axis meets the detector [px]; "
        "the middle of the frame when empty.",
    )
    centre_column: float | None = Field(
        None,
        description="Column where the beam axis meets the detector [px]; "
        "the middle of the frame when empty.",
    )
    tilt_x: float = Field(
        0.0, ge=-45, le=45, description="Rotation about the beam x [deg], first."
    )
    tilt_y: float = Field(
        0.0, ge=-45, le=45, description="Rotation about y [deg], second."
    )
    tilt_z: float = Field(
        0.0, ge=-45, le=45, description="Rotation about z [deg], last: R = Rz·Ry·Rx."
    )
    blur_sigma: float = Field(
        0.7, ge=0, le=20, description="Point spread of the detector, Gaussian σ [px]."
    )

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column where the beam axis meets the detector [px]."""
        row = (self.rows - 1) / 2 if self.centre_row is None else self.centre_row
        column = (
            (self.columns - 1) / 2 if self.centre_column is None else self.centre_column
        )
        return row, column

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns [px]."""
        return self.rows, self.columns

    @property
    def rotation(self) -> NDArray[np.float64]:
        """R = Rz·Ry·Rx, shape (3, 3): the columns are normal, y and z of the plane."""
        matrix = np.eye(3)
        for axis, angle in enumerate((self.tilt_x, self.tilt_y, self.tilt_z)):
            cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
            turn = np.eye(3)
            second, third = (axis + 1) % 3, (axis + 2) % 3
            turn[second, second] = turn[third, third] = cosine
            turn[second, third], turn[third, second] = -sine, sine
            matrix = turn @ matrix
        return matrix


class BeamStop(Parameters):
    """A rectangular beam stop in front of the detector."""

    height: float = Field(
        0.0, ge=0, le=1000, description="Height of the shadow at the detector [mm]."
    )
    width: float = Field(
        0.0, ge=0, le=1000, description="Width of the shadow at the detector [mm]."
    )
    offset_y: float = Field(
        0.0, description="Shift of the shadow towards +y (left) [mm]."
    )
    offset_z: float = Field(
        0.0, description="Shift of the shadow towards +z (up) [mm]."
    )
    transmission: float = Field(
        0.0, ge=0, le=1, description="Fraction of the photons that pass."
    )
    edge: float = Field(
        0.0, ge=0, le=10, description="Softness of the edge, Gaussian σ [mm]."
    )


class Geometry(Parameters):
    """Source, sample axis, detector and beam stop of one scan."""

    source_to_sample: float = Field(
        11.0, gt=0, le=10000, description="Source-to-sample distance L_ss [mm]."
    )
    sample_to_detector: float = Field(
        11.0, gt=0, le=10000, description="Sample-to-detector distance L_sd [mm]."
    )
    detector: Detector = Detector()
    beam_stop: BeamStop = BeamStop()
    source_offset_y: float = Field(
        0.0, ge=-10, le=10, description="Source off the beam axis, along y [mm]."
    )
    source_offset_z: float = Field(
        0.0, ge=-10, le=10, description="Source off the beam axis, along z [mm]."
    )
    axis_offset_y: float = Field(
        0.0, ge=-10, le=10, description="Rotation axis off the beam axis, along y [mm]."
    )
    source_size: float = Field(
        2.0, ge=0, le=1000, description="Source size, full width at half maximum [µm]."
    )

    @property
    def magnification(self) -> float:
        """Geometric magnification (L_ss + L_sd) / L_ss."""
        return (self.source_to_sample + self.sample_to_detector) / self.source_to_sample

    @property
    def is_laue_focusing(self) -> bool:
        """Whether L_ss and L_sd agree within 10 %: spots are arcs, not images."""
        ratio = self.sample_to_detector / self.source_to_sample
        return 1 / 1.1 <= ratio <= 1.1

    def to_pixels(
        self, y: NDArray[np.float64], z: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Turn detector coordinates into (row, column).

        Parameters
        ----------
        y, z
            Coordinates in the detector plane, from the point where the beam
            axis meets it, along the detector's own y and z [mm].

        Returns
        -------
        row, column
            Pixel coordinates; integers are pixel centres [px].
        """
        row, column = self.detector.centre
        scale = 1000 / self.detector.pixel_size
        return row - z * scale, column - y * scale

    def beam_stop_mask(self) -> NDArray[np.bool_]:
        """Pixels whose centre lies in the beam stop's shadow, shape (rows, columns)."""
        detector, stop = self.detector, self.beam_stop
        row, column = detector.centre
        size = detector.pixel_size / 1000
        z = (row - np.arange(detector.rows)) * size - stop.offset_z
        y = (column - np.arange(detector.columns)) * size - stop.offset_y
        inside_z, inside_y = np.abs(z) < stop.height / 2, np.abs(y) < stop.width / 2
        shadow: NDArray[np.bool_] = inside_z[:, None] & inside_y
        return shadow


class ScanPlan(Parameters):
    """The rotation of a scan."""

    omega_start: float = Field(
        0.0, ge=-720, le=720, description="First rotation angle ω [deg]."
    )
    omega_step: float = Field(
        2.0, ge=-180, le=180, description="Step between projections [deg]."
    )
    count: int = Field(
        181,
        ge=1,
        le=100000,
        title="projections",
        description="Number of projections.",
    )
    exposure: float = Field(
        600.0, gt=0, le=1e6, description="Exposure time per projection [s]."
    )

    @property
    def omega_deg(self) -> NDArray[np.float64]:
        """Rotation angles ω, shape (count,) [deg]."""
        steps = np.arange(self.count, dtype=np.float64)
        return self.omega_start + self.omega_step * steps
