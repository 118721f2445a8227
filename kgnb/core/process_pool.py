"""CPU work in processes of its own, so that a whole book's statistics never block the event loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool as BrokenPool
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from kgnb.core.event_loop import tune_process

P = ParamSpec("P")
R = TypeVar("R")
PoolRun = Callable[..., Awaitable[Any]]
""":meth:`CpuPool.run` or :meth:`CpuPool.run_long`."""

IDLE_SECONDS = 60
"""A worker process without work ends after this: the word lists of the rules take about 100 MB in each."""

LOOK_SECONDS = 0.5
"""How often a worker process looks whether its parent is still there."""


class CpuPool:
    """Runs pure functions in worker processes, started when first needed.

    :meth:`run` is for many short pieces of work, which share processes that take the next one at once;
    :meth:`run_long` for one that takes a whole book.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._shared = _Processes(workers)
        self._single: list[_Processes] = []
        self._idle: list[_Processes] = []
        self._turns = asyncio.Semaphore(workers)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """``function(*args, **kwargs)`` from a worker process.

        Raises what the function raises, and ``concurrent.futures.process.BrokenProcessPool`` when its
        process died (out of memory, killed); the next call gets new processes.
        """
        return await asyncio.wrap_future(await self._shared.submit(function, *args, **kwargs))

    async def run_long(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same from a process that does nothing else, if possible the one that did so last: it needs no
        half second for its imports. ``workers`` of them at a time, beside those of :meth:`run`; the others
        wait, also for one that was given up and goes on."""
        await self._turns.acquire()
        if not self._idle:
            self._single.append(_Processes(1))
            self._idle.append(self._single[-1])
        own = self._idle.pop()

        def free() -> None:
            self._idle.append(own)
            self._turns.release()

        loop = asyncio.get_running_loop()

        def ended(_: Future[R]) -> None:  # in a thread of loky's
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(free)

        try:
            work = await own.submit(function, *args, **kwargs)
        except BaseException:
            free()
            raise
        work.add_done_callback(ended)
        return await asyncio.wrap_future(work)

    async def close(self) -> None:
        """Ends the processes; work in flight is lost."""
        await asyncio.gather(*(one.close() for one in (self._shared, *self._single)))


class _Processes:
    """loky's processes, because they need no ``if __name__ == "__main__"`` guard in a user's script and work
    from notebooks."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._executor: Any = None
        self._lock = threading.Lock()

    async def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Hands the work to a process that is free, or will be first."""
        executor = await asyncio.to_thread(self._ready)
        try:
            work: Future[R] = executor.submit(function, *args, **kwargs)
        except BrokenPool:
            self._forget(executor)
            raise
        work.add_done_callback(lambda done: self._ended(done, executor))
        return work

    def _ended(self, work: Future[Any], executor: Any) -> None:
        if not work.cancelled() and isinstance(work.exception(), BrokenPool):
            self._forget(executor)

    def _ready(self) -> Any:
        with self._lock:
            if self._executor is None:
                from loky import ProcessPoolExecutor

                self._executor = ProcessPoolExecutor(
                    max_workers=self._count,
                    timeout=IDLE_SECONDS,
                    initializer=_begin,
                    initargs=(os.getpid(),),
                )
            return self._executor

    def _forget(self, executor: Any) -> None:
        with self._lock:
            if self._executor is executor:
                self._executor = None

    async def close(self) -> None:
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown, wait=True, kill_workers=True)


def _begin(parent: int) -> None:
    tune_process()
    _end_with(parent)


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
