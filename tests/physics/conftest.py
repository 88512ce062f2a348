"""Small samples and beams that many tests share."""

import numpy as np
import pytest

from napari_labdct.core import Detector, Geometry
from napari_labdct.physics import Crystal, Polycrystal, Spectrum


@pytest.fixture(scope="session")
def aluminium():
    return Polycrystal.random_cylinder(
        Crystal.preset("Al"), diameter_um=200, height_um=200, rng=3
    )


@pytest.fixture(scope="session")
def smooth():
    """A spectrum without lines that fades out at both ends."""
    energy = np.arange(8, 140.1, 0.5)
    return Spectrum(energy, 1e3 * np.exp(-(((energy - 65) / 22) ** 2)))


@pytest.fixture(scope="session")
def small_geometry():
    """11/11 mm on a coarse detector, so that tests are quick."""
    return Geometry(detector=Detector(rows=500, columns=500, pixel_size=13.64))
