"""A loop in a thread of its own runs beside the caller's, ends with it, and hands on what is raised."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from kgnb.core.event_loop import LoopThread
from tests.support.endless import Endless
from tests.support.patience import SLOWEST


@pytest.fixture
async def beside() -> AsyncIterator[LoopThread]:
    one = LoopThread("kgnb-test")
    yield one
    await one.stop()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "kgnb-test"]


async def test_it_runs_while_the_callers_loop_is_busy(beside: LoopThread) -> None:
    done = threading.Event()

    async def work() -> str:
        await asyncio.sleep(0.01)
        done.set()
        return threading.current_thread().name

    waiting = asyncio.create_task(beside.run(work()))
    await asyncio.sleep(0)
    assert done.wait(30 * SLOWEST)  # blocks this loop
    assert await waiting == "kgnb-test"


async def test_an_error_comes_back_and_the_thread_goes_on(beside: LoopThread) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    for _ in range(2):
        with pytest.raises(LookupError, match="gone"):
            await beside.run(fail())
    assert len(threads()) == 1


async def test_a_cancelled_caller_cancels_the_work(beside: LoopThread) -> None:
    work = Endless()
    waiting = asyncio.create_task(beside.run(work.run()))
    assert await asyncio.to_thread(work.begun.wait, 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(work.cleaned.wait, 30)


async def test_stopping_waits_for_the_clean_up_and_it_may_start_again(beside: LoopThread) -> None:
    work = Endless()
    waiting = asyncio.create_task(beside.run(work.run()))
    assert await asyncio.to_thread(work.begun.wait, 30)
    await beside.stop()
    assert work.cleaned.is_set()
    assert threads() == []
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await beside.run(asyncio.sleep(0, "again")) == "again"
    assert len(threads()) == 1


async def test_a_call_while_it_stops_is_answered_by_another_thread() -> None:
    work, work_had_ended = Endless(seconds=0.2), []

    async def clean_up() -> None:
        work_had_ended.append(work.cleaned.is_set())

    one = LoopThread("kgnb-test", clean_up)
    waiting = asyncio.create_task(one.run(work.run()))
    assert await asyncio.to_thread(work.begun.wait, 30)
    stopping = [asyncio.create_task(one.stop()) for _ in range(2)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(30 * SLOWEST):
        assert await one.run(asyncio.sleep(0.3, "answered")) == "answered"
        await asyncio.gather(*stopping)
    assert work_had_ended == [True]
    assert waiting.cancelled()
    await one.stop()
    assert threads() == []


async def test_a_cancelled_stop_still_ends_the_thread() -> None:
    cleaned = threading.Event()

    async def clean_up() -> None:
        await asyncio.sleep(0.1)
        cleaned.set()

    one = LoopThread("kgnb-test", clean_up)
    await one.run(asyncio.sleep(0))
    stopping = asyncio.create_task(one.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    assert await asyncio.to_thread(cleaned.wait, 30)
