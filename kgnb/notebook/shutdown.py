"""The ends of a process that Python hears of: its exit, SIGTERM, a kernel's shutdown; installed while a node
runs.

One registry for the process: however many nodes come and go, there is one handler, and it is taken back when
the last of them has left.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Protocol


class AtEnd(Protocol):
    """Who has something to do before the process goes."""

    def kernel_ends(self) -> None:
        """The process goes when this returns."""

    def kernel_will_end(self) -> None:
        """The process goes soon; returns at once."""


class ShutdownHooks:
    """Tells whoever was added, once, when the process is about to go; then whatever was there before goes on.

    A SIGTERM handler that exits by itself would only end the busy cell of a kernel, so this one chains.
    """

    def __init__(self) -> None:
        self._active: list[AtEnd] = []
        self._previous: Any = None
        self._handles_signal = False
        self._chaining = False
        self._early = False
        self._kernel: Any = None

    def add(self, at_end: AtEnd) -> None:
        """From now on; the signal only where Python allows it, on the main thread."""
        if at_end in self._active:
            return
        if not self._active:
            self._register()
            self._hear_kernel()
        self._active.append(at_end)
        if threading.current_thread() is threading.main_thread():
            self._hear_signal()

    def _hear_signal(self) -> None:
        """On top of what is there; not again below a later handler, which may chain to this one."""
        now = signal.getsignal(signal.SIGTERM)
        if not self._handles_signal or not callable(now):
            self._previous = signal.signal(signal.SIGTERM, self._terminated)
            self._handles_signal = True

    def remove(self, at_end: AtEnd) -> None:
        """No more. Off the main thread the signal's handler stays until :meth:`tidy`, but only hands on."""
        if at_end in self._active:
            self._active.remove(at_end)
            if not self._active:
                atexit.unregister(self._ending)
                self._leave_kernel()
        self.tidy()

    def tidy(self) -> None:
        """Takes a handler that nobody needs back, if this is the main thread and the handler is on top."""
        if self._active or not self._handles_signal:
            return
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._terminated:
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)
            self._handles_signal = False

    def _register(self) -> None:
        """atexit comes after the thread pools were shut, and a leaving node needs those: Python's own hook
        for thread pools is used where it is there. It can't be taken back, but does nothing without nodes."""
        atexit.register(self._ending)
        register = getattr(threading, "_register_atexit", None)
        if register is not None and not self._early:
            register(self._ending)
            self._early = True

    def _hear_kernel(self) -> None:
        """A kernel that is told to shut down ends its child processes first, and some (a tracker of shared
        memory) let it wait until it is killed: what is to be done begins before that."""
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        kernel = getattr(shell, "kernel", None)
        if kernel is None or not hasattr(kernel, "do_shutdown"):
            return
        original = kernel.do_shutdown

        def do_shutdown(*args: Any, **kwargs: Any) -> Any:
            for one in list(self._active):
                one.kernel_will_end()
            return original(*args, **kwargs)

        kernel.do_shutdown = do_shutdown
        self._kernel = kernel, do_shutdown

    def _leave_kernel(self) -> None:
        kernel, ours = self._kernel or (None, None)
        self._kernel = None
        if kernel is not None and vars(kernel).get("do_shutdown") is ours:
            del kernel.do_shutdown

    def _ending(self) -> None:
        while self._active:
            self._active.pop(0).kernel_ends()

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        if self._chaining:  # the one before is a later handler that chains to us
            return
        self._chaining = True
        try:
            self._ending()
            if callable(self._previous):
                self._previous(number, frame)
            elif self._previous != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
        finally:
            self._chaining = False


HOOKS = ShutdownHooks()
