"""Hooks for the end of this process: interpreter exit, SIGTERM, a kernel's shutdown.

There is one registry per process. Its handlers are installed with the first listener and removed with the
last. Jupyter kills a kernel about 2.6 s after its shutdown began; all other ends wait for the listeners.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType
from typing import Any

from kgnb.core.host import ipython_shell

SHUTDOWN_DRAIN_SECONDS = 0.4
"""Limit for requests in flight when Jupyter shuts the kernel down."""
SHUTDOWN_SECONDS = 1.5
"""Limit for all of leaving then, and when the end is hurried."""


class End(Enum):
    """What ends the process."""

    KERNEL_SHUTDOWN = "shutdown"  # Jupyter kills it within 2.6 s; the listener must return at once
    EXIT = "exit"  # exit or SIGTERM: the process ends when the listener returns
    HURRIED = "hurried"  # a second SIGTERM or an interrupt during EXIT: likewise, but soon


Listener = Callable[[End], None]
"""Called when the process is about to end, from any thread."""


class ShutdownHooks:
    """Tells every listener once that the process is about to end, then calls the handler installed before.

    Chaining matters: in a kernel, a SIGTERM handler that exits by itself would only end the running cell.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._previous: Any = None
        self._handles_signal = False
        self._chaining = False
        self._waiting_for: Listener | None = None
        self._is_registered = False
        self._kernel: Any = None

    def add(self, listener: Listener) -> None:
        """Add a listener; SIGTERM is handled only if this is the main thread, as Python demands."""
        if listener in self._listeners:
            return
        if not self._listeners:
            self._register_exit_hook()
            self._wrap_kernel_shutdown()
        self._listeners.append(listener)
        if threading.current_thread() is threading.main_thread():
            self._install_signal_handler()

    def _install_signal_handler(self) -> None:
        """Install on top of the current handler, but only once: a later handler may chain to this one."""
        now = signal.getsignal(signal.SIGTERM)
        if not self._handles_signal or not callable(now):
            self._previous = signal.signal(signal.SIGTERM, self._on_sigterm)
            self._handles_signal = True

    def remove(self, listener: Listener) -> None:
        """Remove a listener; off the main thread the signal handler stays until :meth:`tidy`."""
        if listener in self._listeners:
            self._listeners.remove(listener)
            if not self._listeners:
                self._unwrap_kernel_shutdown()
        self.tidy()

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call the listener at a shutdown during the block: :meth:`add` before, :meth:`remove` after it."""
        self.add(listener)
        try:
            yield
        finally:
            self.remove(listener)

    def tidy(self) -> None:
        """Restore the previous signal handler if there are no listeners, on the main thread, and unless
        another handler was installed since."""
        if self._listeners or not self._handles_signal:
            return
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._on_sigterm:
            signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)
            self._handles_signal = False

    def _register_exit_hook(self) -> None:
        """atexit runs after thread pools were shut down, which a leaving node needs: use the hook of Python's
        thread pools where it exists. It can't be unregistered, but does nothing without listeners."""
        if not self._is_registered:
            getattr(threading, "_register_atexit", atexit.register)(self._call_on_exit)
            self._is_registered = True

    def _wrap_kernel_shutdown(self) -> None:
        """A kernel that shuts down ends its child processes first, and may be killed while it waits for them
        (for multiprocessing's resource tracker, say): tell the listeners before it begins."""
        kernel = getattr(ipython_shell(), "kernel", None)
        if kernel is None or not hasattr(kernel, "do_shutdown"):
            return
        original = kernel.do_shutdown

        def do_shutdown(*args: Any, **kwargs: Any) -> Any:
            for listener in list(self._listeners):
                listener(End.KERNEL_SHUTDOWN)
            return original(*args, **kwargs)

        kernel.do_shutdown = do_shutdown
        self._kernel = kernel, do_shutdown

    def _unwrap_kernel_shutdown(self) -> None:
        kernel, ours = self._kernel or (None, None)
        self._kernel = None
        if kernel is not None and vars(kernel).get("do_shutdown") is ours:
            del kernel.do_shutdown

    def _call_on_exit(self) -> None:
        while self._listeners:
            self._waiting_for = listener = self._listeners.pop(0)
            try:
                listener(End.EXIT)
            except KeyboardInterrupt:
                listener(End.HURRIED)
            finally:
                self._waiting_for = None

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if self._chaining:
            if self._waiting_for is not None:  # a second signal
                self._waiting_for(End.HURRIED)
            return  # else the previous handler is a later one that chains to this one
        self._chaining = True
        try:
            self._call_on_exit()
            if callable(self._previous):
                self._previous(number, frame)
            elif self._previous != signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
        finally:
            self._chaining = False


HOOKS = ShutdownHooks()
