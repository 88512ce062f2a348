import numpy as np
import pytest
import torch

from napari_labdct.physics.outline import Box, Cylinder, VoxelMask


def rays(rng, inside, count=400):
    """Points inside and unit vectors, both (3, N)."""
    point = rng.uniform(-1, 1, (50 * count, 3))
    point = point[inside(point)][:count]
    direction = rng.normal(size=(len(point), 3))
    return point.T, (direction / np.linalg.norm(direction, axis=1)[:, None]).T


def marched(inside, point, direction, step=2e-3):
    length = np.arange(0, 5, step) + step / 2
    along = point.T[:, None] + length[:, None] * direction.T[:, None]
    return inside(along.reshape(-1, 3)).reshape(len(along), -1).sum(1) * step


def in_cylinder(p):
    return (np.hypot(p[:, 0], p[:, 1]) < 0.6) & (np.abs(p[:, 2]) < 0.4)


def in_box(p):
    return (np.abs(p) < np.array([0.5, 0.3, 0.7])).all(1)


@pytest.mark.parametrize(
    ("outline", "inside"),
    [(Cylinder(0.6, 0.8), in_cylinder), (Box((1.0, 0.6, 1.4)), in_box)],
)
def test_paths_are_those_of_marching(outline, inside):
    point, direction = rays(np.random.default_rng(0), inside)
    found = outline.path(point, direction)
    np.testing.assert_allclose(found, marched(inside, point, direction), atol=3e-3)
    assert found.max() < outline.reach


@pytest.mark.parametrize("outline", [Cylinder(0.6, 0.8), Box((1.0, 0.6, 1.4))])
def test_torch_and_numpy_agree(outline):
    inside = in_cylinder if isinstance(outline, Cylinder) else in_box
    point, direction = rays(np.random.default_rng(1), inside)
    tensors = [tuple(map(torch.as_tensor, v)) for v in (point, direction)]
    np.testing.assert_allclose(
        outline.path(*tensors).numpy(), outline.path(point, direction)
    )


def test_a_voxel_cylinder_is_a_cylinder():
    axis = np.arange(-0.7, 0.701, 0.02)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    filled = in_cylinder(grid.reshape(-1, 3)).reshape(grid.shape[:3])
    mask = VoxelMask(filled, 0.02, (axis[0],) * 3)
    point, direction = rays(np.random.default_rng(2), in_cylinder)
    tensors = [tuple(map(torch.as_tensor, v)) for v in (point, direction)]
    exact = Cylinder(0.6, 0.8).path(point, direction)
    difference = mask.path(*tensors).numpy() - exact
    assert np.abs(difference).mean() < 0.02  # a voxel
    assert abs(difference.mean()) < 0.005


def test_holes_do_not_weaken_rays():
    filled = np.ones((21, 21, 21), bool)
    filled[12:18] = False
    mask = VoxelMask(filled, 0.1, (-1.0, -1.0, -1.0))
    start = torch.zeros(1), torch.zeros(1), torch.zeros(1)
    along_x = torch.ones(1), torch.zeros(1), torch.zeros(1)
    along_y = torch.zeros(1), torch.ones(1), torch.zeros(1)
    assert mask.path(start, along_x).item() == pytest.approx(1.05 - 0.6, abs=0.06)
    assert mask.path(start, along_y).item() == pytest.approx(1.05, abs=0.06)
