"""A few real windows: the widgets docked, clicked and dragged as a user would."""

import gc
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_labdct.core.geometry import Parameters
from napari_labdct.learning.run import StepReport
from napari_labdct.plugin import adding, layers, lines
from napari_labdct.plugin.clean import CleanController
from napari_labdct.plugin.clean_view import CleanView
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.profiles import LineProfiles
from napari_labdct.plugin.tasks import State, Task
from napari_labdct.plugin.train import SHOWN, TrainController
from napari_labdct.plugin.train_view import TrainView
from tests.conftest import draw_stack

pytestmark = pytest.mark.gl

WIDGETS = (
    "Clean stack",
    "Line profiles",
    "Spots",
    "Simulate projections",
    "Train a denoiser",
)


@pytest.fixture
def window(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1300, 900)
    return viewer


@pytest.fixture
def clean(window, models, wait):
    view = CleanView()
    view.controller = CleanController(window, view, models)
    window.window.add_dock_widget(view, name="Clean stack")
    wait(lambda: view.controller.model.ready)
    return view


class Mouse:
    """Real mouse events on the canvas, at places given in pixels of a layer."""

    def __init__(self, viewer, wait):
        self.viewer, self.wait = viewer, wait
        qt_viewer = viewer.window._qt_viewer  # its canvas has no public name
        self.canvas = qt_viewer.canvas
        self.native = self.canvas.native

    def place(self, layer, pixel):
        world = np.append(np.zeros(1), layers.to_world(layer, np.asarray(pixel)))
        view = self.canvas.view
        transform = view.scene.transform
        x, y = transform.map([world[-1], world[-2], 0, 1])[:2]
        ratio = self.native.devicePixelRatioF()
        return QPointF(x / ratio, y / ratio)

    def send(self, kind, point, held):
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        event = QMouseEvent(
            kind,
            point,
            self.native.mapToGlobal(point),
            none if kind == QEvent.Type.MouseMove else left,
            left if held else none,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(self.native, event)
        QApplication.processEvents()

    def drag(self, layer, path, look=lambda: None):
        points = [self.place(layer, pixel) for pixel in path]
        self.send(QEvent.Type.MouseMove, points[0], False)
        self.send(QEvent.Type.MouseButtonPress, points[0], True)
        for point in points[1:]:
            self.send(QEvent.Type.MouseMove, point, True)
            look()
        self.send(QEvent.Type.MouseButtonRelease, points[-1], False)


@pytest.fixture
def mouse(window, wait):
    return Mouse(window, wait)


def picture(viewer):
    QApplication.processEvents()
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def test_clean_shows_spots_on_black(window, clean, wait):
    layer = adding.add_stack(window, draw_stack(4, 200, 200), "scan")
    before = picture(window)
    clean.clean.click()
    wait(lambda: clean.controller.task.state is State.DONE)
    after = picture(window)
    assert before.mean() > 60
    assert after.mean() < before.mean() / 4
    assert after.max() > 200
    clean.compare.buttons["side"].click()
    wait(lambda: picture(window).std(0).mean() > 1)
    assert window.canvas.grid.enabled
    assert window.layers[0] is layer


def test_closing_the_dock_while_a_job_runs(window, clean, wait):
    adding.add_stack(window, draw_stack(12), "scan")
    clean.clean.click()
    task = clean.controller.task
    window.window.remove_dock_widget(clean)
    gone = []
    clean.destroyed.connect(lambda: gone.append(True))
    wait(lambda: gone and not task.state.is_busy)


def test_closing_the_window_while_a_job_runs(window, clean, wait):
    adding.add_stack(window, draw_stack(12), "scan")
    clean.clean.click()
    task = clean.controller.task
    window.close()
    wait(lambda: not task.state.is_busy)


@pytest.fixture
def endless(monkeypatch):
    """A training whose first epoch does not end by itself."""

    def epochs(images, settings, folder, *, each_step, **more):
        for step in range(1, 100_000):
            time.sleep(0.005)
            each_step(StepReport(1, step, 100_000, 1 / step))
        yield from ()

    monkeypatch.setattr("napari_labdct.plugin.training.epochs_of", lambda _: epochs)


@pytest.mark.parametrize("what", ["dock", "window"])
def test_closing_while_a_training_runs(window, models, wait, what, endless):
    view = TrainView(Form(Parameters(), shown=SHOWN))
    view.controller = TrainController(window, view, models)
    task, gone = view.controller.task, []
    view.destroyed.connect(lambda: gone.append(True))
    window.window.add_dock_widget(view, name="Train a denoiser")
    spots = draw_stack(4)
    adding.add_stack(window, spots.with_images(spots.images, "simulated", ""), "scan")
    wait(lambda: view.train.isEnabled())
    view.source.setCurrentText("scan")
    view.train.click()
    wait(lambda: view.controller.history.batches)
    if what == "dock":
        window.window.remove_dock_widget(view)
        wait(lambda: gone)
    else:
        del view
        window.close()
    wait(lambda: not task.state.is_busy, timeout=5000)


@pytest.mark.parametrize("tool", ["draw", "move"])
def test_lines_under_the_real_mouse(window, mouse, wait, tool):
    view = LineProfiles(window)
    window.window.add_dock_widget(view, name="Line profiles")
    image = adding.add_stack(window, draw_stack(3, 200, 200), "scan")
    if tool == "move":
        line = lines.Line("A", "#ffb000", (50, 20), (50, 180))
        lines.add_lines(window, image, [line])
    view.tools[tool].click()
    QApplication.processEvents()
    centre, seen = window.scene.camera.center, []

    def look():
        wait(lambda: not view.controller._timer.isActive())
        seen.extend(profile.stop for profile in view.controller.profiles)

    mouse.drag(image, [(50, 100), (80, 110), (120, 130)], look)
    assert window.scene.camera.center == pytest.approx(centre)
    stop = (120, 130) if tool == "draw" else (120, 210)
    assert seen[-1] == pytest.approx(stop, abs=2)
    assert len(set(seen)) >= 2
    orange = np.abs(picture(window) - [255, 176, 0]).max(-1) < 40
    assert orange.sum() > 100


def test_lines_drawn_by_hand_have_colours_of_their_own(window, mouse):
    view = LineProfiles(window)
    window.window.add_dock_widget(view, name="Line profiles")
    image = adding.add_stack(window, draw_stack(3, 200, 200), "scan")
    view.tools["draw"].click()
    for row in (50, 90, 130):
        mouse.drag(image, [(row, 20), (row, 100), (row, 180)])
    drawn = lines.get_lines(window.layers["Lines"])
    assert [line.name for line in drawn] == ["A", "B", "C"]
    assert [line.colour for line in drawn] == list(lines.COLOURS[:3])


@pytest.fixture
def opened(make_napari_viewer, models, monkeypatch):
    """Open widgets as the menu does: napari wraps the viewer it hands them."""
    monkeypatch.setattr("napari_labdct.plugin.clean.shelf", lambda: models)
    monkeypatch.setattr("napari_labdct.plugin.spots.shelf", lambda: models)
    monkeypatch.setattr("napari_labdct.plugin.train.shelf", lambda: models)
    viewer = make_napari_viewer(show=True)

    def open_widget(name):
        return viewer.window.add_plugin_dock_widget("napari-labdct", name)[1]

    open_widget.viewer = viewer
    return open_widget


def test_the_main_job_from_the_menus(opened, wait):
    viewer, clean = opened.viewer, opened("Clean stack")
    viewer.open_sample("napari-labdct", "scan")
    wait(lambda: clean.clean.isEnabled())
    clean.clean.click()
    wait(lambda: clean.controller.task.state is State.DONE)
    names = ["sample scan", "sample scan cleaned", "sample scan difference"]
    assert [layer.name for layer in viewer.layers] == names
    for mode in ("side", "swipe", "flicker", "overlay"):
        clean.compare.buttons[mode].click()
    assert [layer.name for layer in viewer.layers] == names
    profiles = opened("Line profiles")
    profiles.tools["draw"].click()
    viewer.layers["Lines"].add_lines(np.array([[20, 20], [200, 300]]))
    wait(lambda: profiles.plot.plot.panels)
    assert len(profiles.plot.plot.panels[0].curves) == 2


def test_spots_from_the_menus(opened, wait):
    viewer, spots = opened.viewer, opened("Spots")
    viewer.open_sample("napari-labdct", "scan")
    wait(lambda: spots.find.isEnabled())
    spots.find.click()
    wait(lambda: spots.controller.task.state is State.DONE)
    points = viewer.layers["sample scan spots"]
    assert len(points.data) == spots.table.spots.rowCount() > 50
    points.selected_data = {3}
    wait(lambda: spots.table.chosen == [3])


def listeners(viewer):
    """How many callbacks wait for events of a viewer and its layers."""
    emitters = [
        *viewer.layers.events.emitters.values(),
        *viewer.layers.selection.events.emitters.values(),
        *viewer.dims.events.emitters.values(),
    ]
    for layer in viewer.layers:
        emitters += layer.events.emitters.values()
    for callbacks in (viewer.mouse_drag_callbacks, viewer.mouse_move_callbacks):
        emitters.append(SimpleNamespace(callbacks=callbacks))
    return sum(len(emitter.callbacks) for emitter in emitters)


@pytest.mark.parametrize("name", WIDGETS)
def test_a_closed_widget_lets_go_of_viewer_and_memory(opened, name, wait):
    viewer = opened.viewer
    adding.add_stack(viewer, draw_stack(3), "scan")
    before = listeners(viewer)
    widget = opened(name)
    controller, gone = weakref.ref(widget.controller), []
    known = vars(widget.controller).values()
    tasks = [value for value in known if isinstance(value, Task)]
    widget.destroyed.connect(lambda: gone.append(True))
    viewer.window.remove_dock_widget(widget)
    del widget, known
    wait(lambda: gone and not any(task.state.is_busy for task in tasks))
    assert listeners(viewer) == before

    def collected():
        gc.collect()
        return controller() is None

    wait(collected, timeout=10_000)
