"""What a node shows of its slots, and what it tells of its tasks' progress."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.cli.commands import HEALTHY_SECONDS
from kgnb.core.errors import ServiceDown
from kgnb.core.model import Provider
from kgnb.stores.queue.presence import Presence as RealPresence
from kgnb.stores.queue.presence import WorkerState
from kgnb.stores.queue.types import Claim, QueueName
from kgnb.worker.background import HEARTBEAT_SECONDS, BackgroundLoops, heartbeat_seconds
from kgnb.worker.outages import Outages
from tests.support.ledgers import new_task, opened
from tests.support.patience import SLOWEST
from tests.support.queues import claim_of, nodes_on

A = QueueName("kg:task:queue:a")


class Presence:
    """Keeps what it is told to write."""

    def __init__(self) -> None:
        self.told: list[tuple[list[WorkerState], bool]] = []

    async def heartbeat(self, *, workers: list[WorkerState], anew: bool, **_: object) -> None:
        self.told.append((workers, anew))


def shown_by(presence: Presence, slots: dict[Claim, float], kept: dict[int, float]) -> BackgroundLoops:
    """The loops of a node with two slots that keeps tasks open since some time."""
    open_tasks = {task: SimpleNamespace(info=None, since=since) for task, since in kept.items()}
    node = SimpleNamespace(
        slots=slots,
        providers=SimpleNamespace(served=lambda: [Provider("a")]),
        settings=SimpleNamespace(slots_for=lambda *_: 2),
        task_keeper=SimpleNamespace(open_tasks=open_tasks),
        only_task=None,
        stores=SimpleNamespace(queue=SimpleNamespace(node_count=1), ledger=None, outages=Outages()),
    )
    return BackgroundLoops(*cast("Any", (node, presence, [1, 2, 3])))


async def test_a_task_that_is_kept_open_is_shown_unless_a_slot_shows_it() -> None:
    presence = Presence()
    await shown_by(presence, {claim_of(7, 1, A): 10.0}, {7: 5.0, 8: 6.0}).heartbeat()
    (workers, _) = presence.told[0]
    assert [(state.task_id, state.kept) for state in workers] == [(7, False), (8, True), (None, False)]


async def test_a_slot_shows_since_when_it_works_on_its_task() -> None:
    slots: dict[Claim, float] = {}
    presence = Presence()
    background = shown_by(presence, slots, {})
    for task, chapter, began in ((7, 1, 10.0), (7, 2, 20.0), (8, 1, 30.0)):
        slots[claim_of(task, chapter, A)] = began
        await background.heartbeat()
        slots.clear()
    idle = WorkerState(2, "a")
    assert presence.told == [
        ([WorkerState(1, "a", 7, 10.0), idle], True),
        ([WorkerState(1, "a", 8, 30.0), idle], False),
    ]


def test_a_node_among_many_is_no_silent_one() -> None:
    assert heartbeat_seconds(1) == HEARTBEAT_SECONDS
    assert 2 * heartbeat_seconds(1_000) <= HEALTHY_SECONDS


class CutOff(RealPresence):
    """Publishes nothing while there is an error."""

    error: BaseException | None = None

    async def publish(self, *what: Any) -> None:
        if self.error:
            raise self.error
        await super().publish(*what)


@pytest.mark.parametrize(
    "error",
    [ServiceDown("queue.down", service="redis", where="there"), asyncio.CancelledError()],
    ids=["outage", "cancelled"],
)
async def test_the_last_progress_is_told_after_what_kept_it_back(
    redis_url: str, tmp_path: Path, error: BaseException
) -> None:
    async with nodes_on(redis_url) as make, opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        queue = make()
        tasks = [(await new_task(ledger, salt=salt))[1] for salt in "ab"]
        presence = CutOff(queue)
        presence.error = error
        node = SimpleNamespace(
            unpublished_tasks=set(tasks),
            stores=SimpleNamespace(ledger=ledger),
            providers=None,
            settings=SimpleNamespace(progress_channel="kg:progress"),
            task_keeper=SimpleNamespace(),
        )
        background = BackgroundLoops(*cast("Any", (node, presence, [])))
        async with queue.connection.client.pubsub(ignore_subscribe_messages=True) as heard:
            await heard.subscribe("kg:progress")
            await heard.get_message(timeout=2 * SLOWEST)
            for _ in range(2):
                with pytest.raises(type(error)):
                    await background.publish_progress()
            presence.error = None
            await background.publish_progress()
            messages = [await heard.get_message(timeout=2 * SLOWEST) for _ in tasks]
    assert [json.loads(message["data"])["task_id"] for message in messages if message] == tasks
    assert node.unpublished_tasks == set()
