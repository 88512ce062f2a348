"""What a stack knows beside its grey values, as JSON in a TIFF's ImageDescription."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_labdct.core import Geometry, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_labdct.core import ProjectionStack

MARK = "napari-labdct"
"""Key that tells the package's own descriptions; its value is their version."""


def describe(stack: ProjectionStack) -> str:
    """JSON in plain ASCII: angles, geometry, kind, source, history and seed."""
    angles = [None if math.isnan(angle) else angle for angle in stack.omega.tolist()]
    geometry = stack.geometry
    return json.dumps(
        {
            MARK: 1,
            "frames": len(stack),
            "kind": stack.kind,
            "source": stack.source,
            "history": list(stack.history),
            "seed": stack.seed,
            "omega_deg": angles,
            "geometry": None if geometry is None else geometry.model_dump(mode="json"),
        }
    )


def restore(stack: ProjectionStack, description: str, path: Path) -> ProjectionStack:
    """The stack with what `describe` wrote; as it is when others wrote the file.

    Raises
    ------
    InputError
        If the description speaks of another number of frames than the file has.
    """
    if MARK not in description:
        return stack
    try:
        known = json.loads(description)
        count = int(known["frames"])
        angles = [math.nan if angle is None else angle for angle in known["omega_deg"]]
        geometry = known["geometry"]
        described = replace(
            stack,
            omega_deg=np.array(angles) if count == len(stack) else None,
            geometry=None if geometry is None else Geometry.model_validate(geometry),
            kind=known["kind"],
            source=known["source"],
            history=tuple(known["history"]),
            seed=known["seed"],
        )
    except (ValueError, KeyError, TypeError):
        warnings.warn(
            f"The description in {path} is not understood: angles, geometry and "
            "history are left out.",
            stacklevel=5,
        )
        return stack
    if count != len(stack):
        raise InputError(
            f"{path} holds {len(stack)} frames, but was written with {count}: read "
            "the file it was made from."
        )
    return described
