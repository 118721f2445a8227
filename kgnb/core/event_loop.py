"""The event loop, the garbage collector, the allocator and the threads' turns of a process of kgnb's own.

The loop is uvloop's where it is installed, else asyncio's: at sixty requests in flight it saves about a
twentieth of a build's time; everything works without it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys

GC_THRESHOLD = 10_000
"""Objects made before the collector looks for cycles. With Python's own 700, looking took a tenth of a busy
node's time, and 0.3 s of a build's start; with 50,000, what waited to be collected (the Bolt driver's results
and SQLAlchemy's statements are cycles) was 10 MB."""
ARENAS = 1
"""Heaps of glibc's allocator. It makes one for each thread, up to eight a core, and what is freed in one is
of no use to another: 7 MB of a busy node. Python's threads take turns anyhow."""
_M_ARENA_MAX = -8  # malloc.h
SWITCH_SECONDS = 0.0005
"""How long the loop waits for a thread that calculates, at most. With Python's own 5 ms the threads that talk
to SQL held the requests up: 240 of 2 s, sixty at a time, took 1.064 times the ideal instead of 1.050."""


def new_loop() -> asyncio.AbstractEventLoop:
    """A fresh loop, for ``asyncio.Runner`` or a thread of kgnb's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def tune_process() -> None:
    """Makes the collector look seldom, threads take short turns and share a heap; for a process that is
    kgnb's, not for a kernel that is a person's."""
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_ARENA_MAX, ARENAS)  # musl has none


def release_memory() -> None:
    """Returns freed memory to the system, after work that took much more than what comes next."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
