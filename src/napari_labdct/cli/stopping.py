"""Ctrl-C that lets a job put its work in order."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Turns Ctrl-C (and a polite kill) into a wish, once there is work to keep.

    Used as a context manager, in the main thread; elsewhere, and for signals that
    the process was told to ignore, nothing changes.

    Attributes
    ----------
    holds_off
        Whether a signal is only noted; until then it interrupts at once.
    wanted
        Whether the user wants to stop.
    """

    def __init__(self) -> None:
        self.holds_off = self.wanted = False
        self._before: dict[signal.Signals, Any] = {}

    def _noted(self, number: int, frame: FrameType | None) -> None:
        if not self.holds_off:
            raise KeyboardInterrupt
        self.wanted = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for one in _SIGNALS:
                if signal.getsignal(one) is not signal.SIG_IGN:
                    self._before[one] = signal.signal(one, self._noted)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)
