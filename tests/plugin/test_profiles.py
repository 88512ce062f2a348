"""*Line profiles*: lines that are dragged, and the curves that follow."""

import numpy as np
import pandas as pd
import pytest
from skimage.measure import profile_line

from napari_labdct.core import InputError
from napari_labdct.plugin import adding, layers, lines
from napari_labdct.plugin.grab import hit
from napari_labdct.plugin.profiles import ProfilesController
from napari_labdct.plugin.profiles_cursor import nearest
from napari_labdct.plugin.profiles_view import ProfilesView
from napari_labdct.plugin.profiling import ProfileOptions, colours, through
from napari_labdct.plugin.session import load_session

A = lines.Line("A", "#ffb000", (20.0, 10.0), (20.0, 100.0))
B = lines.Line("B", "#3ddc97", (10.0, 30.0), (80.0, 60.0))


@pytest.fixture
def view(qtbot):
    widget = ProfilesView()
    qtbot.addWidget(widget)
    widget.resize(360, 800)
    widget.show()
    return widget


@pytest.fixture
def controller(viewer, view):
    made = ProfilesController(viewer, view)
    yield made
    made.close()


@pytest.fixture
def image(viewer, controller, small_stack):
    return adding.add_stack(viewer, small_stack, "scan")


@pytest.fixture
def shapes(viewer, controller, image):
    return lines.add_lines(viewer, image, [A, B])


def shown(view):
    return view.plot.plot


def settle(controller, wait):
    wait(lambda: not controller._timer.isActive())


def test_an_empty_viewer_says_what_to_do(view, controller, wait):
    settle(controller, wait)
    assert "Open projections first" in shown(view).empty
    view.tools["draw"].click()
    assert "open projections first" in view.message
    assert not view.tools["draw"].isChecked()


def test_a_stack_without_lines_says_what_to_do(view, controller, image, wait):
    settle(controller, wait)
    assert "Press Draw" in shown(view).empty


def test_values_along_a_line_are_right(view, controller, image, shapes, wait):
    settle(controller, wait)
    first, second = controller.profiles
    np.testing.assert_allclose(first.values["scan"], image.data[0, 20, 10:101])
    expected = profile_line(
        image.data[0].astype(float), B.start, B.stop, order=1, mode="constant"
    )
    assert len(second.values["scan"]) == pytest.approx(len(expected), abs=1)
    assert second.values["scan"].mean() == pytest.approx(expected.mean(), rel=0.05)
    titles = [panel.title for panel in shown(view).panels]
    assert titles[0] == "A   90.0 px, 605 µm"
    assert [panel.colour for panel in shown(view).panels] == [A.colour, B.colour]


@pytest.mark.parametrize(
    ("path", "start", "stop"),
    [
        ([(20, 100), (25, 100), (60, 80)], (20, 10), (60, 80)),
        ([(21, 9), (25, 20), (41, 14)], (40, 15), (20, 100)),
        ([(20, 55), (30, 55), (50, 60)], (50, 15), (50, 105)),
    ],
    ids=["last end", "first end", "whole line"],
)
def test_the_plot_follows_while_a_line_is_dragged(
    viewer, view, controller, image, shapes, drag, wait, path, start, stop
):
    view.tools["move"].click()
    assert viewer.layers.selection.active is shapes
    seen = []

    def look():
        settle(controller, wait)
        seen.append(controller.profiles[0])

    drag(viewer, shapes, path, on_move=look)
    assert len(seen) == 2
    assert seen[0].stop != seen[1].stop or seen[0].start != seen[1].start
    assert seen[1].start == pytest.approx(start)
    assert seen[1].stop == pytest.approx(stop)
    assert controller.drawn[1] == B
    assert controller.drawn[0].colour == A.colour
    assert shapes.mouse_pan


def test_beside_the_lines_the_picture_moves(viewer, view, controller, shapes, drag):
    view.tools["move"].click()
    drag(viewer, shapes, [(90, 10), (95, 30)])
    assert controller.drawn == [A, B]


