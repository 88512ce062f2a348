"""The widget *Simulate projections*: joins the form, the simulation and the viewer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_labdct.core import InputError
from napari_labdct.plugin import (
    adding,
    grain_layer,
    grid,
    layers,
    settings,
    spots_layer,
)
from napari_labdct.plugin.choices import bare
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.simulate_view import SimulateView
from napari_labdct.plugin.simulating import Simulating, empty, one_projection
from napari_labdct.plugin.tasks import State, Task

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from numpy.typing import NDArray

    from napari_labdct.core import SpotTable
    from napari_labdct.workflows.virtual_scan import VirtualScan

SHOWN = (
    "crystal",
    "sample.diameter",
    "sample.height",
    "sample.grain_size",
    "beam.kvp",
    "geometry.source_to_sample",
    "geometry.sample_to_detector",
    "plan.omega_start",
    "plan.omega_step",
    "plan.count",
    "noise",
)
"""Fields of a virtual scan that are in sight."""

PAUSE_MS = 300
"""How long the form must rest before a live preview starts [ms]."""

RUN_FILES = "Run file (*.json *.yaml *.yml)"


def scan_form() -> Form:
    """The form of a virtual scan."""
    from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS

    first = next(iter(VIRTUAL_SCANS.values()))
    return Form(first.model_copy(update={"noise": True}), shown=SHOWN)


def _grey_range(first: NDArray[Any], measured: bool) -> tuple[float, float]:
    """Limits that show the first projection: the only one there is to begin with."""
    if measured:
        return layers.grey_range(first)
    # Most of a clean frame is zero: percentiles see no spot.
    lit = first[first > 0]
    return 0.0, float(np.quantile(lit, 0.9)) if lit.size else 1.0


class SimulateProjections(SimulateView):
    """Simulate the projections of a virtual sample, with all true spots."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(scan_form())
        self.controller = SimulateController(bare(viewer), self)


