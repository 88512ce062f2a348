"""The one place for background jobs: a generator runs in a thread of its own.

Long jobs wait for each other, so that they do not fight over the cores; short ones
that the user waits for (a preview) run at once. What a job yields is handed to the
window ten times a second at most, because every redraw costs it time.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import deque
from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QObject, Signal

from napari_labdct.core import InputError, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Job = Callable[[], Iterator[Any]]

PACE = 0.1
"""Shortest time between two reports of a job [s]."""


class State(StrEnum):
    """Where a task stands; its values are words for people."""

    IDLE = "ready"
    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_busy(self) -> bool:
        """Whether the task can be cancelled and cannot be started."""
        return self in (State.WAITING, State.RUNNING, State.STOPPING)


class Task(QObject):
    """Runs one job at a time in the background.

    Signals, all in the window's thread: `changed` (State), `reported` (list of what
    the job yielded since the last report), `told` (what the job told from inside a
    step), `progressed` (Progress, with the time left in its words), `warned` and
    `failed` (one sentence), `ended` (after DONE or FAILED; `cancelled` tells whether
    the job was stopped early).

    Parameters
    ----------
    name
        What the job does, for people: "Clean stack".
    urgent
        Run at once rather than wait for other tasks.
    """

    changed = Signal(object)
    reported = Signal(list)
    told = Signal(object)
    progressed = Signal(object)
    warned = Signal(str)
    failed = Signal(str)
    ended = Signal()

    # Running and waiting tasks, the first one running. The list also keeps tasks
    # alive whose widget has gone.
    _line: ClassVar[deque[Task]] = deque()

    def __init__(self, name: str, *, urgent: bool = False) -> None:
        super().__init__()
        self.name, self.urgent = name, urgent
        self.state = State.IDLE
        self.cancelled = False
        self.details = ""
        self._job: Job = _nothing
        self._worker: Any = None
        self._stop, self.hurry = threading.Event(), threading.Event()
        self._began = 0.0

    def start(self, job: Job) -> None:
        """Run the generator that `job()` makes, now or when its turn comes.

        Parameters
        ----------
        job
            Called in the thread. A `Progress` among what it yields moves the
            progress bar; everything else is reported.
        """
        if self.state.is_busy:
            raise RuntimeError(f"{self.name} is already {self.state}")
        self._job, self.cancelled, self.details = job, False, ""
        self._stop, self.hurry = threading.Event(), threading.Event()
        if self.urgent:
            self._run()
            return
        Task._line.append(self)
        if Task._line[0] is self:
            self._run()
        else:
            self._go(State.WAITING)

    def cancel(self) -> None:
        """Stop after the step at work; what is done stays done.

        Asked again, or by `abandon`, `hurry` is set: long steps look at it.
        """
        if self.state is State.WAITING:
            Task._line.remove(self)
            self.cancelled = True
            self._go(State.DONE)
            self.ended.emit()
        elif self.state is State.RUNNING:
            self.cancelled = True
            self._stop.set()
            self._go(State.STOPPING)
        elif self.state is State.STOPPING:
            self.hurry.set()

    def abandon(self) -> None:
        """Stop as soon as can be: nobody waits for the result any more."""
        self.cancel()
        self.hurry.set()

    def _run(self) -> None:
        from napari.qt.threading import create_worker

        job, stop = self._job, self._stop
        self._began = time.monotonic()

        def steps() -> Iterator[list[Any]]:
            yield from _paced(job, stop)

        self._worker = create_worker(steps, _ignore_errors=True)
        self._worker.yielded.connect(self._on_yielded)
        self._worker.errored.connect(self._on_errored)
        self._worker.warned.connect(self._on_warned)
        self._worker.finished.connect(self._on_finished)
        self._go(State.RUNNING)
        self._worker.start()

    def _on_yielded(self, batch: list[Any]) -> None:
        last = next((it for it in reversed(batch) if isinstance(it, Progress)), None)
        rest = [item for item in batch if not isinstance(item, Progress)]
        if rest:
            self.reported.emit(rest)
        if last is not None:
            left = time_left(last, time.monotonic() - self._began)
            words = " · ".join(part for part in (last.what, left) if part)
            self.progressed.emit(Progress(last.done, last.total, words))

    def _on_errored(self, error: Exception) -> None:
        self.state = State.FAILED
        if isinstance(error, InputError):
            self.failed.emit(str(error))
        else:
            self.details = "".join(traceback.format_exception(error))
            self.failed.emit(
                f"{self.name} stopped at an error of its own "
                f"({type(error).__name__}: {error}): please report it with the details."
            )

    def _on_warned(self, shown: tuple[Any, ...]) -> None:
        self.warned.emit(str(shown[0]))

    def _on_finished(self) -> None:
        self._worker, self._job = None, _nothing
        if self in Task._line:
            Task._line.remove(self)
            if Task._line:
                Task._line[0]._run()
        self._go(State.FAILED if self.state is State.FAILED else State.DONE)
        self.ended.emit()

    def _go(self, state: State) -> None:
        self.state = state
        self.changed.emit(state)


def _nothing() -> Iterator[Any]:
    """The job of a task that has none."""
    return iter(())


def _paced(job: Job, stop: threading.Event) -> Iterator[list[Any]]:
    """Collect what a job yields into lists, one each `PACE` seconds at most."""
    batch: list[Any] = []
    last = -PACE
    with closing(_iterator(job)) as items:
        for item in items:
            batch.append(item)
            if stop.is_set():
                break
            if time.monotonic() - last >= PACE:
                yield batch
                batch, last = [], time.monotonic()
    if batch:
        yield batch


def _iterator(job: Job) -> Any:
    """The job as a generator, so that it can be closed early."""
    yield from job()


def time_left(progress: Progress, seconds: float) -> str:
    """Time a job still needs, in words; empty while that is a guess.

    Parameters
    ----------
    progress
        Steps done and in all.
    seconds
        Time since the job began [s].
    """
    if not 0 < progress.done < progress.total or seconds < 1:
        return ""
    left = seconds / progress.done * (progress.total - progress.done)
    if left < 90:
        return f"{max(1, round(left))} s left"
    if left < 5400:
        return f"{round(left / 60)} min left"
    return f"{left / 3600:.1f} h left"


def leave_a_core() -> None:
    """Let PyTorch use all cores but one in this thread, so the window can redraw."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