def test_napari_s_own_tools_work_too(
    viewer, view, controller, image, shapes, drag, wait
):
    viewer.layers.selection.active = shapes
    shapes.mode = "direct"
    assert not view.tools["move"].isChecked()
    shapes.selected_data = {0}
    stops = []

    def look():
        settle(controller, wait)
        stops.append(controller.profiles[0].stop)

    drag(viewer, shapes, [(20, 100), (25, 100), (60, 80)], on_move=look)
    assert stops == [(25, 100), (60, 80)]


def test_what_is_taken():
    flat = [np.array([[0.0, 0], [0, 30]]), np.array([[5.0, 0], [5, 30]])]
    everything, first = slice(None), slice(0, 1)
    assert hit(flat, np.array([1.0, 15]), 4) == (0, everything)
    assert hit(flat, np.array([4.0, 1]), 4) == (1, first)
    assert hit(flat, np.array([0.0, 28]), 4) == (0, slice(1, None))
    assert hit(flat, np.array([20.0, 15]), 4) is None
    assert hit([np.array([[0.0, 0], [0, 3]])], np.array([0, 1.5]), 9) == (0, everything)
    assert hit([np.zeros((2, 2))], np.zeros(2), 4) is not None


def test_a_drawn_line_gets_the_next_name_and_colour(
    viewer, view, controller, image, shapes, drag, wait
):
    view.tools["draw"].click()
    assert str(shapes.mode) == "add_line"
    drag(viewer, shapes, [(5, 5), (30, 30), (60, 70)])
    settle(controller, wait)
    assert [line.name for line in controller.drawn] == ["A", "B", "C"]
    assert controller.drawn[2].colour == lines.COLOURS[2]
    assert controller.profiles[2].stop == pytest.approx((60, 70), abs=1)
    shapes.selected_data = {0}
    shapes.remove_selected()
    settle(controller, wait)
    assert [profile.name for profile in controller.profiles] == ["B", "C"]
    drag(viewer, shapes, [(5, 50), (30, 30), (60, 70)])
    assert [line.name for line in controller.drawn] == ["B", "C", "A"]


def test_the_first_line_makes_its_layer(viewer, view, controller, image):
    view.tools["draw"].click()
    shapes = lines.find_lines(viewer)
    assert viewer.layers.selection.active is shapes
    np.testing.assert_allclose(shapes.scale, image.scale[1:])
    assert view.tools["draw"].isChecked()


def test_lines_follow_the_slice(viewer, view, controller, image, shapes, wait):
    layers.show_index(viewer, image, 3)
    settle(controller, wait)
    first = controller.profiles[0]
    assert first.projection == 3
    np.testing.assert_allclose(first.values["scan"], image.data[3, 20, 10:101])


def test_every_ticked_layer_is_in_the_plot(
    viewer, view, controller, image, shapes, wait
):
    adding.add_results(
        viewer, image, image.data / np.float32(2), image.data / np.float32(2)
    )
    settle(controller, wait)
    names = [curve.name for curve in shown(view).panels[0].curves]
    assert names == ["scan", "scan cleaned"]
    view.layers.item(2).setCheckState(view.layers.item(0).checkState())
    settle(controller, wait)
    names = [curve.name for curve in shown(view).panels[0].curves]
    assert names == ["scan", "scan cleaned", "scan difference"]
    viewer.layers["scan cleaned"].name = "renamed"
    settle(controller, wait)
    assert shown(view).panels[0].curves[1].name == "renamed"
    assert len(shown(view).panels[0].curves) == 3


def test_grey_values_written_later_are_followed(viewer, view, controller, shapes, wait):
    image = viewer.layers["scan"]
    image.data = image.data.copy()
    image.data[0, 20] = 7
    image.refresh()
    settle(controller, wait)
    assert set(controller.profiles[0].values["scan"]) == {7.0}