class SimulateController(QObject):
    """Wires a `SimulateView` to a viewer.

    Parameters
    ----------
    viewer
        Where simulated stacks go.
    view
        What the user sees.
    """

    def __init__(self, viewer: ViewerModel, view: SimulateView) -> None:
        super().__init__(view)
        from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS

        self._viewer, self._view = viewer, view
        self._presets = VIRTUAL_SCANS
        self._job: Simulating | None = None
        self._layers: list[Image] = []
        self.task = Task("Simulate projections")
        view.preset.set_names(list(VIRTUAL_SCANS))
        self._recall()
        view.preset_chosen.connect(self._reset)
        view.reset_wanted.connect(self._reset)
        view.open_wanted.connect(self._open)
        view.save_wanted.connect(self._save)
        view.preview_wanted.connect(self.preview)
        view.simulate_wanted.connect(self.simulate)
        view.cancel_wanted.connect(self.task.cancel)
        view.details_wanted.connect(self._details)
        self._soon = QTimer(self, interval=PAUSE_MS, singleShot=True)
        self._soon.timeout.connect(self._preview_again)
        view.scan.changed.connect(self._on_change)
        view.live_toggled.connect(self._on_change)
        view.grains_wanted.connect(self.show_grains)
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.task.changed.connect(view.set_state)
        self.task.progressed.connect(view.set_progress)
        self.task.reported.connect(self._report)
        self.task.failed.connect(self._trouble)
        self.task.ended.connect(self._ended)

    def close(self) -> None:
        """Stop all work."""
        self._soon.stop()
        self.task.cancel()

    def _on_change(self, *_: object) -> None:
        """Preview again when the user has stopped typing for a moment."""
        if self._view.live.isChecked():
            self._soon.start()

    def _preview_again(self) -> None:
        if self.task.state.is_busy:
            self._soon.start()
        else:
            self.preview()

    @property
    def scan(self) -> VirtualScan:
        """What the form says.

        Raises
        ------
        InputError
            If its values do not go together.
        """
        scan: VirtualScan = self._view.scan.parameters  # type: ignore[assignment]  # a form of any model
        return scan

    def preview(self) -> None:
        """Simulate one projection, at the scan's first angle."""
        try:
            scan = self.scan
        except InputError as error:
            self._trouble(str(error))
            return
        self._start(one_projection(scan, scan.plan.omega_start))

    def simulate(self) -> None:
        """Simulate the whole scan."""
        try:
            scan = self.scan
        except InputError as error:
            self._trouble(str(error))
            return
        settings.keep("simulation", "scan", scan.model_dump_json())
        self._start(scan)

    def show_grains(self) -> None:
        """Show the grains of the last simulation in a window of their own."""
        job = self._job
        if job is not None and job.sample is not None:
            name = f"{job.scan.name.removesuffix(' preview')} grains"
            grain_layer.show_grains(job.sample, name, grain_layer.new_viewer(name))

    def _start(self, scan: VirtualScan) -> None:
        if self.task.state.is_busy:
            return
        shape = (scan.plan.count, *scan.geometry.detector.shape)
        self._job = empty(scan, adding.preallocate(shape))
        self._layers = []
        self._view.say("")
        self.task.start(self._job.steps)

    def _report(self, batch: list[int]) -> None:
        """Show the first projection as soon as there is one, then those in view."""
        if self._job is None:
            return
        if not self._layers:
            self._show_stacks(self._job)
        for layer in self._layers:
            if (
                layer in self._viewer.layers
                and layers.index_of(self._viewer, layer) in batch
            ):
                layer.refresh()

    def _show_stacks(self, job: Simulating) -> None:
        kinds = [("measured", True)] if job.measured is not None else []
        for word, measured in [*kinds, ("clean", False)]:
            stack, name = job.stack(measured), f"{job.scan.name} {word}"
            shown = self._last_preview(job, name)
            if shown is not None:
                adding.show_stack(shown, stack)
            else:
                shown = adding.add_stack(self._viewer, stack, name)
                adding.set_range(shown, *_grey_range(stack.images[0], measured))
            self._layers.append(shown)
        grid.settle(self._viewer)

    def _last_preview(self, job: Simulating, name: str) -> Layer | None:
        """The layer of the preview before, which the next one takes over."""
        if job.scan.plan.count > 1 or name not in self._viewer.layers:
            return None
        return self._viewer.layers[name]

    def _ended(self) -> None:
        job = self._job
        if job is None or not self._layers or self.task.state is State.FAILED:
            return
        spots = job.spots
        self._show_spots(job, spots)
        if job.sample is not None:
            self._view.grains.setEnabled(True)
        done, total = len(job.tables), job.scan.plan.count
        what = "projection" if total == 1 else "projections"
        head = f"Stopped: {done} of {total}" if self.task.cancelled else f"{done}"
        sample = "" if job.sample is None else f" Sample: {job.sample.summary}."
        self._view.say(f"{head} {what} with {len(spots)} spots.{sample}")

    def _show_spots(self, job: Simulating, spots: SpotTable) -> None:
        name, image = f"{job.scan.name} spots", self._layers[0]
        old = self._last_preview(job, name)
        seen = old is not None and old.visible
        if old is not None:
            self._viewer.layers.remove(old)
        if image not in self._viewer.layers or not len(spots):
            return
        from napari.layers import Layer

        stack = job.stack(job.measured is not None)
        data = spots_layer.spots_to_layer(spots, stack, name, image)
        layer = self._viewer.add_layer(Layer.create(*data))
        layer.visible = seen
        self._viewer.layers.selection.active = image

    def _recall(self) -> None:
        """Show the scan that was simulated last."""
        from napari_labdct.workflows.virtual_scan import VirtualScan

        last = settings.recall("simulation", "scan")
        if last:
            # A scan of an older version may not be one any more.
            with contextlib.suppress(ValueError):
                self._view.scan.show_parameters(VirtualScan.model_validate_json(last))

    def _reset(self, *_: object) -> None:
        preset = self._presets[self._view.preset.name]
        # A window is for looking: show what a detector would.
        self._view.scan.show_parameters(preset.model_copy(update={"noise": True}))

    def _open(self) -> None:
        from napari_labdct.workflows.virtual_scan import VirtualScan

        path = self._view.ask_open("Open a run file", RUN_FILES)
        if path is not None:
            try:
                self._view.scan.show_parameters(VirtualScan.read(path))
            except InputError as error:
                self._trouble(str(error))
            else:
                self._view.say(f"The scan in {path.name}.")

    def _save(self) -> None:
        path: Path | None = self._view.ask_save("scan.json", "Run file (*.json)")
        if path is not None:
            try:
                self.scan.write(path)
            except (InputError, OSError) as error:
                self._trouble(str(error))
            else:
                self._view.say(f"Saved {path.name}.")

    def _details(self) -> None:
        self._view.show_text("Details", self.task.details)

    def _trouble(self, sentence: str) -> None:
        self._view.say(sentence, trouble=True, details=bool(self.task.details))
