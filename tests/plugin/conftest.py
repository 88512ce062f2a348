"""Viewers with and without a window, and networks that need no PyTorch."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

HAS_DISPLAY = bool(os.environ.get("DISPLAY")) or not sys.platform.startswith("linux")
if not HAS_DISPLAY:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# A widget that outlives its viewer fails the test that made it.
os.environ["NAPARI_STRICT_QT"] = "1"

from napari_labdct.plugin import settings  # noqa: E402  # needs the settings above
from napari_labdct.plugin.models import ModelShelf  # noqa: E402  # needs the settings


def pytest_collection_modifyitems(items):
    for item in items:
        if "gl" in item.keywords and not HAS_DISPLAY:
            item.add_marker(pytest.mark.skip(reason="no display: run under xvfb-run"))


class FakeDenoiser:
    """Cuts everything below 5 sigma; counts how often it was asked."""

    name = "fake"

    def __init__(self):
        self.asked = 0

    def clean_frame(self, frame, statistics, centre=None):
        self.asked += 1
        signal = frame - statistics.background
        image = np.where(signal > 5 * statistics.sigma, signal, 0).astype(np.float32)
        return SimpleNamespace(image=image, probability=(image > 0).astype(np.float32))


class FakeShelf(ModelShelf):
    """Two models and one device, at hand at once."""

    def __init__(self):
        super().__init__()
        self.network = FakeDenoiser()

    def look(self):
        self.folders = {"fake": Path("fake"), "other": Path("other")} | self.folders
        self.devices = ["cpu"]
        yield "models"

    def get(self, name, device):
        return self.network


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """Settings that live as long as the test, away from the user's own."""
    values = {}
    monkeypatch.setattr(
        settings, "recall", lambda category, key: values.get((category, key))
    )
    monkeypatch.setattr(
        settings,
        "keep",
        lambda category, key, value: values.__setitem__((category, key), value),
    )
    return values


@pytest.fixture
def models():
    return FakeShelf()


@pytest.fixture
def viewer(qapp):
    """A viewer without a window."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def wait(qtbot):
    """Wait until something is true, with the event loop running."""

    def until(condition, timeout=60_000):
        qtbot.waitUntil(lambda: bool(condition()), timeout=timeout)

    return until


@pytest.fixture
def drag():
    """Drag on a layer through napari's own mouse callbacks, in its data's pixels."""
    from napari.utils._test_utils import read_only_mouse_event
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    def run(viewer, layer, points, on_move=lambda: None):
        kinds = ["mouse_press"] + ["mouse_move"] * (len(points) - 1)
        for kind, point in zip(kinds, points, strict=True):
            position = tuple(layer.data_to_world(point))
            viewer.cursor.position = position
            event = read_only_mouse_event(
                type=kind,
                is_dragging=kind == "mouse_move",
                position=position,
                pos=np.array(point),
                view_direction=None,
                up_direction=None,
                dims_displayed=[0, 1],
            )
            if kind == "mouse_press":
                mouse_press_callbacks(layer, event)
            else:
                mouse_move_callbacks(layer, event)
                on_move()
        event = read_only_mouse_event(
            type="mouse_release",
            is_dragging=False,
            position=tuple(layer.data_to_world(points[-1])),
            pos=np.array(points[-1]),
            view_direction=None,
            up_direction=None,
            dims_displayed=[0, 1],
        )
        mouse_release_callbacks(layer, event)

    return run


@pytest.fixture
def click():
    """Click on the image, or move the mouse there, through the viewer's callbacks.

    While it is pressed the mouse goes `drag` pixels to the right.
    """
    from napari.utils._test_utils import read_only_mouse_event
    from napari.utils.interactions import (
        mouse_move_callbacks,
        mouse_press_callbacks,
        mouse_release_callbacks,
    )

    def run(viewer, layer, pixel, *, drag=0, press=True):
        from napari_labdct.plugin import layers

        world = (0.0, *layers.to_world(layer, np.array(pixel, float)))
        viewer.cursor.position = world

        there = (0.0, *layers.to_world(layer, np.add(pixel, (0.0, drag))))

        def event(kind):
            return read_only_mouse_event(
                type=kind,
                is_dragging=bool(drag),
                position=world if kind == "mouse_press" else there,
                pos=np.array(pixel),
                view_direction=None,
                up_direction=None,
                dims_displayed=[1, 2],
            )

        if press:
            mouse_press_callbacks(viewer, event("mouse_press"))
        if drag or not press:
            mouse_move_callbacks(viewer, event("mouse_move"))
        if press:
            mouse_release_callbacks(viewer, event("mouse_release"))

    return run
