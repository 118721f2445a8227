"""Group commit: everybody gets their own result, batches grow under load, errors reach every caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from kgnb.core.errors import RowRefused
from kgnb.worker.batcher import Batcher
from tests.support.patience import SLOWEST


class Doubler:
    """A flush; while it is ``held`` it has begun and doesn't end."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.began: list[float] = []
        self.has_begun, self.go_on = asyncio.Event(), asyncio.Event()
        if not held:
            self.go_on.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.began.append(time.monotonic())
        self.has_begun.set()
        await asyncio.sleep(0)
        await self.go_on.wait()
        if 13 in items:
            raise ValueError("unlucky")
        return [2 * i for i in items]


async def test_what_arrives_during_a_flush_shares_the_next_one() -> None:
    flush = Doubler(held=True)
    batcher = Batcher(flush, limit=4)
    first = asyncio.create_task(batcher.do(0))
    await flush.has_begun.wait()
    others = [asyncio.create_task(batcher.do(i)) for i in range(1, 8)]
    await asyncio.sleep(0.01)
    flush.go_on.set()
    assert await asyncio.gather(*others) == [2 * i for i in range(1, 8)]
    assert await first == 0
    assert flush.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


async def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    flush = Doubler(held=True)
    batcher = Batcher(flush)
    before = asyncio.create_task(batcher.do(1))
    await flush.has_begun.wait()
    two = [asyncio.create_task(batcher.do(i)) for i in (13, 2)]
    await asyncio.sleep(0.01)
    flush.go_on.set()
    results = await asyncio.gather(*two, return_exceptions=True)
    assert [type(r) for r in results] == [ValueError, ValueError]
    assert await before == 2
    assert await batcher.do(3) == 6


async def test_a_refused_row_is_refused_alone() -> None:
    async def flush(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        if 2 in items:
            raise RowRefused("ledger.row", service="sql", where="here", reason="odd")
        return items

    batcher: Batcher[int, int] = Batcher(flush)
    results = await asyncio.gather(*map(batcher.do, range(5)), return_exceptions=True)
    assert [type(one) for one in results] == [int, int, RowRefused, int, int]


async def test_a_caller_that_gave_up_disturbs_nobody() -> None:
    flush = Doubler(held=True)
    batcher = Batcher(flush)
    gone = asyncio.create_task(batcher.do(1))
    await flush.has_begun.wait()
    gone.cancel()
    flush.go_on.set()
    assert await batcher.do(2) == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_the_gap_keeps_flushes_apart_but_a_full_batch_goes() -> None:
    flush = Doubler()
    batcher = Batcher(flush, limit=3, gap=0.1)
    assert await batcher.do(0) == 0
    await asyncio.gather(*(batcher.do(i) for i in (1, 2)))
    assert flush.batches == [[0], [1, 2]]
    assert flush.began[1] - flush.began[0] >= 0.09
    await asyncio.gather(*(batcher.do(i) for i in (3, 4, 5, 6)))
    assert flush.batches[2:] == [[3, 4, 5], [6]]


async def test_the_last_batch_and_a_full_one_end_a_wait_for_the_gap() -> None:
    flush, coming = Doubler(), 6
    batcher = Batcher(flush, limit=4, gap=30.0, expects_more=lambda _waiting: coming > 0)

    async def come() -> int:
        nonlocal coming
        coming -= 1
        return await batcher.do(coming)

    async with asyncio.timeout(10 * SLOWEST):
        assert await come() == 10
        early = [asyncio.create_task(come()) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert flush.batches == [[5]]
        late = [asyncio.create_task(come()) for _ in range(2)]
        await asyncio.gather(*early, *late)
        assert await come() == 0
    assert flush.batches == [[5], [4, 3, 2, 1], [0]]


async def test_what_waits_is_weighed_against_what_is_to_come() -> None:
    flush, coming = Doubler(), 5
    batcher = Batcher(flush, gap=30.0, expects_more=lambda waiting: coming > waiting)

    async def come() -> int:
        nonlocal coming
        coming -= 1
        return await batcher.do(coming)

    async with asyncio.timeout(10 * SLOWEST):
        assert await come() == 8
        early = asyncio.create_task(come())
        await asyncio.sleep(0.05)
        assert flush.batches == [[4]]
        assert await asyncio.gather(come(), early) == [4, 6]
    assert flush.batches == [[4], [3, 2]]


async def test_nothing_is_left_lying_when_a_flush_ends() -> None:
    batcher = Batcher(Doubler(), limit=3)

    async def caller(number: int) -> None:
        for i in range(200):
            assert await batcher.do(1000 * number + i) == 2 * (1000 * number + i)

    async with asyncio.timeout(10 * SLOWEST):
        await asyncio.gather(*map(caller, range(1, 6)))


async def test_who_waits_for_a_refused_batch_is_released_when_its_flush_is_cancelled() -> None:
    runner: list[asyncio.Task[object] | None] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 1:
            raise RowRefused("sql.row", service="sql")
        runner.append(asyncio.current_task())
        return await asyncio.Event().wait() and []

    batcher = Batcher(flush)
    callers = [asyncio.create_task(batcher.do(i)) for i in range(2)]
    while not runner:
        await asyncio.sleep(0)
    assert runner[0]
    runner[0].cancel()
    async with asyncio.timeout(10 * SLOWEST):
        found = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(one) for one in found] == [asyncio.CancelledError] * 2
