"""Colours for orientations: the inverse pole figure of the rotation axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial.transform import Rotation

    from napari_labdct.physics.crystal import Crystal

_FOLD_DEG = {"hexagonal": 60, "trigonal": 60, "tetragonal": 90}
"""Azimuth after which directions about c repeat; 180 for lower symmetries."""


def ipf_colours(orientation: Rotation, crystal: Crystal) -> NDArray[np.float64]:
    """Colour of each grain by the lattice direction along the sample's z.

    Parameters
    ----------
    orientation
        Orientations, crystal → sample, G rotations.
    crystal
        Whose symmetry makes directions alike.

    Returns
    -------
    colour
        Red, green, blue from 0 to 1, shape (G, 3). Red is c, and for cubic crystals
        green 101 and blue 111; otherwise green is a and blue the middle between two
        equivalent a (30° or 45° from it), or b.
    """
    direction = orientation.inv().apply([0.0, 0.0, 1.0]).reshape(-1, 3)
    system = crystal.system
    if system == "cubic":
        low, middle, high = np.sort(np.abs(direction), axis=1).T
        # the direction as a sum of 001, 101 and 111, each of unit length
        share = np.stack(
            [high - middle, np.sqrt(2) * (middle - low), np.sqrt(3) * low], axis=1
        )
    else:
        fold = np.deg2rad(_FOLD_DEG.get(system, 180))
        azimuth = np.arctan2(direction[:, 1], direction[:, 0]) % fold
        azimuth = np.minimum(azimuth, fold - azimuth)
        flat = np.hypot(direction[:, 0], direction[:, 1])
        blue = flat * np.sin(azimuth) / np.sin(fold / 2)
        green = flat * np.cos(azimuth) - blue * np.cos(fold / 2)
        share = np.stack([np.abs(direction[:, 2]), green, blue], axis=1)
    share = share.clip(0)
    # the square root keeps what lies between the corners bright
    return np.asarray(np.sqrt(share / share.max(axis=1, keepdims=True)), np.float64)
