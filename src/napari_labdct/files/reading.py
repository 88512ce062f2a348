"""The one way in: whatever holds projections becomes a stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_labdct.core import InputError
from napari_labdct.files.tiff import read_tiff
from napari_labdct.files.txrm import SUFFIXES as TXRM_SUFFIXES
from napari_labdct.files.txrm import read_txrm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_labdct.core import ProjectionStack

Flip = Literal["auto", "yes", "no"]


def read_stack(
    path: str | Path | Sequence[str | Path],
    *,
    omega_start: float | None = None,
    omega_step: float | None = None,
    flip: Flip = "auto",
) -> ProjectionStack:
    """Read projections; grey values are read when they are asked for.

    Parameters
    ----------
    path
        A folder of TIFF files (taken in natural order: ``2`` before ``10``), one
        TIFF file of one or many pages, a list of TIFF files in the wanted order, or
        a Zeiss ``.txrm`` file. TIFF may be classic or BigTIFF, OME or ImageJ, 8, 16
        or 32 bit or float.
    omega_start, omega_step
        Rotation angle of the first projection and step between projections
        [deg]. When empty, angles are taken from the file if it holds them, and are
        unknown (NaN) otherwise.
    flip
        ``"yes"`` turns the frames upside down, ``"no"`` leaves them as stored,
        ``"auto"`` follows the Orientation tag of TIFF files, and turns ``.txrm``
        frames, so that row 0 is at the top.

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
    if flip not in ("auto", "yes", "no"):
        raise InputError(f'flip is "{flip}": give "auto", "yes" or "no".')
    if not isinstance(path, str | Path) and len(path) == 1:
        path = path[0]
    if isinstance(path, str | Path) and Path(path).suffix.lower() in TXRM_SUFFIXES:
        stack = read_txrm(Path(path), flip)
    else:
        stack = read_tiff(path, flip)
    return _with_angles(stack, omega_start, omega_step)


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
