"""Random polycrystals: grains of asked-for sizes that fill a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from napari_labdct.core import InputError
from napari_labdct.physics.elements import gather_elements
from napari_labdct.physics.outline import Box, Cylinder
from napari_labdct.physics.polycrystal import Polycrystal
from napari_labdct.physics.tessellation import fit_laguerre

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_labdct.physics.crystal import Crystal

_POINTS = 1.5e6  # as many as take about a second
_POINTS_ACROSS_GRAIN = 7  # of the grid on which grain volumes are fitted
_SMALLEST = 0.3  # of the mean size: smaller grains are not grown
_MEAN_WITHIN = 0.99  # of the mean size asked for is what grains have at least


def grow(
    crystal: Crystal,
    outline: Cylinder | Box,
    grain_um: float,
    grain_sd_um: float,
    element_um: float,
    rng: np.random.Generator | int | None = None,
) -> Polycrystal:
    """Fill a sample with random grains.

    Parameters
    ----------
    crystal
        What the grains consist of.
    outline
        The sample.
    grain_um, grain_sd_um
        Mean and standard deviation of the grains' sphere diameters, normally
        distributed [µm]. The number of grains is the sample's volume over that of
        the mean sphere, rounded down. Grains that differ take more room than grains
        of the mean size: where the mean obtained would fall short by more than 1 %,
        there are fewer grains.
    element_um
        Edge of the elements [µm].
    rng
        Random numbers, or a seed. Grains do not depend on `element_um`.
    """
    rng = np.random.default_rng(rng)
    if not 0 < element_um <= grain_um / 2:
        raise InputError(
            f"Elements of {element_um:g} µm cannot make grains of {grain_um:g} µm: "
            "choose an element size of at most half the grain size."
        )
    if isinstance(outline, Cylinder):
        extent = np.array([2 * outline.radius, 2 * outline.radius, outline.height])
        whole = np.pi / 4 * float(extent.prod())
    else:
        extent = np.array(outline.size)
        whole = float(extent.prod())
    # ⟨d³⟩ of a normal distribution is its mean cubed times this
    larger = 1 + 3 * (grain_sd_um / grain_um) ** 2
    room = max(1.0, larger * _MEAN_WITHIN**3) * np.pi / 6 * (grain_um / 1000) ** 3
    # the small term keeps a volume of just n grains from rounding down to n − 1
    count = int(whole / room + 1e-9)
    if count < 1:
        raise InputError(
            f"A sample of {whole:.3g} mm³ holds no grain of {grain_um:g} µm: "
            "take a larger sample or smaller grains."
        )
    size = _sizes(grain_um, grain_sd_um, count, rng)
    wanted = np.clip(size, _SMALLEST * grain_um, None) ** 3
    grid = _grid(outline, extent, grain_um / 1000 / _POINTS_ACROSS_GRAIN)
    grains = fit_laguerre(grid, wanted / wanted.sum(), rng)
    orientation = Rotation.random(count, rng)  # uniform on SO(3)
    # three points across an element: halving it moves no spot by a tenth of a pixel
    elements = whole / (element_um / 1000) ** 3
    across = next((n for n in (3, 2) if elements * n**3 < _POINTS), 1)
    point = _grid(outline, extent, element_um / 1000 / across)
    centre, volume, grain_of = gather_elements(
        point, grains.grain_of(point), element_um / 1000, whole / len(point)
    )
    return Polycrystal(crystal, orientation, centre, volume, grain_of, outline)


def _sizes(
    mean: float, spread: float, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Normal random numbers whose own mean and standard deviation are exact."""
    drawn = rng.normal(0, 1, count)
    if count < 3:  # too few to have a distribution
        return np.asarray(mean + spread * drawn, np.float64)
    return np.asarray(mean + spread * (drawn - drawn.mean()) / drawn.std(), np.float64)


def _grid(
    outline: Cylinder | Box, extent: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    """Centres of cubes that fill the outline, shape (N, 3) [mm]."""
    axes = []
    for length in extent:
        cells = max(int(np.ceil(length / step - 1e-9)), 1)
        axes.append((np.arange(cells) - (cells - 1) / 2) * step)
    point = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = (np.abs(point) < extent / 2).all(axis=1)
    if isinstance(outline, Cylinder):
        inside &= np.hypot(point[:, 0], point[:, 1]) < outline.radius
    return np.asarray(point[inside], np.float64)
