"""Stacks that know unlike much, open together."""

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer

from napari_labdct.plugin import adding, grid, layers
from napari_labdct.plugin.samples import sample_scan_with_spots


@pytest.fixture
def unknown(small_stack):
    """A stack without angles and pixel size."""
    return replace(small_stack, omega_deg=None, geometry=None)


def units(layer):
    return [str(unit) for unit in layer.units]


def consistent(viewer):
    """What napari asks for; else it warns, and does not use units at all."""
    return viewer.layers.extent.units is not None


def test_a_stack_alone_lies_on_its_own_grid(viewer, small_stack, unknown):
    known = adding.add_stack(viewer, small_stack, "known")
    grid.settle(viewer)
    assert units(known) == ["degree", "micrometer", "micrometer"]
    assert grid.pixel_size_um(known) == pytest.approx(6.72)
    assert grid.remark(known) == ""
    viewer.layers.clear()
    counted = adding.add_stack(viewer, unknown, "unknown")
    grid.settle(viewer)
    assert units(counted) == ["pixel"] * 3
    assert grid.pixel_size_um(counted) is None
    assert grid.remark(counted) == ""


@pytest.mark.parametrize("order", [0, 1])
def test_the_first_decides_and_the_other_keeps_what_it_knows(
    viewer, small_stack, unknown, order
):
    stacks = [small_stack, unknown][:: 1 - 2 * order]
    first, second = (
        adding.add_stack(viewer, stack, name)
        for stack, name in zip(stacks, "ab", strict=True)
    )
    before = units(first), tuple(first.scale), tuple(first.translate)
    grid.settle(viewer)
    assert consistent(viewer)
    assert (units(first), tuple(first.scale), tuple(first.translate)) == before
    # Pixel on pixel, projection on projection.
    np.testing.assert_allclose(second.extent.world, first.extent.world)
    assert "angles and a pixel size" in grid.remark(second)
    assert grid.remark(first) == ""
    sizes = [grid.pixel_size_um(layer) for layer in (first, second)]
    assert sizes == ([6.72, None] if order == 0 else [None, 6.72])
    for layer, stack in zip((first, second), stacks, strict=True):
        np.testing.assert_array_equal(layers.stack_of(layer).omega, stack.omega)


def test_it_goes_back_to_its_own_grid_when_it_is_alone(viewer, small_stack, unknown):
    counted = adding.add_stack(viewer, unknown, "unknown")
    known = adding.add_stack(viewer, small_stack, "known")
    grid.settle(viewer)
    assert units(known) == ["pixel"] * 3
    viewer.layers.remove(counted)
    grid.settle(viewer)
    assert units(known) == ["degree", "micrometer", "micrometer"]
    np.testing.assert_allclose(known.scale, [2, 6.72, 6.72])


def test_what_is_given_by_hand_brings_both_to_their_own(viewer, small_stack, unknown):
    counted = adding.add_stack(viewer, unknown, "unknown")
    zeros = np.zeros(unknown.shape, np.float32)
    results = adding.add_results(viewer, counted, zeros, zeros)
    known = adding.add_stack(viewer, small_stack, "known")
    grid.settle(viewer)
    grid.set_scan(viewer, counted, 0, 3, 10.0)
    assert consistent(viewer)
    for layer in (counted, *results):
        np.testing.assert_allclose(layer.scale, [3, 10, 10])
    np.testing.assert_allclose(known.scale, [2, 6.72, 6.72])
    assert grid.remark(known) == grid.remark(counted) == ""


def test_what_napari_opens_itself_fits_too(viewer, unknown, monkeypatch):
    adding.add_stack(viewer, unknown, "unknown")
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    for data, keywords, kind in sample_scan_with_spots():
        viewer.add_layer(Layer.create(data, keywords, kind))
        assert consistent(viewer)
    image, points = viewer.layers[1:]
    np.testing.assert_allclose(image.scale, points.scale)
    assert grid.pixel_size_um(image) > 1


def test_results_lie_on_the_grid_of_their_input(viewer, small_stack, unknown):
    adding.add_stack(viewer, small_stack, "known")
    counted = adding.add_stack(viewer, unknown, "unknown")
    grid.settle(viewer)
    zeros = np.zeros(unknown.shape, np.float32)
    for made in adding.add_results(viewer, counted, zeros, zeros):
        np.testing.assert_allclose(made.scale, counted.scale)
        assert grid.pixel_size_um(made) is None
    grid.settle(viewer)
    assert consistent(viewer)


def test_layers_of_others_without_a_clash_stay(viewer, unknown):
    adding.add_stack(viewer, unknown, "unknown")
    foreign = viewer.add_image(
        np.zeros((3, 8, 9)), scale=(1, 2, 2), translate=(0, 5, 5)
    )
    grid.settle(viewer)
    np.testing.assert_allclose(foreign.scale, [1, 2, 2])
    np.testing.assert_allclose(foreign.translate, [0, 5, 5])


def test_single_frames_have_no_angle_to_clash_about(viewer, small_stack):
    adding.add_stack(viewer, small_stack, "known")
    single = viewer.add_image(np.zeros((8, 9)), name="single")
    grid.settle(viewer)
    assert consistent(viewer)
    assert units(single) == ["micrometer"] * 2
    assert grid.remark(single).endswith("only one of them has a pixel size")
