"""The corruption of Hovad et al. 2020: a constant background, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def constant_background(
    content: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    threshold: int = 5,
    lowest: int = 25,
    highest: int = 225,
    per_pixel: bool = False,
) -> NDArray[np.uint8]:
    """Set every dark pixel of a content image to a grey value Δ.

    x = Δ where y_c < α, else y_c, with Δ a discrete uniform number (Hovad et al.
    2020, Integr. Mater. Manuf. Innov. 9, 315).

    Parameters
    ----------
    content
        Simulated projection y_c, shape (rows, columns), 8-bit grey values.
    rng
        Source of Δ.
    threshold
        α: pixels below it count as background.
    lowest, highest
        Range of Δ, both ends included.
    per_pixel
        Draw Δ for every pixel. The paper's text leaves open which is meant; its
        "constant background" and its figure mean one Δ an image, the default.
    """
    size = content.shape if per_pixel else None
    delta = rng.integers(lowest, highest, size=size, endpoint=True)
    return np.where(content < threshold, delta, content).astype(np.uint8)
