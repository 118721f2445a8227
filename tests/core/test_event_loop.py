"""Turns: work in order, a bounded time of it for each turn of the loop; what is ready goes first."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from kgnb.core.event_loop import TURN_SECONDS, Turns


async def test_what_is_ready_runs_before_long_work_goes_on() -> None:
    turns, log = Turns(), list[str]()

    def work(number: int) -> None:
        time.sleep(TURN_SECONDS)
        log.append(f"work {number}")

    async def request(number: int, after: asyncio.Task[None]) -> None:
        await after
        log.append(f"request {number}")

    replies = [asyncio.create_task(turns.run(partial(work, n))) for n in range(3)]
    await asyncio.gather(*(request(n, after) for n, after in enumerate(replies)))
    assert [one for one in log if one.startswith("work")] == ["work 0", "work 1", "work 2"]
    assert log.index("request 0") < log.index("work 2")


async def test_an_error_and_a_caller_that_gave_up_disturb_nobody() -> None:
    turns, done = Turns(), list[int]()
    works = [asyncio.create_task(turns.run(partial(lambda n: done.append(1 // n), n))) for n in (1, 0, 1, 1)]
    await asyncio.sleep(0)
    works[2].cancel()
    first, error, gone, last = await asyncio.gather(*works, return_exceptions=True)
    assert first is last is None
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(gone, asyncio.CancelledError)
    assert done == [1, 1]
    with pytest.raises(ZeroDivisionError):
        await turns.run(lambda: 1 // 0)
