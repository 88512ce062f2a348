"""Direct hits of the sensor: sharper than any point spread allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 6.0
"""Height above its surroundings that makes a pixel suspicious [σ]."""

SHARPNESS = 2 / 3
"""Height over the surroundings' own, above which a pixel is no spot. The centre of
a Gaussian spot of σ = 0.8 px stands 0.6 times its surroundings above them."""


def without_zingers(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace single hot pixels by the median of their neighbours.

    Parameters
    ----------
    units
        Frame above background in units of noise, shape (rows, columns).

    Returns
    -------
    calm
        The same with isolated sharp pixels replaced.
    """
    middle = ndimage.median_filter(units, 3, mode="nearest")
    height = units - middle
    around = ndimage.maximum_filter(middle, 3, mode="nearest")
    sharp = (height > LEAST) & (height > SHARPNESS * around)
    return np.asarray(np.where(sharp, middle, units), np.float32)
