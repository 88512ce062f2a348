"""A stack of projections: what goes into every job and comes out of most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_labdct.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_labdct.core.geometry import Geometry

Kind = Literal["measured", "simulated", "corrupted", "cleaned", "difference"]


@dataclass(frozen=True)
class ProjectionStack:
    """Projections of one scan.

    Attributes
    ----------
    images
        Grey values, shape (P, rows, columns): a NumPy array, a memory map or a
        lazy dask array. Never changed in place.
    omega_deg
        Rotation angle of each projection, shape (P,) [deg]; NaN where unknown.
    geometry
        Where source, sample and detector are, or None when unknown.
    kind
        How the grey values came to be.
    source
        File, folder or preset the stack comes from, for people to read.
    history
        One sentence for each step done to the grey values, oldest first.
    seed
        Seed of the random numbers in the images, if any.
    exposure_s
        Exposure time of each projection, shape (P,) [s]; None when unknown.
    voltage_kv
        Tube voltage [kV]; None when unknown.
    """

    images: Any
    omega_deg: NDArray[np.float64] | None = None
    geometry: Geometry | None = None
    kind: Kind = "measured"
    source: str = ""
    history: tuple[str, ...] = ()
    seed: int | None = None
    exposure_s: NDArray[np.float64] | None = None
    voltage_kv: float | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.images.shape)
        if len(shape) == 2:
            object.__setattr__(self, "images", self.images[None])
            shape = (1, *shape)
        if len(shape) != 3 or 0 in shape:
            raise InputError(
                f"A projection stack needs shape (projections, rows, columns), "
                f"not {shape}: give a stack of 2-D grey frames."
            )
        if np.dtype(self.images.dtype).kind not in "uif":
            raise InputError(
                f"Grey values of type {self.images.dtype} cannot be used: "
                "convert the frames to integers or floats."
            )
        omega = (
            np.full(shape[0], np.nan)
            if self.omega_deg is None
            else np.asarray(self.omega_deg, np.float64)
        )
        if omega.shape != (shape[0],):
            raise InputError(
                f"{omega.size} rotation angles do not fit {shape[0]} projections: "
                "give one angle for each projection."
            )
        object.__setattr__(self, "omega_deg", omega)
        if self.exposure_s is not None:
            exposure = np.asarray(self.exposure_s, np.float64)
            if exposure.shape != (shape[0],):
                raise InputError(
                    f"{exposure.size} exposure times do not fit {shape[0]} "
                    "projections: give one for each projection."
                )
            object.__setattr__(self, "exposure_s", exposure)

    def __len__(self) -> int:
        return int(self.images.shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Projections, rows, columns."""
        projections, rows, columns = self.images.shape
        return int(projections), int(rows), int(columns)

    @property
    def omega(self) -> NDArray[np.float64]:
        """Rotation angles, shape (P,) [deg]; NaN where unknown."""
        return np.asarray(self.omega_deg, np.float64)

    def frame(self, index: int) -> NDArray[np.float32]:
        """One projection as float32, shape (rows, columns).

        Raises
        ------
        InputError
            If the projection holds NaN or infinite grey values.
        """
        frame = np.asarray(self.images[index], np.float32)
        if not np.isfinite(frame).all():
            raise InputError(
                f"Projection {index} of {self.source or 'the stack'} holds NaN or "
                "infinite grey values: replace them before cleaning."
            )
        return frame

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """Every projection in turn, as `frame` gives it."""
        return (self.frame(index) for index in range(len(self)))

    def with_images(self, images: Any, kind: Kind, step: str) -> ProjectionStack:
        """The same scan with other grey values and one more line of history."""
        return replace(self, images=images, kind=kind, history=(*self.history, step))
