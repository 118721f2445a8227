"""A task may wait, or be worked, in another queue than one looks at: it is neither copied nor done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.core.errors import ServiceRefused
from kgnb.core.settings import Settings
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.reply_cache import ReplyCache
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import QueueName
from kgnb.worker.outages import Outages
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.reconciler import Reconciler
from kgnb.worker.task_keeper import OpenTask, TaskKeeper
from tests.support.ledgers import make_book, numbered, opened
from tests.support.queues import nodes_on, old_worker, take

QWEN, OFF, THEIRS = (QueueName(f"kg:ai_queue:{name}") for name in ("qwen", "off", "theirs"))
RULES = QueueName("kg:task:queue:rules")


@dataclass
class Place:
    """A node's stores, and what it is made of; it serves the rules only, under one prefix."""

    ledger: Ledger
    queue: Queue
    providers: ProviderRegistry
    settings: Settings

    async def task(self, *, queue: str = "", chapters: int = 3) -> int:
        """A task that waits nowhere yet."""
        novel = (await self.ledger.books.import_book(make_book(numbered(chapters)))).novel_id
        one = {"provider": "Qwen", "model": "m", "use_ai": True, "name": "三国"}
        task_id = await self.ledger.tasks.create(novel, queue=queue, **one)
        await self.ledger.names.freeze(task_id, novel, [])
        return task_id

    def keeper(self) -> TaskKeeper:
        stores = SimpleNamespace(
            ledger=self.ledger, queue=self.queue, renewer=LeaseRenewer(self.queue), outages=Outages()
        )
        ignored = {"on_closed": lambda *_: None, "on_stuck": lambda *_: None}
        return TaskKeeper(cast("Any", stores), self.providers, cast("Any", None), **ignored)

    async def reconcile(self) -> None:
        parts = {"stores": SimpleNamespace(ledger=self.ledger, queue=self.queue), "only_task": None}
        node = SimpleNamespace(**parts, providers=self.providers, settings=self.settings, wake=lambda: None)
        await self.queue.redis.delete("kgnb:reconciler")  # its turn again
        await Reconciler(cast("Any", node), ReplyCache(self.ledger.database)).run_once()

    async def waiting(self) -> dict[str, int]:
        """The lengths of all queues that aren't empty."""
        keys = [key async for key in self.queue.redis.scan_iter("kg:*queue:*", _type="list")]
        return {key.decode(): await self.queue.redis.llen(key) for key in keys}


@pytest.fixture
async def place(redis_url: str, sql_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    settings = Settings.load(
        data=tmp_path, keys=str(tmp_path / "keys"), providers="rules", queue_prefix="kg:task:queue:"
    )
    async with opened(sql_url) as ledger, nodes_on(redis_url) as make:
        for name in ("Default", "Qwen", "Off"):
            row = {"api_key": "k", "base_url": "http://127.0.0.1:9/v1", "models": ["m"]}
            await ledger.providers.save(name, row)
        await ledger.providers.switch_off("Off")
        providers = ProviderRegistry(ledger, settings)
        await providers.refresh()
        yield Place(ledger, make(), providers, settings)


@pytest.mark.parametrize("queue", [QWEN, OFF, THEIRS])
async def test_what_waits_in_a_queue_that_a_node_does_not_serve_is_not_lost(
    place: Place, queue: QueueName
) -> None:
    await place.queue.push(queue, await place.task())
    await take(place.queue, THEIRS)  # a node with a provider of its own has polled it
    for _ in range(3):
        await place.reconcile()
    assert await place.waiting() == {queue: 1}


async def test_what_is_lost_is_pushed_only_after_a_look_everywhere(place: Place) -> None:
    await place.task()
    await place.queue.redis.set(OFF, "not a list")
    with pytest.raises(ServiceRefused, match=OFF):
        await place.reconcile()
    assert await place.waiting() == {}
    await place.queue.redis.delete(OFF)
    for _ in range(3):
        await place.reconcile()
    assert await place.waiting() == {"kg:task:queue:default": 1}


async def test_copies_never_pile_up_where_they_are_passed_on_to(place: Place) -> None:
    """Nobody takes any there: the provider is paused, or no node is up that serves it."""
    task_id = await place.task(queue=QWEN)
    await place.queue.push(QWEN, task_id, opened=True)
    keeper = place.keeper()
    for _ in range(4):
        await place.queue.push(RULES, task_id)
        (claim,) = (await take(place.queue, RULES, tasks=1)).claims
        await keeper.advance(OpenTask(claim, 0.0))
    assert await place.waiting() == {QWEN: 2}  # one of them fresh


async def test_a_task_that_an_old_worker_took_is_not_queued_again(place: Place) -> None:
    """It took an item that kgnb had opened and handed back."""
    task_id = await place.task(queue=RULES)
    await old_worker(place.queue, "old", task_id)
    await place.reconcile()
    assert await place.waiting() == {}
    await place.queue.redis.delete("kg:nodes:old")
    await place.reconcile()
    assert await place.waiting() == {RULES: 1}
