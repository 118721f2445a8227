"""A task may wait, or be worked, in another queue than one looks at: it is neither copied nor done twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.core.errors import ServiceRefused
from kgnb.core.settings import Settings
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim, QueueName, QueueState
from kgnb.worker.node import WorkerNode
from kgnb.worker.outages import Outages
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.reconciler import Reconciler
from kgnb.worker.task_keeper import OpenTask
from tests.support.ledgers import finish_chapter, make_book, numbered
from tests.support.queues import ids, old_worker, take

QWEN, OFF, THEIRS = (QueueName(f"kg:ai_queue:{name}") for name in ("qwen", "off", "theirs"))
RULES = QueueName("kg:task:queue:rules")
NOTHING = QueueState(waiting=0, chapters=0, leased=0, delayed=0, dead=0, open_tasks=0)


@dataclass
class Place:
    """A node's stores, and what it is made of; it serves the rules only, under one prefix."""

    ledger: Ledger
    queue: Queue
    providers: ProviderRegistry
    settings: Settings

    async def task(self, *, queue: str = "", chapters: int = 3, provider: str = "Qwen") -> int:
        """A task that waits nowhere yet."""
        novel = (await self.ledger.books.import_book(make_book(numbered(chapters)))).novel_id
        one = {"provider": provider, "model": "m", "use_ai": True, "name": "三国"}
        task_id = await self.ledger.tasks.create(novel, queue=queue, **one)
        await self.ledger.names.freeze(task_id, novel, [])
        return task_id

    def node(self) -> WorkerNode:
        stores = SimpleNamespace(
            ledger=self.ledger, queue=self.queue, renewer=LeaseRenewer(self.queue), outages=Outages()
        )
        unused = (None, None, None)
        return WorkerNode(*cast("Any", (stores, self.providers, *unused, self.settings)), name="a")

    async def claim(self, queue: QueueName, task_id: int) -> Claim:
        """The task's item, pushed and claimed."""
        await self.queue.push(queue, task_id)
        (claim,) = (await take(self.queue, queue, tasks=1)).claims
        return claim

    async def opened_from(self, queue: QueueName, task_id: int) -> tuple[OpenTask, list[int]]:
        """The task, opened by an item of this queue, and its chapters."""
        held = OpenTask(await self.claim(queue, task_id), 0.0)
        assert await self.node().task_keeper.advance(held)
        novel = (await self.ledger.tasks.get(task_id)).novel_id
        return held, [chapter.id for chapter in await self.ledger.books.chapters(novel)]

    async def switch(self, name: str, *, on: bool) -> None:
        """Switch a provider off or on, and let the node know."""
        providers = self.ledger.providers
        await (providers.save(name, {}) if on else providers.remove(name, delete=False))
        await self.providers.refresh()

    async def state(self, queue: QueueName) -> QueueState:
        return (await self.queue.states([queue]))[queue]

    async def reconcile(self) -> None:
        parts = {"stores": SimpleNamespace(ledger=self.ledger, queue=self.queue), "only_task": None}
        node = SimpleNamespace(**parts, providers=self.providers, settings=self.settings, wake=lambda: None)
        await self.queue.connection.client.delete("kgnb:reconciler")  # its turn again
        await Reconciler(cast("Any", node)).run_once()

    async def waiting(self) -> dict[str, int]:
        """The lengths of all queues that aren't empty."""
        keys = [key async for key in self.queue.connection.client.scan_iter("kg:*queue:*", _type="list")]
        return {key.decode(): await self.queue.connection.client.llen(key) for key in keys}


@pytest.fixture
async def place(ledger: Ledger, queue: Queue, tmp_path: Path) -> Place:
    settings = Settings.load(
        data=tmp_path, keys=str(tmp_path / "keys"), providers="rules", queue_prefix="kg:task:queue:"
    )
    for name in ("Default", "Qwen", "Off"):
        row = {"api_key": "k", "base_url": "http://127.0.0.1:9/v1", "models": ["m"]}
        await ledger.providers.save(name, row)
    await ledger.providers.remove("Off", delete=False)
    providers = ProviderRegistry(ledger, settings)
    await providers.refresh()
    return Place(ledger, queue, providers, settings)


@pytest.mark.parametrize("key", [QWEN, OFF, THEIRS])
async def test_what_waits_in_a_queue_that_a_node_does_not_serve_is_not_lost(
    place: Place, key: QueueName
) -> None:
    await place.queue.push(key, await place.task())
    await take(place.queue, THEIRS)  # a node with a provider of its own has polled it
    for _ in range(3):
        await place.reconcile()
    assert await place.waiting() == {key: 1}


async def test_what_is_lost_is_pushed_only_after_a_look_everywhere(place: Place) -> None:
    await place.task()
    await place.queue.connection.client.set(OFF, "not a list")
    with pytest.raises(ServiceRefused, match=OFF):
        await place.reconcile()
    assert await place.waiting() == {}
    await place.queue.connection.client.delete(OFF)
    for _ in range(3):
        await place.reconcile()
    assert await place.waiting() == {"kg:task:queue:qwen": 1}  # the task's own provider