@pytest.mark.parametrize(
    ("axis", "end"), [("px", 90), ("µm", 90 * 6.72), ("normalised", 1)]
)
def test_axes(view, controller, image, shapes, wait, axis, end):
    view.axis.setCurrentText(axis)
    settle(controller, wait)
    assert shown(view).panels[0].curves[0].x[-1] == pytest.approx(end)


def test_options_change_the_plot(view, controller, image, shapes, wait):
    view.width_px.setValue(5)
    view.log.setChecked(True)
    settle(controller, wait)
    expected = image.data[0, 18:23, 10:101].mean(0)
    np.testing.assert_allclose(controller.profiles[0].values["scan"], expected)
    assert all(panel.log_y for panel in shown(view).panels)
    view.level.setChecked(True)
    view.peaks.setChecked(False)
    settle(controller, wait)
    assert np.median(shown(view).panels[0].curves[0].y) == pytest.approx(0)
    assert shown(view).panels[0].marks == ()


def test_peaks_are_told_in_words(viewer, view, controller, image, wait):
    frame = np.random.default_rng(0).normal(100, 3, (96, 128))
    frame[50] += 400 * np.exp(-(((np.arange(128) - 64) / 4) ** 2) / 2)
    image.data = np.stack([frame] * 5)
    lines.add_lines(viewer, image, [lines.Line("A", "#ffb000", (50, 0), (50, 127))])
    settle(controller, wait)
    ((x, y, words),) = shown(view).panels[0].marks
    assert x == pytest.approx(64, abs=1)
    assert y == pytest.approx(500, abs=20)
    assert "FWHM 9." in words


def test_a_hidden_widget_computes_nothing(view, controller, image, shapes, wait):
    settle(controller, wait)
    view.hide()
    controller.profiles = []
    shapes.events.set_data()
    settle(controller, wait)
    assert controller.profiles == []
    view.show()
    settle(controller, wait)
    assert len(controller.profiles) == 2


def test_the_plots_cursor_is_marked_on_the_image(
    viewer, view, controller, image, shapes, wait
):
    settle(controller, wait)
    view.plot.hovered.emit(0, 45.0)
    point = viewer.layers["Profile cursor"]
    np.testing.assert_allclose(point.data, [[20 * 6.72, 55 * 6.72]])
    assert viewer.layers.selection.active is not point
    view.plot.left.emit()
    assert not point.visible
    controller.close()
    assert point not in viewer.layers


def test_the_mouse_on_a_line_moves_the_plots_cursor(
    viewer, view, controller, shapes, wait
):
    settle(controller, wait)
    viewer.scene.camera.zoom = 1
    for position, expected in (((20.5, 40), (0, 30.0)), ((90, 120), None)):
        viewer.cursor.position = (0, *(6.72 * part for part in position))
        for callback in viewer.mouse_move_callbacks:
            callback(viewer, None)
        assert view.plot._cursor == pytest.approx(expected)


def test_nearest_line():
    from napari_labdct.core import LineProfile

    profiles = [
        LineProfile("A", (0, 0), (0, 10), np.zeros(1)),
        LineProfile("B", (5, 0), (5, 10), np.zeros(1)),
    ]
    assert nearest(profiles, np.array([4, 2])) == pytest.approx((1, 0.2, 1))
    assert nearest(profiles, np.array([0, -3])) == pytest.approx((0, 0, 3))


def test_a_profile_through_omega(viewer, view, controller, image, wait):
    view.through.click()
    controller.through.take(20.0, 30.0)
    wait(lambda: shown(view).panels)
    (panel,) = shown(view).panels
    np.testing.assert_allclose(panel.curves[0].x, layers.stack_of(image).omega)
    np.testing.assert_allclose(panel.curves[0].y, image.data[:, 20, 30])
    assert shown(view).x_label == "ω [deg]"
    view.through.click()
    settle(controller, wait)
    assert shown(view).panels == ()


