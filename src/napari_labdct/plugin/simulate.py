"""The widget *Simulate projections*: joins the form, the simulation and the viewer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject

from napari_labdct.core import InputError
from napari_labdct.plugin import layers, settings, spots_layer
from napari_labdct.plugin.choices import bare
from napari_labdct.plugin.forms import Form
from napari_labdct.plugin.simulate_view import SimulateView
from napari_labdct.plugin.simulating import Simulating, one_projection
from napari_labdct.plugin.tasks import State, Task

if TYPE_CHECKING:
    from pathlib import Path

    import napari.viewer
    from napari.components import ViewerModel
    from napari.layers import Image

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
)
"""Fields of a virtual scan that are in sight."""

RUN_FILES = "Run file (*.json *.yaml *.yml)"


def scan_form() -> Form:
    """The form of a virtual scan."""
    from napari_labdct.workflows.virtual_scan import VIRTUAL_SCANS

    return Form(next(iter(VIRTUAL_SCANS.values())), shown=SHOWN)


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
        view.details_wanted.connect(
            lambda: view.show_text("Details", self.task.details)
        )
        view.closed.connect(self.close)
        view.destroyed.connect(self.close)
        self.task.changed.connect(view.set_state)
        self.task.progressed.connect(view.set_progress)
        self.task.reported.connect(self._report)
        self.task.failed.connect(self._trouble)
        self.task.ended.connect(self._ended)

    def close(self) -> None:
        """Stop all work."""
        self.task.cancel()

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
        """Simulate one projection, at the angle in view or the scan's first."""
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

    def _start(self, scan: VirtualScan) -> None:
        if self.task.state.is_busy:
            return
        shape = (scan.plan.count, *scan.geometry.detector.shape)
        noise = self._view.noise.isChecked()
        measured = np.zeros(shape, np.uint16) if noise else None
        self._job = Simulating(scan, layers.preallocate(shape), measured)
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
        name = job.scan.name
        for old in [f"{name} clean", f"{name} measured", f"{name} spots"]:
            # A preview is done again and again: the last one is enough.
            if job.scan.plan.count == 1 and old in self._viewer.layers:
                self._viewer.layers.remove(old)
        kinds = [("measured", True)] if job.measured is not None else []
        for word, measured in [*kinds, ("clean", False)]:
            stack = job.stack(measured)
            layer = layers.add_stack(self._viewer, stack, f"{name} {word}")
            if not measured:
                # Most of a clean frame is zero: percentiles see no spot.
                lit = job.clean[0][job.clean[0] > 0]
                high = float(np.quantile(lit, 0.9)) if lit.size else 1.0
                layers.set_range(layer, 0.0, high)
            self._layers.append(layer)

    def _ended(self) -> None:
        job = self._job
        if job is None or not self._layers or self.task.state is State.FAILED:
            return
        spots = job.spots
        image = self._layers[0]
        if image in self._viewer.layers and len(spots):
            from napari.layers import Layer

            stack = job.stack(job.measured is not None)
            data = spots_layer.spots_to_layer(spots, stack, f"{job.scan.name} spots")
            layer = self._viewer.add_layer(Layer.create(*data))
            layer.visible = False
            self._viewer.layers.selection.active = image
        done, total = len(job.tables), job.scan.plan.count
        what = "projection" if total == 1 else "projections"
        head = f"Stopped: {done} of {total}" if self.task.cancelled else f"{done}"
        self._view.say(f"{head} {what} with {len(spots)} spots.")

    def _recall(self) -> None:
        """Show the scan that was simulated last."""
        from napari_labdct.workflows.virtual_scan import VirtualScan

        last = settings.recall("simulation", "scan")
        if last:
            # A scan of an older version may not be one any more.
            with contextlib.suppress(ValueError):
                self._view.scan.show_parameters(VirtualScan.model_validate_json(last))

    def _reset(self, *_: object) -> None:
        self._view.scan.show_parameters(self._presets[self._view.preset.name])

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

    def _trouble(self, sentence: str) -> None:
        self._view.say(sentence, trouble=True, details=bool(self.task.details))
