"""Tuning of a process of kgnb's own, or of one piece of work: garbage collector and allocator."""

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


def tune_process() -> None:
    """Collect garbage more seldom; not for a notebook's kernel, which is the user's."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    atexit.register(gc.freeze)  # at its end Python would search all objects for garbage: 0.3 s


@contextmanager
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off during the block: for work that makes many objects and
    hardly a cycle. Behind it they are in the oldest generation, not searched in each younger one first.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            if not gc.get_freeze_count():  # what others have frozen stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def release_memory() -> None:
    """Return freed memory to the system, after work that needed much more than what follows."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
