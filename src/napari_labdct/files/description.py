"""What a stack knows beside its grey values, as JSON beside them in the file."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from napari_labdct.core import Geometry, InputError
from napari_labdct.core.stack import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from napari_labdct.core import ProjectionStack

MARK = "napari-labdct"
"""Key that tells the package's own descriptions; its value is their version."""


def describe(stack: ProjectionStack) -> str:
    """JSON in plain ASCII: angles, geometry, kind, source, history and seed."""
    angles = [None if math.isnan(angle) else angle for angle in stack.omega.tolist()]
    geometry, exposure = stack.geometry, stack.exposure_s
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
            "exposure_s": None if exposure is None else exposure.tolist(),
            "voltage_kv": stack.voltage_kv,
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
        geometry, voltage = known["geometry"], known.get("voltage_kv")
        exposure = known.get("exposure_s") if count == len(stack) else None
        if known["kind"] not in get_args(Kind):
            raise ValueError("no such kind of grey values")
        described = replace(
            stack,
            omega_deg=np.array(angles) if count == len(stack) else None,
            geometry=None if geometry is None else Geometry.model_validate(geometry),
            kind=known["kind"],
            source=str(known["source"]),
            history=tuple(str(line) for line in known["history"]),
            seed=None if known["seed"] is None else int(known["seed"]),
            exposure_s=None if exposure is None else np.array(exposure),
            voltage_kv=None if voltage is None else float(voltage),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
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
