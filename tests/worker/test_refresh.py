"""One refresh of a novel at a time: tasks that end together all close, whatever the line; when it is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kgnb.core.errors import GraphConflict, ServiceDown
from kgnb.core.messages import say
from kgnb.core.model import Novel, Provider, TaskConfig, TaskStatus
from kgnb.graph.model import Graph, GraphNode
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.queue.types import Claim
from kgnb.worker import refresh as refresh_module
from kgnb.worker.refresh import FIRST_CHAPTERS, LEAST_REST, REST, Refresh, Refreshes, RefreshJob, run_refresh
from kgnb.worker.task_keeper import OpenTask, TaskKeeper
from tests.conftest import Bolt
from tests.support.patience import SLOWEST, eventually
from tests.support.queues import claim_of

NOVEL = Novel(1, "三国演义")
EXACT = Graph({("Novel", "1"): GraphNode("Novel", "1", {"title": NOVEL.title, "task_id": [7, 8]})})


class Place:
    """A node's stores and its pool; a refresh goes on until the test lets it, then writes."""

    def __init__(self, graph: GraphStore) -> None:
        self.graph = graph
        self.running = 0
        self.runs = 0
        self.go_on = asyncio.Event()
        self.work: Callable[[int], Any] = self.write
        self.queue = SimpleNamespace(lease_seconds=30.0)
        self.database = SimpleNamespace(target=None)
        self.ledger = self.task_lifecycle = self.renewer = self.pool = self
        self.closed: list[int] = []

    async def refreshes(self) -> bool:
        return self.running > 0

    def holds(self, _claim: Claim) -> bool:
        return True

    async def run_long(self, function: Callable[..., Any], job: RefreshJob) -> str:
        assert function is run_refresh
        assert job.novel_id == NOVEL.id
        await self.work(job.number)
        return "state"

    async def close(self, task_id: int, _token: int) -> TaskStatus | None:
        self.closed.append(task_id)
        return None

    async def write(self, number: int) -> None:
        self.runs += 1
        self.running += 1
        assert self.running == 1
        await self.go_on.wait()
        await self.graph.apply(NOVEL.id, EXACT, number=number)
        self.running -= 1

    def wish(self, seconds: float = 600.0) -> Refresh:
        here: Any = self
        return Refresh(here, self.graph, self.run_long, NOVEL.id, seconds)

    def end_of_task(self, task_id: int) -> asyncio.Task[None]:
        """A node refreshes the novel before it closes the task."""
        here: Any = self
        keeper = TaskKeeper(here, here, here, on_step=lambda: None, on_closed=print, on_stuck=print)
        held = OpenTask(claim_of(task_id), 0.0)
        info: Any = SimpleNamespace(novel=NOVEL, config=TaskConfig(), provider=Provider("a"), chars=10**7)

        async def end() -> None:  # as often as the keeper opens the task again
            while True:
                try:
                    return await keeper._refresh_and_close(held, info)
                except GraphConflict:
                    await asyncio.sleep(0.05)

        return asyncio.create_task(end())


