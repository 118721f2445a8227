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
        self.held: list[bool] = []
        self.path = Path()

    async def run_long(self, function, job, path):  # type: ignore[no-untyped-def]
        assert function is book_process.run_settle
        self.path = path
        with Permit(path) as permit:
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                self.held.append(permit.holds())
                if not permit.holds():
                    raise LeaseLost("graph.lease_lost")
                await asyncio.sleep(0.05)
        return 1


JOB = SettleJob(None, None, Novel(1, "t", ""), TaskConfig(), 1)  # type: ignore[arg-type]


async def test_the_permit_is_renewed_while_the_lease_lives() -> None:
    pool = Here(1.0)
    result = await book_process.settle_in_process(pool.run_long, JOB, lambda: time.monotonic() + 0.5)
    assert result == 1
    assert all(pool.held)
    assert not pool.path.exists()


async def test_a_lost_lease_ends_the_settle() -> None:
    limit = time.monotonic() + 0.3
    pool = Here(5.0)
    with pytest.raises(LeaseLost):
        await book_process.settle_in_process(pool.run_long, JOB, lambda: limit)
    assert not pool.path.exists()


async def test_a_settle_that_is_given_up_may_write_nothing_more() -> None:
    pool = Here(30.0)
    work = asyncio.create_task(
        book_process.settle_in_process(pool.run_long, JOB, lambda: time.monotonic() + 60)
    )
    await asyncio.sleep(0.2)
    with Permit(pool.path) as seen:
        assert seen.holds()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert not seen.holds()