def test_through_averages_a_square(small_stack):
    values = through(small_stack.images, 20, 30, 3)
    np.testing.assert_allclose(values, small_stack.images[:, 19:22, 29:32].mean((1, 2)))


def test_a_session_draws_the_same_lines_on_another_stack(
    viewer, view, controller, image, shapes, tmp_path, monkeypatch, wait
):
    view.width_px.setValue(7)
    settle(controller, wait)
    path = tmp_path / "lines.json"
    controller.files.save("json", path)
    assert load_session(path).options == ProfileOptions(width=7)
    viewer.layers.clear()
    view.width_px.setValue(1)
    adding.add_stack(viewer, layers.stack_of(image), "another")
    monkeypatch.setattr(view, "ask_open", lambda *a: path)
    view.load_wanted.emit()
    settle(controller, wait)
    assert controller.drawn == [A, B]
    assert controller.profiles[0].width_px == 7
    assert list(controller.profiles[0].values) == ["another"]


def test_a_file_that_is_no_session_is_said(
    view, controller, image, tmp_path, monkeypatch
):
    path = tmp_path / "other.json"
    path.write_text('{"lines": 3}')
    with pytest.raises(InputError, match="is no session"):
        load_session(path)
    monkeypatch.setattr(view, "ask_open", lambda *a: path)
    view.load_wanted.emit()
    assert "is no session" in view.message


def test_curves_are_saved_with_coordinates(
    view, controller, image, shapes, tmp_path, monkeypatch, wait
):
    settle(controller, wait)
    path = tmp_path / "curves.csv"
    monkeypatch.setattr(view, "ask_save", lambda *a: path)
    view.export_wanted.emit("csv")
    table = pd.read_csv(path)
    line = table[table["line"] == "A"]
    assert line["row_px"].eq(20).all()
    np.testing.assert_allclose(line["column_px"], np.arange(10, 101))
    np.testing.assert_allclose(
        line["distance_um"], line["distance_px"] * 6.72, rtol=1e-5
    )
    np.testing.assert_allclose(line["scan"], image.data[0, 20, 10:101])
    assert line["omega_deg"].eq(-10).all()


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_plot_is_saved(view, controller, image, shapes, tmp_path, kind, wait):
    settle(controller, wait)
    controller.files.save(kind, tmp_path / f"plot.{kind}")
    assert (tmp_path / f"plot.{kind}").stat().st_size > 1000


def test_nothing_to_save_is_said(view, controller, image):
    view.export_wanted.emit("csv")
    assert "draw a line first" in view.message


def test_clear_removes_the_lines(view, controller, image, shapes, wait):
    view.clear.click()
    settle(controller, wait)
    assert controller.drawn == []
    assert "Press Draw" in shown(view).empty


def test_layers_may_go_at_any_time(viewer, view, controller, image, shapes, wait):
    viewer.layers.remove(shapes)
    settle(controller, wait)
    assert controller.drawn == []
    viewer.layers.remove(image)
    settle(controller, wait)
    assert "Open projections first" in shown(view).empty


def test_lines_outside_of_the_frame_are_harmless(viewer, view, controller, image, wait):
    outside = lines.Line("A", "#ffb000", (-50.0, -50.0), (-10.0, 300.0))
    point = lines.Line("B", "#ffb000", (5.0, 5.0), (5.0, 5.0))
    lines.add_lines(viewer, image, [outside, point])
    settle(controller, wait)
    assert np.isnan(controller.profiles[0].values["scan"]).any()
    assert not view.plot.grab().isNull()


def test_names_go_on_after_z():
    taken = [chr(ord("A") + number) for number in range(26)]
    assert lines.next_name(taken) == "A2"
    assert lines.next_name([]) == "A"


def test_colours_of_curves_tell_layers_apart():
    given = colours({"a": "measured", "b": "cleaned", "c": "", "d": "difference"})
    assert len(set(given.values())) == 4
