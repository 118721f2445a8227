"""CPU work in worker processes, so that it never holds the event loop up."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool as BrokenPool
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Any, ParamSpec, TypeVar

from kgnb.core.process_tuning import tune_process

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
PoolRun = Callable[..., Awaitable[Any]]
""":meth:`CpuPool.run` or :meth:`CpuPool.run_long`."""

IDLE_SECONDS = 60
"""Seconds after which an idle worker process ends: the rules' word lists take about 100 MB in each."""

HERE_SECONDS = 1.0
"""Processor time of :meth:`CpuPool.run_short` after which it starts worker processes: a short book is done
before the first of them has started, which takes as long and holds the word lists a second time."""

PARENT_CHECK_SECONDS = 0.5
"""Interval at which a worker process checks that its parent lives."""


class CpuPool:
    """Runs pure functions in worker processes, which start once the work is worth it.

    :meth:`run` and :meth:`run_short` share processes, :meth:`run_long` has one alone; :meth:`run_here` is for
    what takes less than a process's start. With ``threads`` all run in threads of this process: no process
    can be started, or memory is short.
    """

    def __init__(self, workers: int, *, threads: bool = False) -> None:
        self.may_fork = workers > 1 and not threads
        """Whether a function may use a second processor with forks: its process does nothing else."""
        # Not the loop's own threads: saving a key or ending a lease would wait behind a whole book's work.
        self._here = ThreadPoolExecutor(workers if threads else 1, "kgnb-cpu")
        self._only_here = threads
        self._seconds_here = 0.0
        self._long_threads = ThreadPoolExecutor(workers, "kgnb-cpu-long") if threads else None
        self._shared = _Processes(workers)
        self._single: list[_Processes] = []
        self._idle: list[_Processes] = []
        self._long_runs = asyncio.Semaphore(workers)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return ``function(*args, **kwargs)``, computed in a worker process.

        Raises what the function raises, and ``concurrent.futures.process.BrokenProcessPool`` if its process
        died (out of memory, killed); the next call gets new processes.
        """
        if self._only_here:
            return await self.run_here(function, *args, **kwargs)
        return await asyncio.wrap_future(await self._shared.submit(function, *args, **kwargs))

    async def run_short(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Like :meth:`run`, for one of many calls of some hundredths of a second: in a thread of this process
        until worker processes have started, or the calls have taken HERE_SECONDS (1.0) together.
        """
        here = not (self._shared.started or self._seconds_here > HERE_SECONDS)
        return await (self.run_here if here else self.run)(function, *args, **kwargs)

    async def run_here(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Like :meth:`run`, but in a thread of this process."""

        def timed() -> R:
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self._seconds_here += time.thread_time() - began

        return await asyncio.wrap_future(self._here.submit(timed))

    async def run_long(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Like :meth:`run`, but in a process that does nothing else, preferably the last one used, whose
        imports (half a second) are done.

        At most ``workers`` calls at a time, besides those of :meth:`run`; a cancelled call counts until its
        function returns.
        """
        if self._long_threads is not None:
            return await asyncio.wrap_future(self._long_threads.submit(function, *args, **kwargs))
        await self._long_runs.acquire()
        own = self._idle_process()

        def release() -> None:
            self._idle.append(own)
            self._long_runs.release()

        loop = asyncio.get_running_loop()

        def on_done(_: Future[R]) -> None:  # called in a thread of loky's
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(release)

        try:
            work = await own.submit(function, *args, **kwargs)
        except BaseException:
            release()
            raise
        work.add_done_callback(on_done)
        return await asyncio.wrap_future(work)

    def _idle_process(self) -> _Processes:
        """Return a single process: the one used last, else a new one."""
        if not self._idle:
            self._single.append(_Processes(1))
            return self._single[-1]
        return self._idle.pop()

    async def close(self) -> None:
        """End the processes; work in flight is lost."""
        for threads in (self._here, self._long_threads):
            if threads is not None:
                threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*(one.close() for one in (self._shared, *self._single)))


class _Processes:
    """A loky executor: it works from notebooks and without a ``__main__`` guard in a user's script."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._executor: Any = None
        self._lock = threading.Lock()

    @property
    def started(self) -> bool:
        """Return whether its processes were started."""
        return self._executor is not None

    async def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Queue the call for the next free process; return its future."""
        executor = await asyncio.to_thread(self._get_executor)
        try:
            work: Future[R] = executor.submit(function, *args, **kwargs)
        except BrokenPool:
            self._forget(executor)
            raise
        work.add_done_callback(lambda done: self._on_done(done, executor))
        return work

    def _on_done(self, work: Future[Any], executor: Any) -> None:
        if not work.cancelled() and isinstance(work.exception(), BrokenPool):
            self._forget(executor)

    def _get_executor(self) -> Any:
        """Return the executor, made on first use."""
        with self._lock:
            if self._executor is None:
                from loky import ProcessPoolExecutor

                self._executor = ProcessPoolExecutor(
                    max_workers=self._count,
                    timeout=IDLE_SECONDS,
                    initializer=_start_worker,
                    initargs=(os.getpid(),),
                    env={"PYTHONSAFEPATH": "1"},  # no module of the working folder before sys.path is ours
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


class SharedTuple(tuple[T, ...]):
    """An argument of many calls: pickled once, and unpickled once in each worker process."""

    @cached_property
    def _pickled(self) -> bytes:
        """Return the tuple's pickle, made once."""
        return pickle.dumps(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._pickled,)


@lru_cache(maxsize=4)
def _unpickled(value: bytes) -> Any:
    """Return the value of a pickle."""
    return pickle.loads(value)  # noqa: S301 - ours


def _start_worker(parent: int) -> None:
    """Tune this worker process and make it exit soon after ``parent`` dies: loky's own waits until idle.

    It leaves its parent's process group, to which a notebook sends interrupts and a kernel that shuts down
    the signal to end.
    """
    tune_process()
    os.setpgid(0, 0)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="kgnb-parent", daemon=True).start()