async def test_a_task_of_a_provider_that_nobody_knows_here_is_pushed_once_to_the_default(
    place: Place,
) -> None:
    await place.task(provider="Elsewhere")  # an imported record's
    for _ in range(3):
        await place.reconcile()
    assert await place.waiting() == {"kg:task:queue:default": 1}


async def test_copies_never_pile_up_where_they_are_passed_on_to(place: Place) -> None:
    """Nobody takes any there: the provider is paused, or no node is up that serves it."""
    task_id = await place.task(queue=QWEN)
    await place.queue.push(QWEN, task_id, opened=True)
    for _ in range(4):
        await place.node().task_keeper.advance(OpenTask(await place.claim(RULES, task_id), 0.0))
    assert await place.waiting() == {QWEN: 2}  # one of them fresh


async def test_a_task_that_an_old_worker_took_is_not_queued_again(place: Place) -> None:
    """It took an item that kgnb had opened and handed back."""
    task_id = await place.task(queue=RULES)
    await old_worker(place.queue, "old", task_id)
    await place.reconcile()
    assert await place.waiting() == {}
    await place.queue.connection.client.delete("kg:nodes:old")
    await place.reconcile()
    assert await place.waiting() == {RULES: 1}


async def test_a_task_that_changes_its_queue_leaves_nothing_behind_but_what_is_asked(place: Place) -> None:
    task_id = await place.task(chapters=5)
    old, chapters = await place.opened_from(QWEN, task_id)
    flying = (await take(place.queue, QWEN, chapters=3)).claims
    await place.queue.release([flying.pop()], delay=60)
    await place.queue.fail(flying[1], "broken")  # waits at once
    await place.switch("Qwen", on=False)
    new, _ = await place.opened_from(RULES, task_id)
    assert await place.state(QWEN) == replace(NOTHING, leased=1)
    assert (await take(place.queue, QWEN, held=(task_id,), chapters=9, tasks=9)).chapters_left == {}
    assert not await place.queue.open_task(old.claim, chapters)
    moved = (await take(place.queue, RULES, chapters=9)).claims
    assert [claim.chapter_id for claim in moved] == chapters[1:]

    keeper = place.node().task_keeper
    for claim in moved:
        assert await finish_chapter(place.ledger, task_id, claim.chapter_id, claim.token)
    assert await place.queue.ack(moved) == [True] * 4
    assert not await keeper.advance(new), "its last chapter is asked about"
    await place.switch("Qwen", on=True)
    await keeper.advance(OpenTask(await place.claim(QWEN, task_id), 0.0))  # main's copy: it goes on elsewhere
    assert (await take(place.queue, RULES, chapters=9)).claims == []
    assert await place.queue.release(flying[:1]) == [True]  # handed back
    assert await keeper.advance(new)
    assert ids(await take(place.queue, RULES, chapters=9)) == [(task_id, chapters[0])]
    assert await place.state(QWEN) == NOTHING


async def test_a_request_for_a_task_is_not_lost_with_its_place(place: Place) -> None:
    task_id = await place.task()
    await place.opened_from(QWEN, task_id)
    await place.queue.push(QWEN, task_id)  # main retried it; its holder hasn't heard
    await take(place.queue, QWEN)
    await place.switch("Qwen", on=False)
    await place.opened_from(RULES, task_id)
    assert await place.waiting() == {QWEN: 1}


@pytest.mark.parametrize("held", [False, True])
async def test_chapters_of_a_task_that_is_gone_end_unless_it_is_held(place: Place, held: bool) -> None:
    task_id = await place.task()
    task, _ = await place.opened_from(RULES, task_id)
    if not held:
        await place.queue.release([task.claim])
        assert await place.queue.connection.client.rpop(RULES)  # by an old worker
    await place.ledger.task_lifecycle.delete(task_id)
    (claim,) = (await take(place.queue, RULES, chapters=1)).claims
    await place.node()._process_chapter(claim)
    left = replace(NOTHING, leased=1, chapters=2, delayed=1, open_tasks=1)
    assert await place.state(RULES) == (left if held else NOTHING)


async def test_chapters_alone_keep_no_task_from_being_queued(place: Place) -> None:
    """No node may serve the queue that they are in."""
    task_id = await place.task()
    task, _ = await place.opened_from(QWEN, task_id)
    await place.queue.release([task.claim])
    assert await place.queue.connection.client.lpop(QWEN)
    for _ in range(2):
        await place.reconcile()
    assert await place.waiting() == {QWEN: 1}


async def test_an_item_outlives_the_provider_that_it_waited_for(place: Place) -> None:
    """Switched off between claim and opening: the reconciler moves the item to another provider."""
    task_id = await place.task()
    claim, keeper = await place.claim(QWEN, task_id), place.node().task_keeper
    await place.switch("Qwen", on=False)
    await keeper.take(claim)
    step = keeper.open_tasks[task_id].step
    assert step is not None
    await step
    assert keeper.open_tasks == {}
    assert (await place.queue.find_tasks([QWEN]))[task_id].held
