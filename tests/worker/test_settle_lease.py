"""One settle of a novel at a time: two tasks that end together both close, whatever the line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kgnb.core.errors import GraphConflict
from kgnb.core.messages import say
from kgnb.core.model import Novel, Provider, TaskConfig
from kgnb.graph.model import Graph, GraphNode
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.queue.types import Claim
from kgnb.worker.book_process import SettleJob
from kgnb.worker.settle_lease import SettleLease
from kgnb.worker.task_keeper import OpenTask, TaskKeeper
from tests.conftest import Bolt
from tests.support.patience import SLOWEST, eventually
from tests.support.queues import claim_of

NOVEL = Novel(1, "三国演义")
EXACT = Graph({("Novel", "1"): GraphNode("Novel", "1", {"title": NOVEL.title, "task_id": [7, 8]})})


class Settles:
    """A node's stores and its pool; a settle goes on until the test lets it, then writes."""

    def __init__(self, graph: GraphStore) -> None:
        self.graph = graph
        self.running = 0
        self.runs = 0
        self.go_on = asyncio.Event()
        self.queue = SimpleNamespace(lease_seconds=30.0)
        self.ledger = SimpleNamespace(database=SimpleNamespace(target=None))
        self.renewer = self

    async def settles(self) -> bool:
        return self.running > 0

    def holds_until(self, _claim: Claim) -> float:
        return float("inf")

    def lost(self, _claim: Claim) -> bool:
        return False

    async def run_long(self, _function: Callable[..., Any], job: SettleJob, _permit: Path) -> None:
        await self.write(job.number)

    async def write(self, number: int) -> None:
        self.runs += 1
        self.running += 1
        assert self.running == 1
        await self.go_on.wait()
        await self.graph.apply(NOVEL.id, EXACT, number=number, check=lambda: True)
        self.running -= 1

    def end_of_task(self, task_id: int) -> asyncio.Task[None]:
        """A node settles the novel before it closes the task."""
        here: Any = self
        keeper = TaskKeeper(here, here, here, on_closed=print, on_stuck=print)
        held = OpenTask(claim_of(task_id), 0.0)
        info: Any = SimpleNamespace(novel=NOVEL, config=TaskConfig(), provider=Provider("a"))

        async def settle() -> None:  # as often as the keeper opens the task again
            while True:
                try:
                    return await keeper._settle(held, info)
                except GraphConflict:
                    await asyncio.sleep(0.05)

        return asyncio.create_task(settle())


async def test_tasks_that_end_together_settle_one_after_the_other(
    store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    node = Settles(store)
    first = node.end_of_task(7)
    await eventually(node.settles)
    others = [node.end_of_task(task) for task in (8, 9, 10)]

    async def there() -> bool:
        return caplog.text.count(say("node.settle_waits", novel=NOVEL.id)) == len(others)

    await eventually(there)
    await asyncio.sleep(0.1)  # they would have overtaken it
    node.go_on.set()
    await asyncio.wait_for(asyncio.gather(first, *others), 20 * SLOWEST)
    # One settle that began since they came does for all of them.
    assert node.runs == 2
    assert await store.read(NOVEL.id)


async def test_settles_that_end_no_task_take_turns(store: GraphStore) -> None:
    node = Settles(store)
    first = asyncio.create_task(SettleLease(store, NOVEL.id, 600.0).settle(node.write))
    await eventually(node.settles)
    assert not await SettleLease(store, NOVEL.id, 600.0).settle(node.write)
    node.go_on.set()
    assert await first


async def test_the_lease_is_renewed_while_the_settle_runs(store: GraphStore, bolt: Bolt) -> None:
    ends: list[int] = []

    async def work(_number: int) -> None:
        with bolt.driver() as driver:
            while len(set(ends)) < 2:
                found = driver.execute_query("MATCH (n:Novel {id: 1}) RETURN n.kgnb_settle_lease").records
                ends.append(found[0][0])
                await asyncio.sleep(0.05)

    assert await asyncio.wait_for(SettleLease(store, NOVEL.id, 1.0).settle(work), 20 * SLOWEST)
    assert ends == sorted(ends)


async def test_a_settle_that_fails_gives_its_lease_back(store: GraphStore) -> None:
    async def work(_number: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await SettleLease(store, NOVEL.id, 600.0).settle(work)
    assert (await store.begin_settle(NOVEL.id, 600.0))[0] == "mine"


async def test_a_settle_that_an_older_kgnb_overtakes_runs_again(store: GraphStore, bolt: Bolt) -> None:
    """It knows no lease, and just puts up a higher number."""
    numbers: list[int] = []

    async def work(number: int) -> None:
        numbers.append(number)
        if len(numbers) == 1:
            with bolt.driver() as driver:
                raised = "MATCH (n:Novel) SET n.kgnb_settle = $n, n.kgnb_settle_lease = 0"
                driver.execute_query(raised, n=number + 1)
        await store.apply(NOVEL.id, EXACT, number=number, check=lambda: True)

    lease = SettleLease(store, NOVEL.id, 600.0)
    assert not await lease.settle(work)
    assert await lease.settle(work)
    assert len(numbers) == 2
