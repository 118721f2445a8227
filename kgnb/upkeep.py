"""What a node does besides its chapters: heartbeat, main's commands, providers, the reconciler.

Each loop survives its own failure: an outage is noted and waited out, anything else is logged with its
traceback and tried again at the next turn.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from kgnb.errors import KgnbError, ServiceDown
from kgnb.health import Health
from kgnb.llm.cache import ReplyCache
from kgnb.model import RULES, Task, TaskStatus
from kgnb.node import Node
from kgnb.store.presence import Presence, WorkerState
from kgnb.texts import say

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
"""Far below the 180 s after which main takes a node for gone; short enough for a live list."""
CHANGE_SECONDS = 1.0
"""A slot's new task is shown after at most this long."""
PROGRESS_SECONDS = 0.5
"""A chapter's end is published within this; ends of one task that lie closer share a message."""
EVICT_SECONDS = 3_600.0
"""How often a node looks for replies that are too old or too many."""
WATCH_SECONDS = 2.0
"""Main's commands take effect within this."""
PROVIDERS_SECONDS = 5.0
"""A provider that was added, changed or switched off is noticed within this."""


class Upkeep:
    """The loops of one node."""

    def __init__(self, node: Node, presence: Presence, cache: ReplyCache, worker_ids: list[int]) -> None:
        self._node = node
        self._cache = cache
        self._presence = presence
        self._ids = worker_ids
        self._started = datetime.now().astimezone()
        self._shown: list[WorkerState] = []
        self._shown_at = 0.0
        self._evicted_at = float("-inf")

    async def run(self) -> None:
        """Runs every loop until cancelled."""
        stores = self._node.stores
        # The third is the service that a turn without an error proves to be there; most turns ask none.
        loops = {
            "heartbeat": (CHANGE_SECONDS, self.heartbeat, ""),
            "progress": (PROGRESS_SECONDS, self.progress, ""),
            "watch": (WATCH_SECONDS, self._node.watch_tasks, ""),
            "providers": (PROVIDERS_SECONDS, self._node.providers.refresh, "sql"),
            "probe": (WATCH_SECONDS, self._probe, ""),
            "limits": (WATCH_SECONDS, self._limits, ""),
            "reconcile": (self._node.settings.guard_interval, self._reconcile, ""),
        }
        async with asyncio.TaskGroup() as group:
            for name, (seconds, step, service) in loops.items():
                group.create_task(_every(seconds, step, name, service, stores.health))

    async def heartbeat(self) -> None:
        """Shows the node and its slots, when they changed or it is time."""
        states = self._states()
        now = time.monotonic()
        if states == self._shown and now - self._shown_at < HEARTBEAT_SECONDS:
            return
        await self._presence.heartbeat(
            workers=states,
            started_at=self._started,
            slots=self._node.settings.slots_for(1),
            pid=os.getpid(),
        )
        self._shown, self._shown_at = states, now

    def _states(self) -> list[WorkerState]:
        """One state a slot, and one for each kept task that no slot names; tasks come first, should the
        ids not suffice."""
        node = self._node
        served = node.providers.served()
        busy: list[tuple[str, int | None, float | None]] = []
        idle: list[tuple[str, int | None, float | None]] = []
        for provider in served:
            works = [w for w in node.slots.works.values() if w.provider == provider.key]
            busy += [(provider.name, w.claim.task_id, w.since) for w in sorted(works, key=lambda w: w.slot)]
            free = max(0, node.settings.slots_for(len(served)) - len(works))
            idle += [(provider.name, None, None)] * free
        named = {task_id for _, task_id, _ in busy}
        for task_id, held in node.keeper.held.items():
            if task_id not in named:
                name = held.info.provider.name if held.info else RULES
                busy.append((name, task_id, held.since))
        return [WorkerState(i, *state) for i, state in zip(self._ids, busy + idle, strict=False)]

    async def _probe(self) -> None:
        """Asks a service that is down whether it is back; nothing else would while nothing is claimed."""
        stores = self._node.stores
        if stores.health.is_down("bolt"):
            await stores.graph.ping()
            stores.health.answered("bolt")

    async def _limits(self) -> None:
        """Other nodes' rate limits arrive here; pauses come with every poll."""
        await self._node.gate.look([p for p in self._node.providers.served() if not p.is_rules])

    async def _reconcile(self) -> None:
        """Queues unfinished tasks again that no queue knows of: Redis is not the record."""
        node, stores = self._node, self._node.stores
        # A build looks after its own task only, so it takes nobody's turn.
        alone = node.only_task is not None
        if not alone and not await stores.queue.reconciler_turn(node.settings.guard_interval):
            return
        if node.only_task is None:
            await self._retry_due()
            await self._evict()
        unfinished = [t for t in await stores.ledger.unfinished() if self._ours(t)]
        if not unfinished:
            return
        known = await stores.queue.known(await self._queues(unfinished))
        for task in unfinished:
            if task.id not in known:
                await self._queue_again(task)

    def _ours(self, task: Task) -> bool:
        """Not another task than the only one, nor one that an old worker runs: kgnb never queued that."""
        wanted = self._node.only_task in (None, task.id)
        return wanted and (bool(task.queue) or task.status is TaskStatus.CREATED)

    async def _retry_due(self) -> None:
        for task in await self._node.stores.ledger.start_due_retries():
            queue = task.queue or await self._default_queue(task)
            if queue is not None:
                await self._node.stores.queue.push(queue, task.id, queue.rpartition(":")[2])
                log.info(say("node.retry_due", task=task.id, queue=queue))

    async def _evict(self) -> None:
        now = time.monotonic()
        if now - self._evicted_at < EVICT_SECONDS:
            return
        self._evicted_at = now
        settings = self._node.settings
        gone = await self._cache.evict(max_age_days=settings.cache_days, max_mb=settings.cache_mb)
        if gone:
            log.info(say("node.evicted", count=gone))

    async def _queues(self, tasks: list[Task]) -> list[str]:
        served = {p + q.key for q in self._node.providers.served() for p in self._node.settings.prefixes}
        return sorted(served | {t.queue for t in tasks if t.queue})

    async def _queue_again(self, task: Task) -> None:
        node = self._node
        queue = task.queue or await self._default_queue(task)
        if queue is None:
            return
        await node.stores.queue.push(
            queue, task.id, queue.rpartition(":")[2], opened=task.status is TaskStatus.RUNNING
        )
        log.warning(say("node.requeued", task=task.id, queue=queue))
        node.wake()

    async def _default_queue(self, task: Task) -> str | None:
        node = self._node
        config = await node.stores.ledger.default_config()
        name = config.ai_provider.lower() if task.use_ai and config.ai_provider else RULES
        if task.use_ai and name == RULES:
            served = [p.key for p in node.providers.served() if not p.is_rules]
            if not served:
                return None
            name = served[0]
        return node.settings.prefixes[0] + name

    async def progress(self) -> None:
        """Publishes where the tasks are whose chapters came to an end since the last time."""
        node = self._node
        moved, node.moved = node.moved, set()
        for task_id in sorted(moved):
            task = await node.stores.ledger.task(task_id)
            progress = await node.stores.ledger.progress(task_id)
            if task is not None:
                await self._presence.publish(node.settings.progress_channel, task_id, progress, task.status)


async def _every(
    seconds: float,
    step: Callable[[], Awaitable[None]],
    name: str,
    service: str,
    health: Health,
) -> None:
    while True:
        try:
            await step()
        except ServiceDown as error:
            health.failed(error)
        except KgnbError as error:
            log.error(say("node.upkeep_failed", loop=name, reason=str(error)))
        except Exception:  # a loop of upkeep must outlive its own bugs; the traceback is logged
            log.exception(say("node.upkeep_failed", loop=name, reason=""))
        else:
            health.answered(*filter(None, [service]))
        await asyncio.sleep(seconds)
