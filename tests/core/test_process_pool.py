"""Worker processes: what takes a whole book gets one of its own, the warm one first."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, cast

import pytest

from kgnb.core import process_pool
from kgnb.core.process_pool import CpuPool, SharedTuple
from kgnb.core.process_tuning import GC_THRESHOLD
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


def has_imported(module: str) -> bool:
    return module in sys.modules


async def test_a_process_that_was_warmed_up_has_the_imports_of_the_next_long_work() -> None:
    pool, module = CpuPool(2), "xml.dom.minicompat"
    try:
        assert not await pool.run_long(has_imported, module)
        await pool.warm_up(module)
        assert await pool.run_long(has_imported, module)
        await pool.warm_up("no.such.module")
        await pool.warm_up(module)
        both = await asyncio.gather(pool.run_long(where, 0.3), pool.run_long(where, 0.3))
        assert len({pid for pid, _ in both}) == 2
        assert len(pool._single) == 2
    finally:
        await pool.close()


async def test_no_process_is_warmed_up_beyond_those_that_work(tmp_path: Path) -> None:
    pool, end = CpuPool(1), tmp_path / "end"
    try:
        working = asyncio.create_task(pool.run_long(hold, tmp_path / "begun", end))
        async with asyncio.timeout(60 * SLOWEST):
            while not await asyncio.to_thread((tmp_path / "begun").exists):
                await asyncio.sleep(0.01)
        await pool.warm_up("json")
        assert len(pool._single) == 1
        end.touch()
        await working
    finally:
        end.touch()
        await pool.close()


async def test_a_process_that_dies_in_its_warming_up_is_for_the_next_work_to_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = CpuPool(1)
    try:
        monkeypatch.setattr(process_pool, "_import", os._exit)
        await pool.warm_up(cast("Any", 1))
        with pytest.raises(BrokenProcessPool):
            await pool.run_long(where, 60.0)
        assert (await pool.run_long(where))[0] != os.getpid()
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
    await pool.warm_up("json")
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
