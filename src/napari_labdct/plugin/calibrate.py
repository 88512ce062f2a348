"""*Calibrate on this scan*: the chosen network goes on training on the open stack."""

from __future__ import annotations

import os
import re
import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLabel, QProgressBar, QSpinBox, QVBoxLayout, QWidget

from napari_labdct.core import InputError, Progress
from napari_labdct.plugin import layers, settings
from napari_labdct.plugin.dock import button, row
from napari_labdct.plugin.tasks import State, Task
from napari_labdct.plugin.training import Clock, StopNow, teller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_labdct.core import ProjectionStack
    from napari_labdct.learning import Denoiser, EpochReport
    from napari_labdct.plugin.clean_view import CleanView
    from napari_labdct.plugin.input import StackInput
    from napari_labdct.plugin.model_view import ModelChoice

EPOCHS = 6
"""How long the training takes unless the user says otherwise."""

READY = (
    "Make a model of your own scan, without labels: the chosen one goes on training "
    "on simulated spots over this scan's own background, noise and zingers. It takes "
    "some minutes."
)


class CalibrateView(QWidget):
    """Button, length and progress; signals `wanted` (epochs) and `stop_wanted`."""

    wanted = Signal(int)
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.begin = button("Calibrate on this scan", READY)
        self.epochs = QSpinBox()
        self.epochs.setRange(1, 100)
        self.epochs.setValue(EPOCHS)
        self.epochs.setSuffix(" epochs")
        self.epochs.setToolTip("How long to train: epochs of 120 batches.")
        self.stop = button("Stop", "Stop now; the best model so far is kept.")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.words = QLabel()
        self.begin.clicked.connect(lambda: self.wanted.emit(self.epochs.value()))
        self.stop.clicked.connect(self.stop_wanted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(self.begin, self.epochs, self.stop))
        layout.addWidget(self.progress)
        layout.addWidget(self.words)
        self.set_state(State.IDLE)

    def set_state(self, state: State, *, ready: bool = False) -> None:
        """Let the buttons say what can be done."""
        busy = state.is_busy
        self.begin.setEnabled(ready and not busy)
        self.epochs.setVisible(not busy)
        for part in (self.stop, self.progress, self.words):
            part.setVisible(busy)
        self.stop.setEnabled(state in (State.WAITING, State.RUNNING))
        if state is State.WAITING:
            self.set_progress(Progress(0, 0, "Waiting for another job to end."))
        elif state is State.STOPPING:
            self.words.setText("Stopping…")

    def set_progress(self, progress: Progress) -> None:
        """Move the bar."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)
        self.words.setText(progress.what)


class Calibration(QObject):
    """Wires a `CalibrateView`; signals `said` and `failed` (one sentence).

    Parameters
    ----------
    dock
        The widget that the view is part of.
    source
        The stack that the user chose.
    model
        The network to start from; the finished one is chosen there.
    """

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, dock: CleanView, source: StackInput, model: ModelChoice) -> None:
        super().__init__(dock)
        self._view, self._source, self._model = dock.calibrate, source, model
        self.task = Task("Calibrate on this scan")
        self._folder: Path | None = None
        self._input: Callable[[], Any] = lambda: None
        self._clock, self._epochs = Clock(), EPOCHS
        self._best: EpochReport | None = None
        self._view.wanted.connect(self.start)
        self._view.stop_wanted.connect(self.task.abandon)
        self.task.told.connect(self._tell)
        self.task.reported.connect(self._report)
        self.task.failed.connect(self.failed)
        self.task.changed.connect(self.update)
        self.task.ended.connect(self._ended)

    def update(self, *_: object) -> None:
        """Let the buttons say what can be done."""
        ready = self._model.ready and self._source.layer is not None
        self._view.set_state(self.task.state, ready=ready)

    def forget(self, layer: object) -> None:
        """A layer is gone: nobody waits for its model."""
        if layer is self._input():
            self.task.abandon()

    def start(self, epochs: int) -> None:
        """Calibrate the chosen model on the chosen layer."""
        layer = self._source.layer
        if layer is None or not self._model.ready or self.task.state.is_busy:
            return
        try:
            stack = layers.stack_of(layer)
        except InputError as error:
            self.failed.emit(str(error))
            return
        folder = free_folder(settings.new_models_folder(), f"{layer.name} calibrated")
        get, (_, device) = self._model.getter(), self._model.key
        self._folder, self._input = folder, weakref.ref(layer)
        self._clock, self._epochs, self._best = Clock(), epochs, None
        self.said.emit("")
        self.task.start(
            lambda: steps(stack, get, folder, epochs, device, teller(self.task))
        )

    def _tell(self, items: list[Any]) -> None:
        """Some batches, or some simulations, went by."""
        last = items[-1]
        if self.task.state is State.RUNNING:
            known = isinstance(last, Progress)
            self._view.set_progress(
                last if known else self._clock.progress(last, self._epochs)
            )

    def _report(self, reports: list[EpochReport]) -> None:
        better = [report for report in reports if report.is_best]
        self._best = better[-1] if better else self._best

    def _ended(self) -> None:
        self._input = lambda: None
        if self._folder is None or self.task.state is State.FAILED:
            return
        if self._best is None:
            self.said.emit("Stopped before the first epoch was done: no model yet.")
            return
        self._model.add(self._folder)
        head = "Stopped early" if self.task.cancelled else "Calibrated"
        name, _ = self._model.key
        self.said.emit(
            f"{head}: the model of epoch {self._best.epoch} is chosen, {name}. Clean "
            "uses it now."
        )


def free_folder(place: Path, name: str) -> Path:
    """A model folder of that name, or with a number after it, that is not taken."""
    plain = re.sub(r"[^\w.,()+ -]+", "_", name).strip(" .") or "calibrated"
    number, folder = 1, place / plain
    while (folder / "config.json").exists():
        number += 1
        folder = place / f"{plain} {number}"
    return folder


def steps(
    stack: ProjectionStack,
    denoiser: Callable[[], Denoiser],
    folder: Path,
    epochs: int,
    device: str,
    tell: Callable[[Any], None],
) -> Iterator[EpochReport]:
    """Calibrate; a job for the background, it reports every epoch.

    `tell` is called in between, and ends the job by raising `StopNow`.
    """
    from napari_labdct.plugin.imports import load_training

    load_training()
    from napari_labdct.learning.unet import SpotNet
    from napari_labdct.workflows import calibrate

    network = denoiser()
    chosen = None
    if isinstance(network.model, SpotNet):
        # Threads that draw examples would fight with the window for the last core.
        threads = max(1, (os.cpu_count() or 2) - 1)
        chosen = calibrate.calibration_settings(network.model.settings)
        chosen = chosen.model_copy(update={"threads": threads})
    try:
        yield from calibrate.iter_calibrate(
            stack,
            network,
            folder,
            epochs=epochs,
            settings=chosen,
            device=device,
            each_part=tell,
            each_step=tell,
        )
    except StopNow:
        return
