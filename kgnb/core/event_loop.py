"""Calls side by side, loops in threads.

The loop is uvloop's if installed, else asyncio's. With sixty requests in flight uvloop saves about 5 % of a
build's time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


async def at_once(*calls: Awaitable[object]) -> list[Any]:
    """Return the results of calls that run at the same time, in their order; when all have ended, raise the
    first error, if any.

    So no call goes on unwatched. Calls that only read can be cut short: :func:`all_or_none`.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


async def all_or_none(*calls: Coroutine[Any, Any, T]) -> list[T]:
    """Return the results of calls that run at the same time, in their order; the first error cancels the
    others and is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failed:
        raise failed.exceptions[0]  # noqa: B904 - its own cause says more
    return [task.result() for task in tasks]


async def in_thread(call: Callable[..., T], *given: object) -> T:
    """Return ``call(*given, given_up)``, run in a thread.

    ``given_up`` is set when the caller is cancelled: the thread is to end then, as the process's end waits
    for it.
    """
    given_up = threading.Event()
    try:
        return await asyncio.to_thread(call, *given, given_up)
    finally:
        given_up.set()


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, of uvloop if it is installed; the caller closes it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class LoopThread:
    """An event loop in a thread of its own, for what must not wait for the work of the caller's loop.

    ``clean_up`` is awaited there at the end, when nothing else runs there any more.
    """

    def __init__(
        self, name: str, clean_up: Callable[[], Coroutine[Any, Any, object]] = lambda: asyncio.sleep(0)
    ) -> None:
        self._name = name
        self._clean_up = clean_up
        self._starting = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start ``work`` on the thread's loop, from any thread, and return its future at once. The first call
        starts the thread.
        """
        with self._starting:
            if self._running is None:
                loop = new_loop()
                thread = threading.Thread(target=self._live, args=(loop,), name=self._name, daemon=True)
                thread.start()
                self._running = loop, thread
            return asyncio.run_coroutine_threadsafe(work, self._running[0])

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of ``work`` on the thread's loop; cancelling the caller cancels it."""
        return await asyncio.wrap_future(self.submit(work))

    async def stop(self) -> None:
        """Cancel what runs there, wait for its end and the clean-up; a later call starts another thread."""
        with self._starting:
            running, self._running = self._running, None
        if running is not None:
            loop, thread = running
            loop.call_soon_threadsafe(loop.stop)
            await asyncio.to_thread(thread.join)

    def _live(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
            loop.run_until_complete(cancel_others())
            loop.run_until_complete(self._clean_up())
        finally:
            loop.close()


async def cancel_others(*more: asyncio.Task[Any]) -> None:
    """Cancel all other tasks of this loop, and ``more``, and wait for their ends, whatever these are."""
    others = {*more, *asyncio.all_tasks()} - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
