"""The ends of a process that Python hears of, its exit and SIGTERM; installed while a node runs."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Hooks:
    """Calls ``at_end`` once when the process is about to go; then whatever was there before goes on.

    A SIGTERM handler that exits by itself would only end the busy cell of a kernel, so none does: it chains.
    """

    def __init__(self, at_end: Callable[[], None]) -> None:
        self._at_end = at_end
        self._active = False
        self._previous: Any = None
        self._handles_signal = False

    def install(self) -> None:
        """From now on; the signal only where Python allows it, on the main thread."""
        if not self._active:
            self._active = True
            atexit.register(self._ending)
        if threading.current_thread() is threading.main_thread() and not self._handles_signal:
            self._previous = signal.signal(signal.SIGTERM, self._terminated)
            self._handles_signal = True

    def remove(self) -> None:
        """No more; from another thread the signal's handler stays, but only hands on."""
        self._active = False
        atexit.unregister(self._ending)
        if threading.current_thread() is not threading.main_thread() or not self._handles_signal:
            return
        if signal.getsignal(signal.SIGTERM) == self._terminated:
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)
        self._handles_signal = False

    def _ending(self) -> None:
        if self._active:
            self._active = False
            self._at_end()

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        self._ending()
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
