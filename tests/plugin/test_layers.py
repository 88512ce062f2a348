"""Nouns become layers, and layers nouns."""

from dataclasses import replace

import numpy as np
import pytest

from napari_labdct.core import InputError, ProjectionStack
from napari_labdct.plugin import adding, grid, layers
from napari_labdct.plugin.contrast import ContrastLink


def test_a_stack_lies_in_degrees_and_micrometres(viewer, small_stack):
    layer = adding.add_stack(viewer, small_stack, "scan")
    assert [str(unit) for unit in layer.units] == ["degree", "micrometer", "micrometer"]
    np.testing.assert_allclose(layer.scale, [2, 6.72, 6.72])
    assert layer.translate[0] == small_stack.omega[0]
    assert layer.axis_labels == ("ω", "row", "column")


def test_the_stack_comes_back_from_its_layer(viewer, small_stack):
    layer = adding.add_stack(viewer, small_stack, "scan")
    assert layers.stack_of(layer) is small_stack


def test_a_slider_never_runs_against_the_order_of_the_files(viewer, small_stack):
    backwards = replace(small_stack, omega_deg=180 - 3.0 * np.arange(5))
    layer = adding.add_stack(viewer, backwards, "scan")
    assert layer.axis_labels[0] == "projection"
    for index in range(5):
        layers.show_index(viewer, layer, index)
        assert viewer.dims.current_step[0] == index
        assert layers.index_of(viewer, layer) == index


@pytest.mark.parametrize("index", [0, 3, 4])
def test_index_and_slider_agree(viewer, small_stack, index):
    layer = adding.add_stack(viewer, small_stack, "scan")
    layers.show_index(viewer, layer, index)
    assert layers.index_of(viewer, layer) == index
    assert viewer.dims.point[0] == pytest.approx(small_stack.omega[index])


def test_rotation_angles_can_be_given_later(viewer, small_stack):
    unknown = replace(small_stack, omega_deg=None)
    layer = adding.add_stack(viewer, unknown, "scan")
    assert "unknown" in layers.describe(layers.stack_of(layer))
    grid.set_scan(viewer, layer, 10, 4)
    np.testing.assert_allclose(layers.stack_of(layer).omega, [10, 14, 18, 22, 26])
    assert layer.scale[0] == pytest.approx(4)
    assert "10° to 26°" in layers.describe(layers.stack_of(layer))


def test_layers_of_others_can_be_stacks(viewer):
    image = viewer.add_image(np.zeros((3, 8, 9)))
    assert layers.stack_of(image).shape == (3, 8, 9)
    single = viewer.add_image(np.zeros((8, 9)))
    assert layers.stack_of(single).shape == (1, 8, 9)
    assert layers.index_of(viewer, single) == 0


def test_colour_pictures_are_refused_with_a_remedy(viewer):
    colour = viewer.add_image(np.zeros((8, 9, 3), np.uint8), rgb=True, name="photo")
    assert not layers.is_stack(colour)
    with pytest.raises(InputError, match=r"photo is not a stack .* choose a grey"):
        layers.stack_of(colour)


def test_results_lie_on_their_input(viewer, small_stack):
    layer = adding.add_stack(viewer, small_stack, "scan")
    other = viewer.add_points(np.zeros((1, 3)))
    shape = small_stack.shape
    cleaned, difference = adding.add_results(
        viewer, layer, np.zeros(shape, np.float32), np.full(shape, 300, np.float32)
    )
    assert list(viewer.layers) == [layer, cleaned, difference, other]
    assert (cleaned.name, difference.name) == ("scan cleaned", "scan difference")
    for made in (cleaned, difference):
        np.testing.assert_allclose(made.scale, layer.scale)
        np.testing.assert_allclose(made.translate, layer.translate)
        assert made.units == layer.units
    span = np.ptp(layer.contrast_limits)
    assert cleaned.contrast_limits == pytest.approx([0, span])
    assert difference.contrast_limits == pytest.approx([300 - span, 300 + span])
    assert layers.stack_of(cleaned).kind == "cleaned"
    assert layers.stack_of(cleaned).history[:-1] == small_stack.history
    assert not difference.visible


def test_a_single_frame_gets_single_frames(viewer):
    layer = viewer.add_image(np.random.default_rng(0).random((16, 20)), name="one")
    made = adding.add_results(
        viewer, layer, np.ones((1, 16, 20)), np.ones((1, 16, 20), np.float32)
    )
    assert [each.data.shape for each in made] == [(16, 20)] * 2


def test_grey_range_ignores_extremes_and_nan():
    frame = np.random.default_rng(0).normal(100, 5, (200, 200)).astype(np.float32)
    frame[0, 0], frame[2, 2] = 60000, np.nan
    low, high = layers.grey_range(frame)
    assert 80 < low < 95
    assert 105 < high < 125
    assert layers.grey_range(np.zeros((4, 4))) == (0, 1)


def test_large_results_live_in_a_file(monkeypatch):
    monkeypatch.setattr(adding, "IN_MEMORY", 100)
    array = adding.preallocate((3, 4, 5))
    assert isinstance(array, np.memmap)
    array[1] = 7
    assert array[1].sum() == 140
    assert array[0].sum() == 0


def test_maps_and_frames_are_read_one_at_a_time(viewer):
    asked = []

    class Frames:
        shape, dtype, ndim = (50, 16, 20), np.dtype(np.uint16), 3

        def __getitem__(self, key):
            first = key[0] if isinstance(key, tuple) else key
            asked.append(first)
            count = np.zeros(50)[first]
            frames = np.zeros((*np.shape(count), 16, 20), np.uint16)
            return frames[(..., *key[1:])] if isinstance(key, tuple) else frames

    adding.add_stack(viewer, ProjectionStack(Frames()), "lazy")
    assert len({str(each) for each in asked}) < 5


class TestContrast:
    @pytest.fixture
    def trio(self, viewer, small_stack):
        layer = adding.add_stack(viewer, small_stack, "scan")
        shape = small_stack.shape
        made = adding.add_results(
            viewer, layer, np.zeros(shape, np.float32), np.full(shape, 300, np.float32)
        )
        return layer, *made

    def test_a_grey_step_is_equally_bright_everywhere(self, trio):
        stack, cleaned, difference = trio
        link = ContrastLink(*trio)
        stack.contrast_limits = (200, 500)
        assert cleaned.contrast_limits == pytest.approx([0, 300])
        assert difference.contrast_limits == pytest.approx([0, 600])
        cleaned.contrast_limits = (0, 100)
        assert stack.contrast_limits == pytest.approx([200, 300])
        assert difference.contrast_limits == pytest.approx([200, 400])
        low, _ = difference.contrast_limits
        difference.contrast_limits = (low, 350)
        assert difference.contrast_limits == pytest.approx([250, 350])
        assert stack.contrast_limits == pytest.approx([200, 250])
        link.close()

    def test_it_can_be_let_go(self, trio):
        stack, cleaned, _ = trio
        link = ContrastLink(*trio)
        before = list(cleaned.contrast_limits)
        link.active = False
        stack.contrast_limits = (1, 2)
        assert list(cleaned.contrast_limits) == before
        link.active = True
        link.close()
        stack.contrast_limits = (1, 20)
        assert list(cleaned.contrast_limits) == before
