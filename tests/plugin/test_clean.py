"""*Clean stack* from files to saved results, with a viewer that has no window."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from napari.layers._source import layer_source  # what napari's own reading sets
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_labdct.files import read_stack
from napari_labdct.plugin import adding, grid, layers, lines
from napari_labdct.plugin.clean import CleanController
from napari_labdct.plugin.clean_view import CleanView
from napari_labdct.plugin.compare import best_grid
from napari_labdct.plugin.tasks import State


@pytest.fixture
def view(qtbot):
    widget = CleanView()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def controller(viewer, view, models, wait):
    made = CleanController(viewer, view, models)
    wait(lambda: made.model.ready)
    yield made
    made.close()
    wait(lambda: not any(task.state.is_busy for task in made._tasks))


@pytest.fixture
def layer(viewer, controller, small_stack):
    return adding.add_stack(viewer, small_stack, "scan")


def finish(controller, wait):
    controller.start()
    wait(lambda: controller.task.state is State.DONE)


def test_an_empty_viewer_says_what_to_do(view, controller):
    assert not view.clean.isEnabled()
    assert "Open projections" in view.clean.toolTip()
    assert "Open Sample" in view.input.info.text()


def test_clean_adds_cleaned_and_difference(viewer, view, controller, layer, wait):
    assert view.clean.isEnabled()
    view.clean.click()
    wait(lambda: controller.task.state is State.DONE)
    names = [each.name for each in viewer.layers]
    assert names == ["scan", "scan cleaned", "scan difference"]
    _, cleaned, difference = viewer.layers
    np.testing.assert_allclose(cleaned.data + difference.data, layer.data)
    assert (
        layers.stack_of(cleaned).history[-1].startswith("Cleaned by the model 'fake'")
    )
    assert view.message == "5 projections cleaned."
    assert view.compare.isEnabled()


def test_cleaning_twice_does_not_pile_up_layers(viewer, view, controller, layer, wait):
    finish(controller, wait)
    asked = controller.model._models.network.asked
    controller.start()
    assert "already" in view.message
    view.model.model.setCurrentText("other")
    finish(controller, wait)
    assert controller.model._models.network.asked == asked + 5
    assert len(viewer.layers) == 3


def test_cancel_keeps_what_is_done(viewer, view, controller, layer, models, wait):
    original, go = models.network.clean_frame, threading.Event()

    def clean_frame(*arguments):
        if models.network.asked == 2:
            go.wait(5)
        return original(*arguments)

    models.network.clean_frame = clean_frame
    controller.start()
    wait(lambda: models.network.asked == 2)
    view.cancel.click()
    assert view.cancel.text() == "Stopping…"
    assert not view.clean.isEnabled()
    go.set()
    wait(lambda: controller.task.state is State.DONE)
    done = controller._cleaning.done
    assert 0 < done.sum() < 5
    assert "Clean goes on" in view.message
    for index in np.flatnonzero(done):
        assert viewer.layers["scan cleaned"].data[index].any()
    finish(controller, wait)
    assert controller._cleaning.done.all()


def test_what_i_look_at_is_cleaned_while_i_browse(
    viewer, view, controller, layer, wait
):
    view.preview.setChecked(True)
    wait(lambda: controller.comparison.is_open)
    wait(lambda: not controller.glance.state.is_busy)
    assert controller._cleaning.done.tolist() == [True, False, False, False, False]
    layers.show_index(viewer, layer, 3)
    wait(lambda: controller._cleaning.done[3])
    assert controller._cleaning.done.sum() == 2


@pytest.mark.parametrize("which", ["scan", "scan cleaned", "scan difference"])
def test_removing_a_layer_while_it_runs(viewer, view, controller, layer, wait, which):
    controller.start()
    wait(lambda: controller.comparison.is_open)
    viewer.layers.remove(which)
    wait(lambda: not controller.task.state.is_busy)
    assert not controller.comparison.is_open
    assert not view.compare.isEnabled()


def test_a_broken_frame_is_named_and_the_buttons_come_back(
    viewer, view, controller, small_stack, wait
):
    images = small_stack.images.astype(np.float32)
    images[2, 3, 3] = np.inf
    broken = replace(small_stack, images=images)
    adding.add_stack(viewer, broken, "broken")
    controller.start()
    wait(lambda: controller.task.state is State.FAILED)
    wait(lambda: view.clean.isEnabled())
    assert view.message.startswith("⚠ Projection 2 of drawn for a test")
    assert not view.details.isVisibleTo(view)


def test_results_are_saved_with_their_history(
    view, controller, layer, tmp_path, monkeypatch, wait
):
    path = tmp_path / "cleaned.tif"
    monkeypatch.setattr(view, "ask_save", lambda name: path)
    view.save_wanted.emit()
    assert not path.exists()
    finish(controller, wait)
    view.save.click()
    wait(lambda: view.message == "Saved.")
    stack = read_stack(path)
    np.testing.assert_array_equal(stack.images, controller._cleaning.cleaned)
    assert stack.kind == "cleaned"
    assert "fake" in stack.history[-1]
    np.testing.assert_allclose(stack.omega, layers.stack_of(layer).omega)


def test_only_complete_results_are_saved(view, controller, layer, wait):
    finish(controller, wait)
    controller._cleaning.done[2] = False
    view.save_wanted.emit()
    assert "1 of 5 projections are not cleaned" in view.message


def drop(view, paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    view.input.drop.dropEvent(event)


@pytest.fixture
def frames(tmp_path, small_stack):
    folder = tmp_path / "my scan"
    folder.mkdir()
    paths = []
    for index in (9, 10, 11):
        paths.append(folder / f"frame{index}.tif")
        tifffile.imwrite(paths[-1], small_stack.images[index - 9])
    return paths


def test_many_dropped_frames_are_one_layer(viewer, view, controller, frames, wait):
    drop(view, frames[::-1])
    wait(lambda: len(viewer.layers))
    wait(lambda: not controller.input.opener.task.state.is_busy)
    (layer,) = viewer.layers
    assert layer.name == "my scan"
    assert layer.data.shape == (3, 96, 128)
    np.testing.assert_array_equal(layer.data[1], tifffile.imread(frames[1]))
    assert view.input.layers.name == "my scan"
    assert "3 projections of 96 × 128 px" in view.input.info.text()


def test_a_dropped_folder_is_one_layer(viewer, view, controller, frames, wait):
    drop(view, [frames[0].parent])
    wait(lambda: len(viewer.layers))
    assert viewer.layers[0].data.shape == (3, 96, 128)


def test_a_drop_beside_the_box_counts(viewer, view, controller, frames, wait):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(frames[0].parent))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    for event in (
        QDragEnterEvent(QPoint(5, 5), copy, data, left, none),
        QDropEvent(QPointF(5, 5), copy, data, left, none),
    ):
        QApplication.sendEvent(view, event)
        assert event.isAccepted()
    wait(lambda: len(viewer.layers) == 1)


def test_the_angle_in_view_is_told(viewer, view, controller, layer):
    layers.show_index(viewer, layer, 1)
    omega = layers.stack_of(layer).omega[1]
    assert view.input.info.text().endswith(f"in view: {omega:g}°")


def test_angles_that_the_files_lack_can_be_given(
    viewer, view, controller, frames, wait
):
    drop(view, [frames[0].parent])
    wait(lambda: len(viewer.layers))
    assert view.input.missing.isVisibleTo(view)
    view.input.scan_given.emit(10.0, 2.5, 6.72)
    assert not view.input.missing.isVisibleTo(view)
    assert "10° to 15°" in view.input.info.text()
    np.testing.assert_allclose(layers.stack_of(viewer.layers[0]).omega, [10, 12.5, 15])
    np.testing.assert_allclose(viewer.layers[0].scale, [2.5, 6.72, 6.72])
    assert grid.pixel_size_um(viewer.layers[0]) == pytest.approx(6.72)


def test_a_stack_that_knows_less_is_shown_beside_one_that_knows_more(
    viewer, view, controller, layer, frames, wait
):
    drop(view, [frames[0].parent])
    wait(lambda: len(viewer.layers) == 2)
    assert viewer.layers.extent.units is not None
    assert "only one of them has angles and a pixel size" in view.input.info.text()


def test_angles_given_after_cleaning_reach_the_results(
    viewer, view, controller, frames, wait
):
    drop(view, [frames[0].parent])
    wait(lambda: len(viewer.layers))
    wait(lambda: view.clean.isEnabled())
    finish(controller, wait)
    view.input.scan_given.emit(10.0, 2.5, 0.0)
    for layer in viewer.layers:
        assert layers.stack_of(layer).omega.tolist() == [10, 12.5, 15]
        assert layer.scale[0] == 2.5
    assert layers.stack_of(viewer.layers[1]).kind == "cleaned"


@pytest.mark.parametrize("choice", [0, 1, 2])
def test_frames_can_be_turned(viewer, view, controller, layer, wait, choice):
    before = np.array(layer.data)
    action = view.input.flip.menu().actions()[choice]
    action.trigger()
    turned = np.flip(before, [(1,), (2,), (1, 2)][choice])
    np.testing.assert_array_equal(layer.data, turned)
    stack = layers.stack_of(layer)
    np.testing.assert_array_equal(stack.frame(1), turned[1])
    assert "flipped in napari" in stack.history[-1]
    assert action.text().lower() in view.message
    finish(controller, wait)
    cleaned, difference = viewer.layers[1:]
    np.testing.assert_allclose(cleaned.data + difference.data, turned)
    action.trigger()
    assert "scan cleaned, scan difference would not turn" in view.message
    np.testing.assert_array_equal(layer.data, turned)


def test_turning_ends_what_has_begun_on_other_frames(
    viewer, view, controller, layer, wait
):
    controller.start()
    view.input.flip_wanted.emit("rows")
    wait(lambda: not controller.task.state.is_busy)
    finish(controller, wait)
    cleaned, difference = viewer.layers[1:]
    np.testing.assert_allclose(cleaned.data + difference.data, layer.data)


def test_frames_dropped_on_the_canvas_can_be_made_one_stack(
    viewer, view, controller, frames, wait
):
    for path in frames:
        with layer_source(path=str(path)):
            adding.add_stack(viewer, read_stack(path), path.stem)
    assert view.input.singles.isVisibleTo(view)
    assert "3 single frames" in view.input.singles.text()
    view.input.singles.click()
    wait(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].data.shape == (3, 96, 128)
    assert not view.input.singles.isVisibleTo(view)


def test_what_cannot_be_opened_is_said(viewer, view, controller, tmp_path, wait):
    drop(view, [tmp_path])
    wait(lambda: view.message)
    assert "holds no TIFF files" in view.message
    assert not viewer.layers


def test_closing_puts_the_viewer_back(viewer, view, controller, layer, wait):
    finish(controller, wait)
    view.compare.buttons["side"].click()
    view.closed.emit()
    assert not viewer.canvas.grid.enabled


def test_closing_while_it_runs_stops_the_job(viewer, view, controller, layer, wait):
    controller.start()
    view.closed.emit()
    wait(lambda: not controller.task.state.is_busy)
    layers.show_index(viewer, layer, 2)


def test_a_model_of_my_own(view, controller, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    monkeypatch.setattr(view, "ask_folder", lambda title: folder)
    view.model.browse_wanted.emit()
    assert "is no model folder" in view.message
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("# Mine")
    view.model.browse_wanted.emit()
    assert controller.model.key == ("mine", "cpu")
    shown = []
    monkeypatch.setattr(view, "show_text", lambda *a, **k: shown.append(a))
    view.model.card_wanted.emit()
    assert shown == [("mine", "# Mine")]


class TestCompare:
    @pytest.fixture(autouse=True)
    def _clean(self, controller, layer, wait):
        finish(controller, wait)

    def test_overlay_shows_cleaned_on_top(self, viewer):
        assert [each.visible for each in viewer.layers] == [True, True, False]

    def test_side_by_side_shows_all_three_and_nothing_else(self, viewer, view):
        points = viewer.add_points(np.zeros((1, 3)))
        view.compare.buttons["side"].click()
        assert viewer.canvas.grid.enabled
        rows, columns = viewer.canvas.grid.shape
        cells = [viewer.canvas.grid.position(i, viewer.layers) for i in range(3)]
        assert cells == [divmod(i, columns) for i in range(3)]
        assert rows * columns >= 3
        assert not points.visible
        view.compare.buttons["overlay"].click()
        assert not viewer.canvas.grid.enabled
        assert points.visible

    @pytest.mark.parametrize(
        ("canvas", "aspect", "grid"),
        [
            ((500, 1500), 1, (1, 3)),
            ((800, 720), 1, (2, 2)),
            ((1500, 500), 1, (3, 1)),
            ((800, 720), 0.3, (1, 3)),
        ],
    )
    def test_pictures_are_as_large_as_the_canvas_allows(self, canvas, aspect, grid):
        assert best_grid(canvas, aspect) == grid

    def test_lines_are_in_every_cell_and_follow(self, viewer, view, layer):
        before = list(viewer.layers)
        view.compare.buttons["side"].click()
        line = lines.Line("A", "#ffb000", (10, 10), (50, 60))
        source = lines.add_lines(viewer, layer, [line])
        copies = [each for each in viewer.layers if each.name.startswith("Lines on")]
        assert len(copies) == 2
        cells = [
            viewer.canvas.grid.position(viewer.layers.index(each), viewer.layers)
            for each in (layer, source, *before[1:], *copies)
        ]
        columns = viewer.canvas.grid.shape[1]
        first, second, third = (divmod(number, columns) for number in range(3))
        assert cells == [first, first, second, third, second, third]
        source.data = [source.data[0] + 5]
        for copy in copies:
            np.testing.assert_allclose(copy.data[0], [[15, 15], [55, 65]])
        lines.set_lines(source, [])
        assert all(len(copy.data) == 0 for copy in copies)
        view.compare.buttons["overlay"].click()
        assert list(viewer.layers) == [*before, source]

    def test_flicker_shows_one_after_the_other(self, viewer, view, controller):
        view.compare.buttons["flicker"].click()
        cleaned = viewer.layers["scan cleaned"]
        seen = []
        for _ in range(4):
            controller.comparison._timer.timeout.emit()
            seen.append(cleaned.visible)
        assert seen == [False, True, False, True]
        view.compare.buttons["overlay"].click()
        assert cleaned.visible
        assert not controller.comparison._timer.isActive()

    def test_swipe_shows_the_right_part(self, viewer, view, layer):
        view.compare.buttons["swipe"].click()
        cleaned, part = viewer.layers["scan cleaned"], viewer.layers[-1]
        for value, start in ((250, 32), (1000, 127), (0, 0)):
            view.compare.swipe.setValue(value)
            np.testing.assert_array_equal(part.data, cleaned.data[..., start:])
            assert part.translate[-1] == pytest.approx(start * 6.72)
        assert not cleaned.visible
        assert view.input.layers.name == "scan"
        view.compare.buttons["overlay"].click()
        assert part not in viewer.layers
        assert cleaned.visible

    def test_removing_the_swiped_part_by_hand_is_harmless(self, viewer, view):
        view.compare.buttons["swipe"].click()
        viewer.layers.remove(viewer.layers[-1])
        view.compare.swipe.setValue(300)
        view.compare.buttons["side"].click()
        assert viewer.canvas.grid.enabled

    def test_the_difference_without_its_sign(self, viewer, view):
        difference = viewer.layers["scan difference"]
        signed = difference.colormap
        view.compare.signed.setCurrentIndex(1)
        low, middle, high = difference.colormap.map(np.array([0, 0.5, 1]))
        np.testing.assert_allclose(low, high)
        assert middle[:3].max() < 0.01
        view.compare.signed.setCurrentIndex(0)
        assert difference.colormap == signed
