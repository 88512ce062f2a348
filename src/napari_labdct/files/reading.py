"""The one way in: whatever holds projections becomes a stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from napari_labdct.core import InputError
from napari_labdct.core.turn import Flip, Turn
from napari_labdct.files.angles import read_angles
from napari_labdct.files.hdf5 import SUFFIXES as HDF5_SUFFIXES
from napari_labdct.files.hdf5 import read_hdf5
from napari_labdct.files.tiff import read_tiff
from napari_labdct.files.txrm import SUFFIXES as TXRM_SUFFIXES
from napari_labdct.files.txrm import read_txrm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_labdct.core import ProjectionStack


def read_stack(
    path: str | Path | Sequence[str | Path],
    *,
    omega_start: float | None = None,
    omega_step: float | None = None,
    angles: str | Path | None = None,
    dataset: str | None = None,
    flip: Flip = "auto",
) -> ProjectionStack:
    """Read projections; grey values are read when they are asked for.

    Parameters
    ----------
    path
        A folder of TIFF files (taken in natural order: ``2`` before ``10``), one
        TIFF file of one or many pages, a list of TIFF files in the wanted order, a
        Zeiss ``.txrm`` file, or an HDF5 file (NeXus, Data Exchange, others). TIFF
        may be classic or BigTIFF, OME or ImageJ, 8, 16 or 32 bit or float.
    omega_start, omega_step
        Rotation angle of the first projection and step between projections
        [deg]. When empty, angles are taken from the file if it holds them, and are
        unknown (NaN) otherwise.
    angles
        Text or CSV file with the rotation angle of each projection [deg], instead
        of start and step; see `read_angles`.
    dataset
        Name of the dataset in an HDF5 file, such as ``"/entry/data/data"``; found
        when empty if there is no doubt.
    flip
        ``"auto"`` follows the Orientation tag of TIFF files, and turns ``.txrm``
        frames, so that row 0 is at the top. ``"no"`` leaves the frames as stored,
        ``"rows"`` turns them upside down, ``"columns"`` swaps left and right,
        ``"both"`` is half a turn.

    Returns
    -------
    ProjectionStack
        With `images` as a memory map where the file allows it, as a lazy dask
        array (one chunk a frame) elsewhere. Files this package wrote come back
        with angles, geometry, kind, source, seed and history.

    Raises
    ------
    InputError
        If the files are missing, unreadable, truncated or no stack of equally
        sized 2-D frames. NaN is found when its frame is read.
    """
    if flip not in get_args(Flip):
        raise InputError(f'flip is "{flip}": give {", ".join(get_args(Flip))}.')
    if not isinstance(path, str | Path) and len(path) == 1:
        path = path[0]
    suffix = Path(path).suffix.lower() if isinstance(path, str | Path) else ""
    if dataset is not None and suffix not in HDF5_SUFFIXES:
        raise InputError(
            f"The dataset {dataset!r} cannot be looked for in {path}: only HDF5 files "
            f"({', '.join(HDF5_SUFFIXES)}) hold datasets."
        )
    if suffix in TXRM_SUFFIXES:
        stack = read_txrm(Path(str(path)), flip)
    elif suffix in HDF5_SUFFIXES:
        stack = read_hdf5(Path(str(path)), dataset)
    else:
        stack = read_tiff(path, flip)
    stack = Turn.named(flip).stack(stack, "on reading, as asked")
    if angles is not None:
        if omega_start is not None or omega_step is not None:
            raise InputError(
                f"Angles are given by {angles} and by omega_start or omega_step too: "
                "give one of them."
            )
        return _with_table(stack, angles)
    return _with_angles(stack, omega_start, omega_step)


def _with_table(stack: ProjectionStack, path: str | Path) -> ProjectionStack:
    omega = read_angles(path)
    if len(omega) != len(stack):
        raise InputError(
            f"{path} holds {len(omega)} angles, but the scan has {len(stack)} "
            "projections: give one angle for each projection."
        )
    return replace(stack, omega_deg=omega)


def _with_angles(
    stack: ProjectionStack, start: float | None, step: float | None
) -> ProjectionStack:
    if start is None and step is None:
        return stack
    if step is None and len(stack) > 1:
        raise InputError(
            f"omega_start is given for {len(stack)} projections without omega_step: "
            "give the step between projections [deg] too."
        )
    steps = np.arange(len(stack), dtype=np.float64)
    angles = (start or 0.0) + (step or 0.0) * steps
    return replace(stack, omega_deg=angles)
