"""Points that stand for an element leave no lattice in the picture."""

import numpy as np
import pytest
from scipy import ndimage

from napari_labdct.physics.footprint import blur_kernel, element_points


@pytest.mark.parametrize("sigma", [0.6, 0.7, 1.0, 1.5])
@pytest.mark.parametrize("spacing", [0.5, 0.9, 1.2, 1.5, 1.79, 1.9, 2.5, 3.6, 6.0])
def test_a_row_of_elements_is_drawn_as_an_even_line(sigma, spacing):
    # One spot, in which elements lie `spacing` px apart along the rows alone.
    slope = np.zeros((1, 2, 3))
    slope[0, 0, 2] = spacing
    points = element_points(slope, 1.0, max(2.7 * sigma, 1.0))[:, 0, 0]
    at = (np.arange(20, 180, spacing)[:, None] + points).ravel()
    first = np.floor(at).astype(int)
    line = np.bincount(first, 1 - (at - first), 200)
    line += np.bincount(first + 1, at - first, 200)
    half = blur_kernel(sigma)
    line = ndimage.convolve1d(line, np.r_[half[:0:-1], half])[60:140]
    assert np.ptp(line) / line.mean() < 0.35
    assert line.mean() == pytest.approx(points.size / spacing, rel=0.05)
