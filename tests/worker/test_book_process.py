"""The permit that a settling process looks at: it follows the lease, and ends with whoever gave it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from kgnb.core.errors import LeaseLost
from kgnb.core.model import Novel, TaskConfig
from kgnb.worker import book_process
from kgnb.worker.book_process import Permit, SettleJob


def test_a_new_permit_permits_nothing() -> None:
    permit, path = Permit.make()
    with permit:
        assert not permit.holds()
        permit.until(time.monotonic() + 60)
        with Permit(path) as other:  # as the settling process opens it
            assert other.holds()
            permit.until(time.monotonic() - 1)
            assert not other.holds()
    path.unlink()


class Here:
    """Runs the job in this process, and hands its permit to the test."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = asyncio.Event()
        self.path = Path()

    async def run_long(self, function, job, path):  # type: ignore[no-untyped-def]
        assert function is book_process.run_settle
        self.path = path
        self.started.set()
        with Permit(path) as permit:
            began = time.monotonic()
            while time.monotonic() < began + self.seconds:
                if not permit.holds():
                    raise LeaseLost("graph.lease_lost")
                await asyncio.sleep(0.05)
        return 1


JOB = SettleJob(None, None, Novel(1, "t", ""), TaskConfig(), 1)  # type: ignore[arg-type]


async def test_the_permit_is_renewed_while_the_lease_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, permitted, until = Here(60.0), list[float](), Permit.until

    def noted(self: Permit, moment: float) -> None:
        permitted.append(moment)
        until(self, moment)
        if len(permitted) == 4:
            pool.seconds = 0.0

    monkeypatch.setattr(Permit, "until", noted)
    moments = iter(range(10, 100))
    result = await book_process.settle_in_process(
        pool.run_long, JOB, lambda: time.monotonic() + 1_000 * next(moments)
    )
    assert result == 1
    assert permitted[:4] == sorted(permitted[:4])
    assert permitted[3] > permitted[0] + 2_000
    assert not pool.path.exists()


async def test_a_lost_lease_ends_the_settle() -> None:
    limit = time.monotonic() + 0.3
    pool = Here(600.0)
    with pytest.raises(LeaseLost):
        await book_process.settle_in_process(pool.run_long, JOB, lambda: limit)
    assert not pool.path.exists()


async def test_a_settle_that_is_given_up_may_write_nothing_more() -> None:
    pool = Here(30.0)
    work = asyncio.create_task(
        book_process.settle_in_process(pool.run_long, JOB, lambda: time.monotonic() + 60)
    )
    await pool.started.wait()
    with Permit(pool.path) as seen:
        assert seen.holds()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert not seen.holds()
