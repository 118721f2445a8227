"""Turns: one piece of work for each turn of the loop; what is ready goes first."""

from __future__ import annotations

import asyncio

import pytest

from kgnb.core.event_loop import Turns


async def test_what_is_ready_runs_between_two_pieces_of_work() -> None:
    turns, log = Turns(), list[str]()

    async def reply(number: int) -> None:
        await turns.run(log.append, f"work {number}")

    async def request(number: int, after: asyncio.Task[None]) -> None:
        await after
        log.append(f"request {number}")

    replies = [asyncio.create_task(reply(n)) for n in range(3)]
    await asyncio.gather(*(request(n, after) for n, after in enumerate(replies)))
    assert log == [f"{what} {n}" for n in range(3) for what in ("work", "request")]


async def test_an_error_and_a_caller_that_gave_up_disturb_nobody() -> None:
    turns, done = Turns(), list[int]()
    works = [asyncio.create_task(turns.run(lambda n: done.append(1 // n), n)) for n in (1, 0, 1, 1)]
    await asyncio.sleep(0)
    works[2].cancel()
    found = await asyncio.gather(*works, return_exceptions=True)
    assert [type(one) for one in found] == [
        type(None),
        ZeroDivisionError,
        asyncio.CancelledError,
        type(None),
    ]
    assert done == [1, 1]
    with pytest.raises(ZeroDivisionError):
        await turns.run(lambda: 1 // 0)
