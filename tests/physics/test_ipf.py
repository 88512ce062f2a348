import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_labdct.physics import Crystal, ipf_colours

ALUMINIUM, MAGNESIUM = Crystal.preset("Al"), Crystal.preset("Mg")
ROOT = np.sqrt(1 / 2)


def showing(direction):
    """An orientation that turns a crystal direction to the sample's z."""
    return Rotation.align_vectors([[0, 0, 1]], [np.asarray(direction, float)])[0]


@pytest.mark.parametrize(
    ("crystal", "direction", "colour"),
    [
        (ALUMINIUM, (0, 0, -1), (1, 0, 0)),
        (ALUMINIUM, (0, 1, 0), (1, 0, 0)),
        (ALUMINIUM, (0, ROOT, -ROOT), (0, 1, 0)),
        (ALUMINIUM, (-1, 1, 1), (0, 0, 1)),
        (MAGNESIUM, (0, 0, 1), (1, 0, 0)),
        (MAGNESIUM, (1, 0, 0), (0, 1, 0)),
        (MAGNESIUM, (-0.5, np.sqrt(0.75), 0), (0, 1, 0)),
        (MAGNESIUM, (np.sqrt(0.75), 0.5, 0), (0, 0, 1)),
    ],
)
def test_corners(crystal, direction, colour):
    found = ipf_colours(Rotation.concatenate([showing(direction)]), crystal)
    np.testing.assert_allclose(found, [colour], atol=1e-3)


@pytest.mark.parametrize(
    ("crystal", "symmetry"),
    [
        (ALUMINIUM, Rotation.create_group("O")),
        (MAGNESIUM, Rotation.create_group("D6")),
    ],
)
def test_colours_know_the_symmetry(crystal, symmetry):
    turn = Rotation.random(20, np.random.default_rng(0))
    expected = ipf_colours(turn, crystal)
    for one in symmetry:
        np.testing.assert_allclose(ipf_colours(turn * one, crystal), expected)
    assert len(np.unique(expected.round(6), axis=0)) == 20
