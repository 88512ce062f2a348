"""How quick the napari window is: opening, scrubbing, first preview, drags, stalls.

    xvfb-run -a -s "-screen 0 1600x1200x24" \\
        python benchmarks/bench_plugin.py [open] [clean] [profiles] [spots] [train]

Prints a table for docs/napari.md, with the load of the machine beside each figure.
"Without others" is the processor time of this process, and for the window's answer the
time less that during which its thread waited for a core. Without a graphics card the
times hold napari's drawing in software, too.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

# The user's own settings stay as they are.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_labdct.plugin import layers, lines
from napari_labdct.plugin.tasks import State

SHAPE = (181, 1015, 1015)


def spin(seconds: float, until: Callable[[], bool] = lambda: False) -> float:
    """Let the window live; returns how long it took [s]."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds and not until():
        QApplication.processEvents()
        time.sleep(0.001)
    return time.perf_counter() - start


def timed(
    work: Callable[[], object], processor: Callable[[], float] = time.process_time
) -> tuple[float, float]:
    """Time on the clock and processor time, by default of this process [ms].

    Where others use the machine too, the second one tells what a free core would
    need at most.
    """
    start, begun = time.perf_counter(), processor()
    work()
    return 1000 * (time.perf_counter() - start), 1000 * (processor() - begun)


def medians(times: list[tuple[float, float]]) -> str:
    """Medians of both times, in words."""
    clock, processor = np.median(times, axis=0)
    return f"{clock:.1f} ms | {processor:.1f} ms"


