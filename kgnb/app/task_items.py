"""A task's items over every queue that is known: where they may be, pushing and dropping them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from kgnb.app.context import App
from kgnb.core.errors import InputError
from kgnb.core.model import RULES, Task
from kgnb.stores.queue.dead_letters import leased, polled_queues
from kgnb.stores.queue.types import DeadItem, QueueName
from kgnb.worker.slots import queues_of

LET_GO_SECONDS = 10.0
"""Beyond a lease: how long to wait for nodes to let go of a task."""
LOOK_SECONDS = 0.2


async def known_queues(app: App, task: Task | None = None) -> list[QueueName]:
    """Every queue that is known: by its provider, by nodes that polled it, by the task."""
    known = set(queues_of(app.providers.all(), app.settings.prefixes)) | await polled_queues(app.queue.link)
    if task is not None and task.queue:
        known.add(QueueName(task.queue))
    if task is not None and task.provider:
        known |= {QueueName(prefix + task.provider.lower()) for prefix in app.settings.prefixes}
    return sorted(known)


async def drop_items(app: App, task: Task) -> None:
    """Takes the task's waiting items, fresh ones too, out of every queue; a held one is its holder's."""
    for queue in await known_queues(app, task):
        await app.queue.drop_task(queue, task.id, fresh=True)


async def push(app: App, task: Task) -> QueueName:
    """Queues a fresh item and returns where; a second one of the same task does no harm.

    Raises InputError for a task that no kgnb ever opened where no provider could do it.
    """
    queue = QueueName(task.queue or app.settings.prefixes[0] + await _provider_key(app, task))
    await app.queue.push(queue, task.id)
    return queue


async def _provider_key(app: App, task: Task) -> str:
    """The provider remembered, else the default config's, else the first that is active."""
    if not task.use_ai:
        return RULES
    if task.provider:
        return task.provider.lower()
    provider = await app.router.default_provider(usable=False)
    if provider is None:
        raise InputError("operate.nobody", task=task.id)
    return provider.key


async def dead_items(app: App, queues: Sequence[QueueName] | None = None) -> list[DeadItem]:
    """The dead lists of ``queues``, by default of every one that is known; oldest first."""
    names = await known_queues(app) if queues is None else queues
    found = [item for queue in names for item in await app.queue.dead(queue)]
    return sorted(found, key=lambda item: item.at)


async def until_let_go(app: App, queues: Sequence[QueueName], task_id: int) -> None:
    """Waits until no node holds the task or a chapter of it, a lease and a bit at most.

    A node may write what it has in hand for as long as it believes in its lease.
    """
    deadline = time.monotonic() + app.settings.lease_seconds + LET_GO_SECONDS
    while time.monotonic() < deadline:
        if not await leased(app.queue.link, queues, task_id):
            return
        await asyncio.sleep(LOOK_SECONDS)
