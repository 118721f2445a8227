"""Worker processes: what takes a whole book gets one of its own, the warm one first."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from kgnb.core.process_tuning import GC_THRESHOLD
from kgnb.worker.process_pool import CpuPool, SharedTuple
from tests.support.patience import SLOWEST


def where(seconds: float = 0.0) -> tuple[int, int]:
    time.sleep(seconds)
    return os.getpid(), gc.get_threshold()[0]


def hold(begun: Path, end: Path) -> None:
    begun.touch()
    while not end.exists():
        time.sleep(0.01)


async def test_long_work_goes_to_the_process_that_is_warm() -> None:
    pool = CpuPool(2)
    try:
        first, young = await pool.run_long(where)
        assert first != os.getpid()
        assert young == GC_THRESHOLD
        both = await asyncio.gather(pool.run_long(where, 0.3), pool.run_long(where, 0.3))
        assert first in {pid for pid, _ in both}
        assert len({pid for pid, _ in both}) == 2
        three = await asyncio.gather(*(pool.run_long(where, 0.1) for _ in range(3)))
        assert {pid for pid, _ in three} == {pid for pid, _ in both}  # the third waited
    finally:
        await pool.close()


_kept: list[tuple[str, ...]] = []


def keep(names: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    _kept.append(names)
    return len({id(one) for one in _kept}), names


@pytest.mark.parametrize("threads", [False, True])
async def test_a_shared_argument_is_unpickled_once_in_a_process(threads: bool) -> None:
    pool, names = CpuPool(1, threads=threads), SharedTuple(("关羽", "张飞"))
    _kept.clear()
    try:
        for _ in range(3):
            assert await pool.run(keep, names) == (1, ("关羽", "张飞"))
        assert await pool.run(keep, SharedTuple(("赵云",))) == (2, ("赵云",))
    finally:
        await pool.close()


async def test_a_process_that_died_ends_its_own_work_alone() -> None:
    pool = CpuPool(2)
    try:
        dying = asyncio.create_task(pool.run_long(os._exit, 1))
        living = asyncio.create_task(pool.run_long(where, 0.5))
        with pytest.raises(BrokenProcessPool):
            await dying
        assert (await living)[0] != os.getpid()
        assert len({(await pool.run_long(where))[0] for _ in range(3)}) == 1
    finally:
        await pool.close()


async def test_work_that_is_given_up_keeps_its_process_until_it_ends(tmp_path: Path) -> None:
    begun, end = tmp_path / "begun", tmp_path / "end"
    pool = CpuPool(2)
    try:
        busy, _ = await pool.run_long(where)
        given_up = asyncio.create_task(pool.run_long(hold, begun, end))
        while not begun.exists():
            await asyncio.sleep(0.01)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        two = await asyncio.gather(pool.run_long(where), pool.run_long(where))
        ((other, _),) = set(two)  # one after the other, for its turn isn't over
        assert other != busy
        end.touch()
        both = await asyncio.gather(pool.run_long(where, 0.3), pool.run_long(where, 0.3))
        assert {pid for pid, _ in both} == {busy, other}
    finally:
        end.touch()
        await pool.close()


async def test_with_threads_no_process_is_started() -> None:
    pool = CpuPool(1, threads=True)
    assert not pool._single
    assert {(await pool.run(where))[0], (await pool.run_long(where))[0]} == {os.getpid()}
    await pool.close()


async def test_with_threads_long_work_holds_nothing_else_up(tmp_path: Path) -> None:
    end = tmp_path / "end"
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    pool = CpuPool(1, threads=True)
    try:
        first = asyncio.create_task(pool.run_long(hold, tmp_path / "begun", end))
        second = asyncio.create_task(pool.run_long(hold, tmp_path / "begun2", end))
        async with asyncio.timeout(60 * SLOWEST):
            while not await asyncio.to_thread((tmp_path / "begun").exists):
                await asyncio.sleep(0.01)
            await pool.run(where)
        assert not (tmp_path / "begun2").exists()  # one at a time: memory may be short
        end.touch()
        await asyncio.gather(first, second)
    finally:
        end.touch()
        await pool.close()
