"""Runs a function in a fork of this process during other work; the fork shares the memory without a copy."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple

R = TypeVar("R")
Args = TypeVarTuple("Args")


@contextmanager
def beside(forks: bool, function: Callable[[*Args], R], *args: *Args) -> Iterator[Callable[[], R]]:
    """Run ``function(*args)`` in a fork during the ``with`` block; yield a function that waits for the result
    and returns it.

    Only for pure functions whose modules are loaded: locks, threads and connections do not work in a fork. If
    ``forks`` is False, the system is not Linux, or the fork ends without a result, the function runs in this
    process when the result is asked for, and its exceptions are raised there.
    """
    if not forks or sys.platform != "linux":
        yield lambda: function(*args)
        return
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as here, os.fdopen(writing, "wb") as there:
        pid = _fork()
        if not pid:
            try:
                here.close()  # or it would wait for itself to read, once its parent is killed
                pickle.dump(function(*args), there, pickle.HIGHEST_PROTOCOL)
                there.flush()
                os._exit(0)
            finally:
                os._exit(1)
        there.close()

        def result() -> R:
            try:
                found: R = pickle.load(here)  # noqa: S301 - ours
            except (EOFError, pickle.UnpicklingError):
                return function(*args)
            return found

        try:
            yield result
        finally:
            if pid > 0:
                os.kill(pid, signal.SIGKILL)  # has ended, or nobody waits for it
                os.waitpid(pid, 0)


def _fork() -> int:
    """Return the result of ``os.fork``; -1 where memory or processes are short."""
    with warnings.catch_warnings():  # from Python 3.12 on, of the locks of other threads
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return os.fork()
        except OSError:
            return -1
