"""Measured grain maps: GrainMapper3D and DREAM.3D volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.transform import Rotation

from napari_labdct.core import InputError
from napari_labdct.files.hdf5_open import open_hdf5
from napari_labdct.files.lazy import check_claim, reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UM_PER_MM = 1000.0


@dataclass(frozen=True)
class GrainMap:
    """Grains on a grid of voxels.

    Attributes
    ----------
    grain
        Grain of each voxel, from 0; −1 where there is none, shape (nx, ny, nz).
    orientation
        Orientation of each grain, crystal → sample, as matrices (G, 3, 3), in a
        crystal frame with x along a and z along c*.
    spacing
        Edge of the cubic voxels [mm].
    origin
        Centre of voxel (0, 0, 0) relative to the rotation axis [mm].
    filled
        Voxels that are material, shape (nx, ny, nz).
    cell
        a, b, c [Å], α, β, γ [deg] of the first phase, when the file says so.
    source
        File the map comes from.
    """

    grain: NDArray[np.int64]
    orientation: NDArray[np.float64]
    spacing: float
    origin: tuple[float, float, float]
    filled: NDArray[np.bool_]
    cell: tuple[float, ...] | None = None
    source: str = ""


def read_grain_map(path: str | Path) -> GrainMap:
    """Read a grain map: GrainMapper3D ``.h5`` or DREAM.3D ``.dream3d``/``.h5``.

    Needs h5py (``pip install napari-labdct[files]``).

    Raises
    ------
    InputError
        If the file cannot be read, or holds no grain numbers or orientations.

    Notes
    -----
    GrainMapper3D: arrays are (z, y, x), Rodrigues vectors turn the crystal into the
    sample, lengths are mm, grain 0 is no grain. DREAM.3D: Bunge Euler angles turn
    the sample into the crystal, so their ZXZ matrix turns the crystal into the
    sample; radians, or degrees where an angle exceeds 2π; lengths are µm.
    """
    path = Path(path)
    try:
        with open_hdf5(path) as file:
            if "LabDCT/Data" in file:
                return _grainmapper(file, path)
            containers = file.get("DataContainers")
            for container in (containers or {}).values():
                if "CellData" in container:
                    return _dream3d(container, path)
    except InputError:
        raise
    except Exception as error:  # foreign bytes may break the library in any way
        raise InputError(
            f"{path} cannot be read as a grain map ({reason(error)}): "
            "give a GrainMapper3D or DREAM.3D file."
        ) from error
    raise InputError(
        f"{path.name} holds neither LabDCT/Data nor DataContainers/…/CellData: "
        "give a GrainMapper3D or DREAM.3D file."
    )


def _grainmapper(file: Any, path: Path) -> GrainMap:
    data = file["LabDCT/Data"]
    number = _array(data, ("GrainId",), path, "grain numbers")
    rodrigues = _array(
        data, ("Rodrigues",), path, "orientations (Rodrigues)", components=True
    )
    quaternion = np.concatenate([rodrigues, np.ones_like(rodrigues[..., :1])], axis=-1)
    spacing = np.asarray(file["LabDCT/Spacing"], np.float64).reshape(3)
    centre = np.zeros(3)
    if "LabDCT/Center" in file:
        centre = np.asarray(file["LabDCT/Center"], np.float64).reshape(3)
    mask = data["Mask"][()].T > 0 if "Mask" in data else number > 0
    cell = None
    if "PhaseInfo/Phase01/UnitCell" in file:
        cell = tuple(float(v) for v in file["PhaseInfo/Phase01/UnitCell"][()])
    low = centre - (np.array(number.shape) - 1) / 2 * spacing
    return _grain_map(number, quaternion, spacing, low, mask, cell, path)


def _dream3d(container: Any, path: Path) -> GrainMap:
    data = container["CellData"]
    number = _array(data, ("FeatureIds", "GrainID", "GrainIds"), path, "grain numbers")
    euler = _array(
        data, ("EulerAngles",), path, "orientations (EulerAngles)", components=True
    )
    degrees = bool(np.nanmax(np.abs(euler)) > 2 * np.pi + 1e-3)
    turned = Rotation.from_euler("ZXZ", euler.reshape(-1, 3), degrees=degrees)
    quaternion = turned.as_quat().reshape(*euler.shape[:3], 4)
    grid = container["_SIMPL_GEOMETRY"]
    spacing = np.asarray(grid["SPACING"], np.float64).reshape(3) / _UM_PER_MM
    # the grid's own origin is a corner; the rotation axis is taken in its middle
    low = -(np.array(number.shape) - 1) / 2 * spacing
    return _grain_map(number, quaternion, spacing, low, number > 0, None, path)


def _grain_map(
    number: NDArray[np.int64],
    quaternion: NDArray[np.float64],
    spacing: NDArray[np.float64],
    low: NDArray[np.float64],
    filled: NDArray[np.bool_],
    cell: tuple[float, ...] | None,
    path: Path,
) -> GrainMap:
    if np.ptp(spacing) > 1e-3 * spacing.max():
        raise InputError(
            f"{path.name} has voxels of {spacing * _UM_PER_MM} µm: "
            "resample the map to cubic voxels."
        )
    names, first, which = np.unique(number, return_index=True, return_inverse=True)
    kept = names > 0
    turned = quaternion.reshape(-1, 4)[first[kept]]
    if not kept.any() or not np.isfinite(turned).all():
        raise InputError(
            f"{path.name} holds no grain with an orientation: give a map in which "
            "voxels have a grain number above 0 and an orientation."
        )
    grain = np.where(kept, np.cumsum(kept) - 1, -1)
    return GrainMap(
        grain[which.reshape(number.shape)],
        Rotation.from_quat(turned).as_matrix(),
        float(spacing.mean()),
        (float(low[0]), float(low[1]), float(low[2])),
        np.asarray(filled, bool),
        cell,
        str(path),
    )


def _array(
    data: Any,
    names: tuple[str, ...],
    path: Path,
    what: str,
    *,
    components: bool = False,
) -> NDArray[Any]:
    """The first array found, turned from (z, y, x) to (x, y, z)."""
    for name in names:
        if name in data:
            found = data[name]
            check_claim(f"{name} in {path}", found.nbytes, path.stat().st_size)
            array = np.asarray(found)
            if not components and array.ndim == 4:
                array = array[..., 0]
            if array.ndim == (4 if components else 3):
                turned = array.swapaxes(0, 2)
                return turned.astype(np.float64 if components else np.int64)
    raise InputError(
        f"{path.name} holds no {what} in three dimensions: "
        "give a grain map with grain numbers and orientations."
    )
