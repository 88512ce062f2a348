"""Make the pictures of the napari window in docs/images.

    xvfb-run -a -s "-screen 0 1600x1200x24" \\
        python tools/make_screenshots.py [folder] [name …]

Every picture is a real window with the sample scan in it, worked as a user would.
With LABDCT_THEME=light in the environment they are those of napari's light theme.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# The user's own settings stay as they are.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
from qtpy.QtCore import QPoint, QRectF, Qt
from qtpy.QtGui import QColor, QImage, QPainter
from qtpy.QtWidgets import QApplication, QWidget

from napari_labdct.plugin import layers, lines
from napari_labdct.plugin.tasks import State

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1440, 900)


def spin(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the window live for a while, or until something is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.005)


@contextmanager
def window(*widgets: str) -> Iterator[Any]:
    viewer = napari.Viewer(title="napari", show=True)
    viewer.theme = os.environ.get("LABDCT_THEME", "dark")
    viewer.window.resize(*SIZE)
    made = [
        viewer.window.add_plugin_dock_widget("napari-labdct", name, tabify=True)[1]
        for name in widgets
    ]
    spin(0.5)
    yield (viewer, *made)
    viewer.close()
    spin(0.5)


def shoot(
    viewer: napari.Viewer, folder: Path, name: str, numbered: tuple[QWidget, ...] = ()
) -> None:
    """Save a picture of the window; widgets that the text goes through get numbers."""
    spin(1)
    path = folder / f"{name}.png"
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    image = QImage(str(path))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for number, widget in enumerate(numbered, 1):
        corner = widget.mapTo(widget.window(), QPoint(0, 0))
        disc = QRectF(corner.x() - 24, corner.y() + widget.height() / 2 - 11, 22, 22)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#ffb000"))
        painter.drawEllipse(disc)
        painter.setPen(QColor("black"))
        painter.drawText(disc, int(Qt.AlignmentFlag.AlignCenter), str(number))
    painter.end()
    image.save(str(path))
    print(path)


def open_sample(viewer: napari.Viewer, key: str = "scan") -> Any:
    viewer.open_sample("napari-labdct", key)
    return viewer.layers[0]


def clean(widget: Any) -> None:
    spin(60, lambda: widget.clean.isEnabled())
    widget.clean.click()
    spin(300, lambda: widget.controller.task.state is State.DONE)


def draw_lines(viewer: napari.Viewer, image: Any) -> None:
    """Three lines over bright and weak spots and the edge of the beam stop."""
    from napari_labdct.workflows.lines import choose_lines
    from napari_labdct.workflows.spot_finding import spots_of

    index = layers.index_of(viewer, image)
    frame = next(_cleaned_frame(image, index))
    chosen = choose_lines(
        spots_of(frame, 0.0), frame.statistics.background, frame.image
    )
    made = [
        lines.Line(name, colour, *ends)
        for (name, ends), colour in zip(chosen.items(), lines.COLOURS, strict=False)
    ]
    lines.set_lines(lines.find_lines(viewer), made)


def _cleaned_frame(image: Any, index: int) -> Iterator[Any]:
    from napari_labdct.learning import Denoiser
    from napari_labdct.workflows.cleanup import iter_clean

    return iter_clean(layers.stack_of(image), Denoiser.default(), order=[index])


def profiles(folder: Path) -> None:
    """Input, cleaned and difference side by side, with lines and their profiles."""
    with window("Clean stack") as (viewer, cleaner):
        image = open_sample(viewer)
        layers.show_index(viewer, image, 5)
        clean(cleaner)
        cleaner.compare.buttons["side"].click()
        _, plot = viewer.window.add_plugin_dock_widget(
            "napari-labdct", "Line profiles", tabify=True
        )
        plot.tools["draw"].click()
        draw_lines(viewer, image)
        plot.tools["move"].click()
        plot.level.setChecked(True)
        viewer.reset_view()
        spin(1)
        plot.plot.set_cursor_at(0, 40.0)
        shoot(viewer, folder, "window")


def cleaning(folder: Path) -> None:
    """Clean stack with the swipe in the middle."""
    with window("Clean stack") as (viewer, widget):
        image = open_sample(viewer)
        layers.show_index(viewer, image, 5)
        clean(widget)
        widget.compare.buttons["swipe"].click()
        steps = (widget.input.drop, widget.model, widget.clean)
        steps = (*steps, widget.compare.buttons["overlay"], widget.save)
        shoot(viewer, folder, "window_clean", steps)


def empty(folder: Path) -> None:
    """What a first-time user sees."""
    with window("Clean stack") as (viewer, widget):
        spin(60, lambda: widget.controller.model.ready)
        shoot(viewer, folder, "window_empty")


def spots(folder: Path) -> None:
    """Spots found and named, one of them chosen in the table."""
    from napari_labdct.files import sample_path

    truth = sample_path().with_name("truth.csv")
    with window("Spots") as (viewer, widget):
        image = open_sample(viewer)
        spin(60, lambda: widget.find.isEnabled())
        widget.find.click()
        spin(300, lambda: widget.controller.task.state is State.DONE)
        widget.ask_open = lambda *about: truth
        widget.grains.click()
        spin(60, lambda: "belong" in widget.message)
        layers.show_index(viewer, image, 5)
        viewer.scene.camera.zoom *= 1.5
        spin(0.5)
        widget.table.selectRow(min(600, widget.table.spots.rowCount() // 2))
        # As if the mouse were on it.
        widget.controller.points.hovered.emit(widget.table.chosen[0])
        shoot(viewer, folder, "window_spots")


def simulating(folder: Path) -> None:
    """One projection of the paper's scan, clean and measured, with its spots."""
    with window("Simulate projections") as (viewer, widget):
        widget.preview.click()
        spin(300, lambda: widget.controller.task.state is State.DONE)
        for layer in viewer.layers:
            layer.visible = "clean" not in layer.name
        viewer.reset_view()
        shoot(viewer, folder, "window_simulate")


def training(folder: Path) -> None:
    """A short training on the sample's set-up, its losses and a preview."""
    from napari_labdct.learning import TrainingSettings, UNetSettings
    from napari_labdct.plugin import settings

    place = tempfile.TemporaryDirectory()
    settings.keep("models", "new", place.name)
    with place, window("Train a denoiser") as (viewer, widget):
        spin(60, lambda: widget.train.isEnabled())
        network = UNetSettings(base=8, depth=2)
        short = TrainingSettings(epochs=8, steps=40, crop=128, batch=2, network=network)
        widget.settings.show_parameters(short)
        widget.count.setValue(8)
        widget.train.click()
        reports = widget.controller.history.reports
        spin(600, lambda: len(reports) >= 6)
        shoot(viewer, folder, "window_train")
        widget.stop.click()
        spin(60, lambda: not widget.controller.task.state.is_busy)


SCENES = {
    "window": profiles,
    "clean": cleaning,
    "empty": empty,
    "spots": spots,
    "simulate": simulating,
    "train": training,
}


def main(arguments: list[str]) -> None:
    folder = IMAGES
    names = [name for name in arguments if name in SCENES]
    for other in arguments:
        if other not in SCENES:
            folder = Path(other)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or SCENES:
        SCENES[name](folder)


if __name__ == "__main__":
    main(sys.argv[1:])
