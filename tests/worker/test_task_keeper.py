"""What becomes of a task whose step fails: who hears of it, and when it goes back to the queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.core.errors import KgnbError, LeaseLost, ServiceDown
from kgnb.stores.queue.types import Claim
from kgnb.worker.outages import Outages
from kgnb.worker.task_keeper import STUCK_SECONDS, OpenTask, TaskKeeper
from tests.support.patience import SLOWEST
from tests.support.queues import claim_of

DOWN = ServiceDown("graph.down", service="bolt", where="there")


class Here:
    """The stores of a keeper, which keep what is handed back; each step of a task is ``step``."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.queue = self.renewer = self.ledger = self
        self.lease_seconds = 0.3
        self.outages = Outages()
        self.is_lost = False
        self.released: list[tuple[list[Claim], float]] = []
        self.stuck: list[str] = []
        self.keeper = TaskKeeper(
            *cast("Any", (self, SimpleNamespace(), None)),
            on_step=lambda: None,
            on_closed=print,
            on_stuck=lambda _, error: self.stuck.append(str(error)),
        )

        async def advance(_: OpenTask) -> bool:
            await asyncio.sleep(0)
            step()
            return True

        cast("Any", self.keeper).advance = advance

    def hold(self, _: Claim) -> None:
        """Renewed from now on."""

    forget = hold

    def lost(self, _: Claim) -> bool:
        return self.is_lost

    async def release(self, claims: list[Claim], *, delay: float, above: int) -> None:
        assert above == 0
        self.released.append((claims, delay))

    async def worked(self) -> None:
        """The task is claimed, and its step ends."""
        await self.keeper.take(CLAIM)
        step = self.keeper.open_tasks[CLAIM.task_id].step
        assert step is not None
        await asyncio.wait_for(step, 10 * SLOWEST)


CLAIM = claim_of(7)


def failing(*errors: Exception | None) -> Callable[[], None]:
    """Raises one after the other; the last one always."""
    left = list(errors)

    def step() -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return step


async def test_a_task_goes_back_when_its_graph_was_away_for_a_lease() -> None:
    here = Here(failing(DOWN))
    await here.worked()
    assert here.outages.is_down("bolt")
    assert here.released == [([CLAIM], STUCK_SECONDS)]  # so that another node may be first
    assert not here.keeper.open_tasks


async def test_an_outage_of_sql_is_waited_out_while_the_lease_lives() -> None:
    here = Here(failing(*[ServiceDown("ledger.busy", service="sql", where="there")] * 3, None))
    here.lease_seconds = 0.0
    await here.worked()
    assert here.outages.is_down("sql")
    assert not here.released
    here = Here(failing(DOWN))
    here.is_lost = True
    await here.worked()
    assert not here.released  # another node has it
    assert not here.keeper.open_tasks


async def test_why_a_task_is_stuck_is_an_error_once_until_it_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    one, other = KgnbError("node.lease_lost"), KgnbError("node.asks_no_more")
    here = Here(failing(one, one, other, None, other))
    for _ in range(5):
        await here.worked()
    levels = [record.levelname for record in caplog.records if record.name == "kgnb.worker.task_keeper"]
    assert levels == ["ERROR", "DEBUG", "ERROR", "ERROR"]
    assert here.stuck == [str(one), str(one), str(other), str(other)]
    assert [delay for _, delay in here.released] == [5.0] * 4


async def test_a_lost_lease_is_nothing_to_hand_back() -> None:
    here = Here(failing(LeaseLost("node.lease_lost")))
    await here.worked()
    assert not here.released
    assert not here.stuck
    assert not here.keeper.open_tasks


async def test_who_leaves_stops_what_runs_before_it_hands_back() -> None:
    here = Here(lambda: None)
    ended: list[str] = []

    async def hangs(_: OpenTask) -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append("step")
        return True

    cast("Any", here.keeper).advance = hangs
    await here.keeper.take(CLAIM)
    await asyncio.sleep(0)
    await asyncio.wait_for(here.keeper.release_all_except(), 5 * SLOWEST)
    assert ended == ["step"]
    assert here.released == [([CLAIM], 0.0)]
    assert not here.keeper.open_tasks