async def test_tasks_that_end_together_refresh_one_after_the_other(
    store: GraphStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    node = Place(store)
    first = node.end_of_task(7)
    await eventually(node.refreshes)
    others = [node.end_of_task(task) for task in (8, 9, 10)]

    async def there() -> bool:
        return caplog.text.count(say("node.refresh_waits", novel=NOVEL.id)) == len(others)

    await eventually(there)
    await asyncio.sleep(0.1)  # they would have overtaken it
    assert node.closed == []
    node.go_on.set()
    await asyncio.wait_for(asyncio.gather(first, *others), 20 * SLOWEST)
    # One refresh that began since they came does for all of them.
    assert node.runs == 2
    assert sorted(node.closed) == [7, 8, 9, 10]
    assert await store.refreshed_state(NOVEL.id) == "state"


async def test_refreshes_that_end_no_task_take_turns(store: GraphStore) -> None:
    node = Place(store)
    first = asyncio.create_task(node.wish().attempt())
    await eventually(node.refreshes)
    assert not await node.wish().attempt()
    node.go_on.set()
    assert await first


async def test_a_node_refreshes_a_novel_once_at_a_time_for_whichever_task(store: GraphStore) -> None:
    """In mid-run and at the end, for the same task: the lease would be handed over, and work be wasted."""
    node, own = Place(store), Refreshes()
    tasks = [asyncio.create_task(own.attempt(node.wish())) for _ in range(3)]
    await eventually(node.refreshes)
    node.go_on.set()
    assert await asyncio.gather(*tasks) == [True] * 3
    assert node.runs == 3


async def test_the_lease_is_renewed_while_the_refresh_runs(store: GraphStore, bolt: Bolt) -> None:
    ends: list[int] = []

    async def work(_number: int) -> None:
        with bolt.driver() as driver:
            while len(set(ends)) < 2:
                found = driver.execute_query("MATCH (n:Novel {id: 1}) RETURN n.kgnb_settle_lease").records
                ends.append(found[0][0])
                await asyncio.sleep(0.05)

    node = Place(store)
    node.work = work
    assert await asyncio.wait_for(node.wish(1.0).attempt(), 20 * SLOWEST)
    assert ends == sorted(ends)


async def test_a_refresh_that_fails_gives_its_lease_back(store: GraphStore) -> None:
    async def work(_number: int) -> None:
        raise ZeroDivisionError

    node = Place(store)
    node.work = work
    with pytest.raises(ZeroDivisionError):
        await node.wish().attempt()
    assert (await store.begin_refresh(NOVEL.id, 600.0))[0] == "mine"


async def test_a_refresh_that_an_older_kgnb_overtakes_runs_again(store: GraphStore, bolt: Bolt) -> None:
    """It knows no lease, and just puts up a higher number."""
    numbers: list[int] = []

    async def work(number: int) -> None:
        numbers.append(number)
        if len(numbers) == 1:
            with bolt.driver() as driver:
                raised = "MATCH (n:Novel) SET n.kgnb_settle = $n, n.kgnb_settle_lease = 0"
                driver.execute_query(raised, n=number + 1)
        await store.apply(NOVEL.id, EXACT, number=number)

    node = Place(store)
    node.work = work
    wish = node.wish()
    assert not await wish.attempt()
    assert await wish.attempt()
    assert len(numbers) == 2


class Counted:
    """A refresh that counts its tries and takes ``seconds`` by the clock of the test."""

    def __init__(self, clock: list[float], novel_id: int = 1, seconds: float = 0.0) -> None:
        self.novel_id = novel_id
        self.tries = 0
        self._clock, self._seconds = clock, seconds

    async def attempt(self) -> bool:
        self.tries += 1
        self._clock[0] += self._seconds
        return True


async def test_when_a_refresh_is_due_in_mid_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(refresh_module.time, "monotonic", lambda: clock[0])
    own, quick, slow = Refreshes(), Counted(clock, 1), Counted(clock, 2, seconds=30.0)

    async def look(ended: int) -> tuple[int, int]:
        await own.in_mid_run([(quick, ended), (slow, ended)])  # type: ignore[list-item]
        return quick.tries, slow.tries

    assert await look(FIRST_CHAPTERS - 1) == (0, 0)
    assert await look(FIRST_CHAPTERS) == (1, 1)
    clock[0] += LEAST_REST
    assert await look(FIRST_CHAPTERS) == (1, 1)  # nothing new
    assert await look(FIRST_CHAPTERS + 1) == (2, 1)
    clock[0] += LEAST_REST
    assert await look(FIRST_CHAPTERS + 2) == (3, 1)
    clock[0] += REST * 30.0
    assert await look(FIRST_CHAPTERS + 2) == (3, 2)


async def test_a_refresh_that_fails_in_mid_run_rests_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(refresh_module.time, "monotonic", lambda: clock[0])
    own, one = Refreshes(), Counted(clock)

    async def away() -> bool:
        one.tries += 1
        raise ServiceDown("graph.down", service="bolt", where="there")

    monkeypatch.setattr(one, "attempt", away)
    for _ in range(2):
        with pytest.raises(ServiceDown):
            await own.in_mid_run([(one, 50)])  # type: ignore[list-item]
        await own.in_mid_run([(one, 51)])  # type: ignore[list-item]
        clock[0] += LEAST_REST
    assert one.tries == 2
