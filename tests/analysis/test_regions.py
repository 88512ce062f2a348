"""Pixels into regions: against flooding, and on hills one knows."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from napari_labdct.analysis.regions import connected_to, largest, split_regions


def hills(places, heights, sigma=3.0, shape=(60, 80)):
    row, column = np.mgrid[: shape[0], : shape[1]]
    land = np.zeros(shape)
    for (r, c), height in zip(places, heights, strict=True):
        land += height * np.exp(-((row - r) ** 2 + (column - c) ** 2) / (2 * sigma**2))
    return land.astype(np.float32)


def count(land, **kwargs):
    given = {"depth": 0.0, "contrast": 0.0, "least": 0.0} | kwargs
    region = split_regions(land, np.flatnonzero(land > 1), **given)
    return len(np.unique(region))


def test_equals_watershed_without_merging():
    land = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(50, 70)), 2)
    land = (land / land.std()).astype(np.float32)
    support = land > 0.3
    pixels = np.flatnonzero(support)
    region = split_regions(land, pixels, depth=0, contrast=0, least=-9)
    ours = np.full(land.size, -1)
    ours[pixels] = region
    theirs = watershed(-land, mask=support, connectivity=2).ravel()
    assert region.max() + 1 == theirs.max()
    # Borders may differ by the order of flooding; the cores may not.
    agree = 0
    for label in range(region.max() + 1):
        agree += np.bincount(theirs[ours == label]).max()
    assert agree > 0.95 * pixels.size


def test_two_hills_are_two_regions_and_keep_their_sides():
    land = hills([(30, 30), (30, 42)], [10, 8])
    pixels = np.flatnonzero(land > 1)
    region = split_regions(land, pixels, depth=1, contrast=0.1, least=0)
    _, column = np.divmod(pixels, land.shape[1])
    left = region[column == 30][0]
    assert (region[column < 35] == left).all()
    assert (region[column > 37] != left).all()


@pytest.mark.parametrize(
    ("rule", "regions"),
    [
        ({}, 2),
        ({"depth": 2.0}, 2),
        ({"depth": 20.0}, 1),
        ({"contrast": 0.2}, 2),
        ({"contrast": 0.9}, 1),
        ({"least": 7.0}, 2),
        ({"least": 9.0}, 1),
    ],
)
def test_shallow_low_or_small_hills_are_merged(rule, regions):
    assert count(hills([(30, 30), (30, 42)], [10, 8]), **rule) == regions


def test_separate_islands_are_never_merged():
    assert count(hills([(10, 10), (50, 70)], [10, 3]), depth=50, least=50) == 2


def test_plateaus_are_one_region():
    land = np.zeros((20, 20), np.float32)
    land[5:9, 5:15] = 4.0
    assert count(land, depth=0.5) == 1


def test_support_up_to_the_border_and_nothing_at_all():
    land = np.full((6, 7), 2.0, np.float32)
    assert count(land, depth=0.5) == 1
    none = np.empty(0, np.intp)
    assert split_regions(land, none, depth=1, contrast=0, least=0).size == 0


def test_opposite_borders_do_not_touch():
    land = np.zeros((8, 9), np.float32)
    land[3, 0] = land[3, 8] = land[4, 0] = 5
    assert count(land, depth=100, contrast=0.9) == 2


def test_largest_and_connected_to():
    region = np.array([1, 0, 1, 2])
    values = np.array([3.0, -1.0, 5.0, 0.0])
    np.testing.assert_array_equal(largest(values, region), [-1, 5, 0])
    support = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]], bool)
    wanted = np.zeros_like(support)
    wanted[1, 4] = wanted[2, 2] = True
    wanted[2, 0] = True
    assert connected_to(wanted, support).tolist() == [4, 9, 12]


def test_regions_are_divided_further_without_being_joined():
    land = hills([(30, 20), (30, 32), (30, 60)], [10, 8, 6])
    pixels = np.flatnonzero(land > 1e-6)
    half = (pixels % land.shape[1] > 40).astype(np.intp)
    region = split_regions(land, pixels, depth=1, contrast=0, least=0, within=half)
    assert len(np.unique(region)) == 3
    for one in np.unique(region):
        assert len(np.unique(half[region == one])) == 1
    whole = split_regions(land, pixels, depth=99, contrast=0, least=0, within=half)
    assert np.array_equal(whole, half)


@pytest.mark.parametrize(
    ("rule", "regions"),
    [
        ({"contrast": 0.05}, 2),
        ({"contrast": 0.2}, 1),
        ({"structure": 0.05}, 2),
        ({"structure": 0.2}, 1),
    ],
)
def test_a_hill_must_rise_by_a_part_of_the_light(rule, regions):
    land = hills([(30, 30), (30, 42)], [10, 8])
    assert count(land, light=5 * land, **rule) == regions
