"""CPU work in processes of its own, so that a whole book's statistics never block the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool as BrokenPool
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

IDLE_SECONDS = 60
"""A worker process without work ends after this: the word lists of the rules take about 100 MB in each."""

LOOK_SECONDS = 0.5
"""How often a worker process looks whether its parent is still there."""


class CpuPool:
    """Runs pure functions in worker processes, started when first needed.

    loky's processes are used because they need no ``if __name__ == "__main__"`` guard in a user's script and
    work from notebooks.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: Any = None
        self._lock = threading.Lock()

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """``function(*args, **kwargs)`` from a worker process.

        Raises what the function raises, and ``concurrent.futures.process.BrokenProcessPool`` when its
        process died (out of memory, killed); the next call gets new processes.
        """
        executor = await asyncio.to_thread(self._ready)
        try:
            return await asyncio.wrap_future(executor.submit(function, *args, **kwargs))
        except BrokenPool:
            self._forget(executor)
            raise

    def _ready(self) -> Any:
        with self._lock:
            if self._executor is None:
                from loky import ProcessPoolExecutor

                self._executor = ProcessPoolExecutor(
                    max_workers=self.workers,
                    timeout=IDLE_SECONDS,
                    initializer=_end_with,
                    initargs=(os.getpid(),),
                )
            return self._executor

    def _forget(self, executor: Any) -> None:
        with self._lock:
            if self._executor is executor:
                self._executor = None

    async def close(self) -> None:
        """Ends the processes; work in flight is lost."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown, wait=True, kill_workers=True)


def _end_with(parent: int) -> None:
    """In a worker process: ends it soon after ``parent`` was killed; loky alone waits until it is idle.

    It leaves its parent's process group: a notebook's interrupt goes to the whole group, and a kernel that
    shuts down ends every process in it, with the chapter that it works on.
    """
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="kgnb-parent", daemon=True).start()
