"""Group commit: many small calls share few round trips."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from kgnb.core.errors import RowRefused

T = TypeVar("T")
R = TypeVar("R")


@dataclass(eq=False, repr=False)
class Batcher(Generic[T, R]):
    """Calls ``flush`` with all items that arrived during the previous flush.

    A lone item is flushed at once; under load batches grow by themselves, so there is no delay to tune.
    ``flush`` gets at most ``limit`` items and returns one result for each, in order; what it raises is raised
    to every caller of the batch. Of a batch with a refused row each item is tried again alone. ``gap``: least
    seconds between the starts of two flushes, for flushes that cost much whatever their size; a full batch
    doesn't wait for it, nor the last ones, when ``expects_more(waiting)`` says that too few are to come.
    """

    flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]]
    limit: int = 100
    gap: float = 0.0
    expects_more: Callable[[int], bool] = lambda _waiting: True

    def __post_init__(self) -> None:
        self._next_start = 0.0  # time.monotonic() before which no flush starts
        self._due = asyncio.Event()  # set when what waits need not wait for the gap
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def do(self, item: T) -> R:
        """Return the result for ``item`` from the flush that contains it; an exception of the flush is raised
        for all its items.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        if self._is_due():
            self._due.set()
        return await done

    def _is_due(self) -> bool:
        """Return whether to flush now: the batch is full, or no more items are expected."""
        waiting = len(self._waiting)
        return waiting >= self.limit or not self.expects_more(waiting)

    async def _run(self) -> None:
        try:
            while self._waiting:
                left = self._next_start - time.monotonic()
                if left > 0 and not self._is_due():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            await self._due.wait()
                self._due.clear()
                self._next_start = time.monotonic() + self.gap
                batch, self._waiting = self._waiting[: self.limit], self._waiting[self.limit :]
                await self._flush_one(batch)
        finally:
            self._runner = None

    async def _flush_one(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            try:
                results = await self.flush([item for item, _ in batch])
            except RowRefused:
                if len(batch) == 1:
                    raise
                for one in batch:
                    await self._flush_one([one])
                return
        except asyncio.CancelledError:
            for _, done in batch:
                done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - raised to every caller, none is swallowed
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), result in zip(batch, results, strict=True):
            if not done.done():
                done.set_result(result)
