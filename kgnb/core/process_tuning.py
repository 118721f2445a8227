"""Tuning of a process of kgnb's own, or of one piece of work: garbage collector, allocator, threads."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

GC_THRESHOLD = 10_000
"""Allocations before a collection of the youngest generation. Python's default of 700 cost 10 % of a busy
node's time and 0.3 s of a build's start; 50,000 kept 10 MB of garbage (the Bolt driver's results and
SQLAlchemy's statements are cycles)."""
MALLOC_ARENAS = 1
"""Heaps of glibc's allocator. By default it has one for each thread, up to eight a core, that don't share
freed memory: 7 MB of a busy node. Under the GIL, threads gain nothing from them."""
_M_ARENA_MAX = -8  # malloc.h
SWITCH_SECONDS = 0.0005
"""Longest wait of the loop for the GIL. With Python's default of 5 ms the SQL threads delayed requests: 240
of 2 s, sixty at a time, took 1.064 times the ideal instead of 1.050."""


def tune_process() -> None:
    """Apply the constants above; not for a notebook's kernel, which is the user's."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    atexit.register(gc.freeze)  # at its end Python would search all objects for garbage: 0.3 s
    sys.setswitchinterval(SWITCH_SECONDS)
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, MALLOC_ARENAS)  # musl has no mallopt


@contextmanager
def no_collector() -> Iterator[None]:
    """Search for no garbage during the block: for work that makes many objects and hardly a cycle."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def release_memory() -> None:
    """Return freed memory to the system, after work that needed much more than what follows."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