def waited() -> float:
    """Time that this thread has waited for a core so far [s]; 0 where not known."""
    told = Path("/proc/thread-self/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.is_file() else 0.0


class Heartbeat:
    """A timer of 10 ms that notes how late the event loop answers it.

    Other programs on a shared machine keep the window's thread waiting for a core:
    that time is told apart.
    """

    def __init__(self) -> None:
        self.gaps: list[tuple[float, float]] = []
        self._last = time.perf_counter(), waited()
        self._timer = QTimer()
        self._timer.setInterval(10)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = time.perf_counter(), waited()
        gap = now[0] - self._last[0]
        self.gaps.append((gap, gap - (now[1] - self._last[1])))
        self._last = now

    def stop(self) -> list[tuple[str, str]]:
        """Median, 99th percentile and longest gap, on the clock and without waits."""
        self._timer.stop()
        late = 1000 * np.array(self.gaps[2:])
        rows = {
            "median": np.median(late, 0),
            "99 %": np.percentile(late, 99, 0),
            "longest": late.max(0),
        }
        return [
            (name, f"{clock:.0f} ms | {own:.0f} ms")
            for name, (clock, own) in rows.items()
        ]


def write_scan(path: Path) -> None:
    """A scan of the usual size, with spots on a background."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[: SHAPE[1], : SHAPE[2]]
    level = 300 + 400 * np.exp(-((row - 507) ** 2 + (column - 507) ** 2) / 6e5)
    frame = rng.poisson(level).astype(np.uint16)
    with tifffile.TiffWriter(path) as writer:
        for index in range(SHAPE[0]):
            turned = np.roll(frame, 37 * index, 1)
            for place in rng.integers(10, 1000, (200, 2)):
                turned[place[0] : place[0] + 4, place[1] : place[1] + 4] += 300
            writer.write(turned, contiguous=True)


def step_to(viewer: Any, layer: Any, index: int) -> None:
    """Show a projection, and let the window draw it."""
    layers.show_index(viewer, layer, index)
    QApplication.processEvents()


def opening(viewer: Any, widget: Any, path: Path) -> list[tuple[str, str]]:
    spin(120, lambda: widget.controller.model.ready)
    from napari_labdct.plugin.opening import read

    read([path])  # imports what it needs
    reading = medians([timed(lambda: read([path])) for _ in range(5)])
    widget.input.drop.paths_given.emit([path])
    shown = timed(lambda: spin(60, lambda: len(viewer.layers) > 0))
    layer, steps = viewer.layers[0], []
    for index in range(20, 60):
        steps.append(timed(lambda at=index: step_to(viewer, layer, at)))
    return [
        (
            "open 181 × 1015², until it can be asked for frames",
            reading,
        ),
        ("open it, until it is on the screen", medians([shown])),
        (
            "scrub: one step of the slider",
            medians(steps),
        ),
    ]


def cleaning(viewer: Any, widget: Any) -> list[tuple[str, str]]:
    controller = widget.controller
    widget.preview.setChecked(True)
    glance = spin(120, lambda: controller.comparison.is_open)
    spin(60, lambda: not controller.glance.state.is_busy)
    layer, nexts = viewer.layers[0], []
    for index in (100, 120, 140):
        start = time.perf_counter()
        layers.show_index(viewer, layer, index)
        made = controller._cleaning
        spin(60, lambda at=index, of=made: of.done[at] or of.quick[at])
        nexts.append(time.perf_counter() - start)
        spin(60, lambda: not controller.glance.state.is_busy)
    widget.preview.setChecked(False)
    layers.show_index(viewer, layer, 10)
    widget.clean.click()
    first = spin(120, lambda: controller._cleaning.quick[10])
    spin(5)
    beat = Heartbeat()
    done = controller._cleaning.done.sum()
    spin(15)
    rate = (controller._cleaning.done.sum() - done) / 15
    answers = beat.stop()
    widget.cancel.click()
    spin(60, lambda: not controller.task.state.is_busy)
    return [
        ("first preview after opening", f"{glance:.1f} s"),
        ("preview after a step of the slider", f"{np.median(nexts):.1f} s"),
        ("Clean, until the visible projection is clean", f"{first:.1f} s"),
        ("then, projections a minute", f"{60 * rate:.0f}"),
        *((f"window's answer while cleaning, {name}", both) for name, both in answers),
    ]


def redraw(plot: Any) -> None:
    """Take the profiles and draw them, without the window around: that is napari's."""
    plot.controller.refresh()
    plot.plot.grab()


def dragging(viewer: Any, plot: Any) -> list[tuple[str, str]]:
    plot.tools["draw"].click()
    shapes = lines.find_lines(viewer)
    made = [
        lines.Line(name, "#ffb000", (100.0 + 300 * number, 50.0), (400.0, 950.0))
        for number, name in enumerate("ABC")
    ]
    lines.set_lines(shapes, made)
    for number in range(plot.layers.count()):
        item = plot.layers.item(number)
        item.setCheckState(type(item.checkState()).Checked)
    spin(1)
    rows = []
    for width in (1, 15):
        plot.width_px.setValue(width)
        times = []
        for step in range(30):
            moved = np.array([0, step % 2])
            shapes.data = [ends + moved for ends in shapes.data]
            times.append(timed(lambda: redraw(plot), time.thread_time))
        count = len(plot.plot.plot.panels[0].curves)
        text = f"3 lines × {count} layers, width {width}: compute and draw"
        rows.append((text, medians(times)))
    return rows


def filtering(viewer: Any, widget: Any, path: Path) -> list[tuple[str, str]]:
    from napari_labdct.core import SpotTable
    from napari_labdct.files import write_spots

    rng = np.random.default_rng(1)
    rows = []
    for spots in (600, 600 * SHAPE[0]):
        projection = np.sort(rng.integers(0, 1 if spots == 600 else SHAPE[0], spots))
        frame = SpotTable().frame.reindex(range(spots))
        frame = frame.assign(
            projection=projection,
            omega_deg=2.0 * projection,
            row_px=rng.uniform(0, 1014, spots),
            column_px=rng.uniform(0, 1014, spots),
            area_px=rng.integers(5, 90, spots),
            snr=rng.gamma(2, 10, spots),
            peak=100.0,
            intensity=1000.0,
        )
        write_spots(SpotTable(frame), path)
        widget.ask_open = lambda *about: path
        widget.open_wanted.emit()
        spin(1)
        times = []
        for step in range(12):
            times.append(timed(lambda at=step: filter_to(widget, 5.0 + at)))
        rows.append((f"{spots} spots: one step of the SNR filter", medians(times)))
        widget.least_snr.setValue(0)
    layer, times = viewer.layers[0], []
    for index in range(20, 40):
        times.append(timed(lambda at=index: step_to(viewer, layer, at)))
    rows.append((f"{spots} spots: one step of the slider", medians(times)))
    # Nothing else is to be measured with them in view.
    viewer.layers.remove(widget.controller.points.layer)
    return rows


def filter_to(widget: Any, snr: float) -> None:
    """Show spots from this SNR on, and let the window draw them."""
    widget.least_snr.setValue(snr)
    QApplication.processEvents()


def training(viewer: Any, widget: Any, folder: Path) -> list[tuple[str, str]]:
    from napari_labdct.plugin import settings

    settings.keep("models", "new", str(folder))
    spin(120, lambda: widget.train.isEnabled())
    task = widget.controller.task
    widget.count.setValue(4)
    widget.train.click()
    beat = Heartbeat()
    spin(300, lambda: len(widget.controller.history.batches) > 5)
    simulating = beat.stop()
    if not task.state.is_busy:
        raise RuntimeError(f"the training ended early: {widget.message}")
    beat = Heartbeat()
    spin(30)
    alone = beat.stop()
    beat, layer = Heartbeat(), viewer.layers[0]
    for index in range(60, 90):
        layers.show_index(viewer, layer, index)
        spin(0.1)
    scrubbing = beat.stop()
    widget.stop.click()
    widget.stop.click()
    ending = spin(60, lambda: task.state is State.DONE)
    rows = [("Stop now, until the training has ended", f"{ending:.1f} s")]
    for what, answers in (
        ("simulating for the training", simulating),
        ("training", alone),
        ("training and scrubbing", scrubbing),
    ):
        rows += [(f"window's answer while {what}, {name}", b) for name, b in answers]
    return rows


SECTIONS = {
    "open": "Clean stack",
    "clean": "Clean stack",
    "profiles": "Line profiles",
    "train": "Train a denoiser",
    "spots": "Spots",
}
"""What is measured, and the widget that it is measured in; the last one leaves a table
of 108,600 spots behind."""


def main(wanted: list[str]) -> None:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1440, 900)
    docks = {
        name: viewer.window.add_plugin_dock_widget("napari-labdct", name, tabify=True)[
            1
        ]
        for name in dict.fromkeys(SECTIONS.values())
    }
    print(f"{platform.machine()}, {os.cpu_count()} cores, shared\n")
    print("| what | time | without others | load |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.tif"
        write_scan(path)
        measure: dict[str, Callable[[Any], list[tuple[str, str]]]] = {
            "open": lambda dock: opening(viewer, dock, path),
            "clean": lambda dock: cleaning(viewer, dock),
            "profiles": lambda dock: dragging(viewer, dock),
            "train": lambda dock: training(viewer, dock, Path(folder)),
            "spots": lambda dock: filtering(viewer, dock, Path(folder) / "spots.csv"),
        }
        for section in SECTIONS:
            # Everything needs the stack that the first one opens.
            rows = []
            if section in wanted or section == "open" or not wanted:
                rows = measure[section](docks[SECTIONS[section]])
            load = os.getloadavg()[0]
            for what, value in rows:
                both = value if "|" in value else f"{value} | "
                print(f"| {what} | {both} | {load:.0f} |", flush=True)
        viewer.close()
        spin(0.5)


if __name__ == "__main__":
    main(sys.argv[1:])
