"""Lists of grains: place, orientation and size, in CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from napari_labdct.core import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MATRIX = [f"u{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)]
_EULER = ["phi1", "phi", "phi2"]
_PLACE = ["x_mm", "y_mm", "z_mm"]


@dataclass(frozen=True)
class GrainList:
    """Grains known by place, orientation and size.

    Attributes
    ----------
    position
        Centres of mass, shape (G, 3) [mm].
    orientation
        Orientation of each grain, crystal → sample, as matrices (G, 3, 3).
    diameter_um
        Diameter of a sphere as large as the grain, shape (G,) [µm]; NaN if unknown.
    source
        File the list comes from.
    """

    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    diameter_um: NDArray[np.float64]
    source: str = ""


def read_grain_list(path: str | Path) -> GrainList:
    """Read a list of grains from CSV, one row a grain.

    Columns `x_mm, y_mm, z_mm`; orientation, crystal → sample, as `u11 … u33` or as
    Bunge Euler angles `phi1, phi, phi2` [deg]; `diameter_um` when known.

    Raises
    ------
    InputError
        If the file cannot be read or lacks a column.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path).rename(columns=lambda name: str(name).lower())
        if not isinstance(table.index, pd.RangeIndex):  # pandas makes names of them
            raise ValueError("rows hold more values than there are headings")
        for name in {*_PLACE, *_MATRIX, *_EULER, "diameter_um"} & set(table.columns):
            table[name] = table[name].astype(np.float64)
    except Exception as error:  # foreign bytes may break the parser in any way
        why = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise InputError(
            f"{path} cannot be read as a list of grains ({why}): give a CSV file "
            f"with the columns {', '.join(_PLACE)} and orientations."
        ) from error
    missing = [name for name in _PLACE if name not in table]
    if missing or table.empty:
        raise InputError(
            f"{path.name} holds no {', '.join(missing) or 'rows'}: "
            "a list of grains has a row for each grain, with its place in mm."
        )
    if set(_MATRIX) <= set(table.columns):
        matrix = table[_MATRIX].to_numpy(np.float64).reshape(-1, 3, 3)
    elif set(_EULER) <= set(table.columns):
        angles = table[_EULER].to_numpy(np.float64)
        matrix = Rotation.from_euler("ZXZ", angles, degrees=True).as_matrix()
    else:
        raise InputError(
            f"{path.name} holds no orientations: give the columns u11 … u33, or "
            f"{', '.join(_EULER)}."
        )
    if not np.isfinite(matrix).all() or not np.isfinite(table[_PLACE]).all(axis=None):
        raise InputError(
            f"{path.name} holds a place or an orientation that is no number: complete "
            "the row, or leave it out."
        )
    off = np.abs(matrix @ matrix.swapaxes(1, 2) - np.eye(3)).max(axis=(1, 2))
    if not (off < 0.01).all() or not (np.linalg.det(matrix) > 0).all():
        row = int(np.flatnonzero(~(off < 0.01) | ~(np.linalg.det(matrix) > 0))[0])
        raise InputError(
            f"{path.name}: the orientation in row {row + 1} is no rotation matrix: "
            "give a right-handed orthonormal matrix, crystal to sample."
        )
    diameter = np.full(len(table), np.nan)
    if "diameter_um" in table:
        diameter = table["diameter_um"].to_numpy(np.float64)
    return GrainList(table[_PLACE].to_numpy(np.float64), matrix, diameter, str(path))
