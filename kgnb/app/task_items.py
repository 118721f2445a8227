"""A task's queue items: the queues they may be in, pushing and dropping them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from kgnb.app.context import App
from kgnb.core.errors import InputError
from kgnb.core.model import Task
from kgnb.stores.queue.types import DeadItem, QueueName

LET_GO_SECONDS = 10.0
"""How long nodes may take beyond a lease to let go of a task."""
POLL_SECONDS = 0.2


async def known_queues(app: App, task: Task | None = None) -> list[QueueName]:
    """Return the queues of all providers, those that nodes polled, and the task's own."""
    known = set(await app.providers.all_queues(app.queue))
    if task is not None and task.queue:
        known.add(QueueName(task.queue))
    if task is not None and task.provider:
        known |= {QueueName(prefix + task.provider.lower()) for prefix in app.settings.prefixes}
    return sorted(known)


async def drop_items(app: App, task: Task) -> None:
    """Drop the task's waiting items, fresh ones too, from every queue; leased items stay."""
    for queue in await known_queues(app, task):
        await app.queue.drop_task(queue, task.id, fresh=True)


async def queue_of(app: App, task: Task) -> QueueName:
    """Return the queue for the task's item. Raises InputError when no provider could do it."""
    queue = await app.router.queue_for(task, usable=False)
    if queue is None:
        raise InputError("operate.nobody", task=task.id)
    return queue


async def push(app: App, task: Task) -> QueueName:
    """Push a fresh item of the task and return its queue (:func:`queue_of`); a second item of the same task
    is harmless.
    """
    queue = await queue_of(app, task)
    await app.queue.push(queue, task.id)
    return queue


async def dead_items(app: App, queues: Sequence[QueueName] | None = None) -> list[DeadItem]:
    """Return the dead items of ``queues`` (default: every known queue), oldest first; none where no embedded
    queue runs."""
    if not app.has_queue:
        return []
    names = await known_queues(app) if queues is None else queues
    found = [item for queue in names for item in await app.queue.dead_items(queue)]
    return sorted(found, key=lambda item: item.at)


async def wait_until_released(app: App, queues: Sequence[QueueName], task_id: int) -> None:
    """Wait until no node holds the task or a chapter of it, for a lease and ``LET_GO_SECONDS`` (10) at most.

    A node may write its results for as long as it believes in its lease.
    """
    deadline = time.monotonic() + app.settings.lease_seconds + LET_GO_SECONDS
    while time.monotonic() < deadline:
        if all(lease.task_id != task_id for lease in await app.queue.leases(queues)):
            return
        await asyncio.sleep(POLL_SECONDS)
