"""The plain face of the async functions: they run on a loop of kgnb's own, in a daemon thread.

So `kgnb.build(...)` works in a script as well as in a notebook whose loop is running already.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")

_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def run(work: Coroutine[Any, Any, R]) -> R:
    """The result of ``work``; an interrupt cancels it, waits for its clean-up and is raised again."""
    future = asyncio.run_coroutine_threadsafe(work, _ready())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        _settled(future)
        raise


def _settled(future: Any) -> None:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    done.wait(timeout=15)


def _ready() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="kgnb-loop", daemon=True).start()
        return _loop
