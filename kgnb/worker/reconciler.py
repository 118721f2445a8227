"""Requeues unfinished tasks that SQL has and no queue knows (Redis may lose items; SQL is the record).

Runs on one node at a time, every ``KG_WORKER_GUARD_INTERVAL`` seconds. Also starts automatic retries that are
due, moves the queues of providers that are gone, evicts from the reply cache, and tidies up after main.
"""

from __future__ import annotations

import logging
import time
from math import inf

from kgnb.core.messages import say
from kgnb.core.model import Task, TaskStatus
from kgnb.stores.ledger.orphans import Orphan
from kgnb.stores.queue.types import ClaimRequest, QueueName
from kgnb.worker.node import WorkerNode
from kgnb.worker.refresh import Refresh
from kgnb.worker.task_router import TaskRouter

log = logging.getLogger(__name__)

ORPHAN_LEASES = 2
"""Leases after which nobody works any more on what main deleted."""
ORPHANS = 5
"""Most novels of which a turn deletes what main left."""
EVICT_SECONDS = 3_600.0
"""Interval between two evictions from the reply cache."""


class Reconciler:
    """One node's reconciler."""

    def __init__(self, node: WorkerNode) -> None:
        self._node = node
        self._router = TaskRouter(node.stores.ledger, node.providers)
        self._evicted_at = -inf
        self._orphans: dict[Orphan, float] = {}  # and since when they were seen as such
        self._swept_to = 0  # the last novel looked at

    async def run_once(self) -> None:
        """Reconcile, if it is this node's turn. Raises ServiceDown."""
        node = self._node
        if node.only_task is not None:  # a build requeues its own task only and takes no turn
            await self._requeue_lost()
            return
        if not await node.stores.queue.reconciler_turn(node.settings.guard_interval):
            return
        await self._retry_due()
        await self._move_orphans()
        await self._requeue_lost()
        await self._evict()
        await self._sweep()

    # --- tasks that no queue knows of

    async def _requeue_lost(self) -> None:
        after = 0
        while page := await self._node.stores.ledger.tasks.unfinished(after=after):
            after = page[-1].id
            for task in await self._unqueued([t for t in page if self._ours(t)]):
                await self._queue_again(task)

    async def _unqueued(self, tasks: list[Task]) -> list[Task]:
        """Return the tasks that no queue and no live old worker has.

        Raises ServiceError where it can't look: a task that waits there must not be queued elsewhere too.
        """
        queue = self._node.stores.queue
        own = {QueueName(task.queue) for task in tasks if task.queue}
        everywhere = own.union(await self._node.providers.all_queues(queue)) if tasks else own
        known = await queue.find_tasks(sorted(everywhere))
        lost = [task for task in tasks if task.id not in known]
        foreign = await queue.foreign_tasks() if lost else ()
        return [task for task in lost if task.id not in foreign]

    def _ours(self, task: Task) -> bool:
        """Return whether this node may requeue the task: not one besides ``only_task``, nor one that kgnb
        never queued (an old worker runs it).
        """
        wanted = self._node.only_task in (None, task.id)
        return wanted and (bool(task.queue) or task.status is TaskStatus.CREATED)

    async def _queue_again(self, task: Task) -> None:
        queue = await self._router.queue_for(task, usable=True)
        if queue is not None:
            opened = task.status is TaskStatus.RUNNING
            await self._node.stores.queue.push(queue, task.id, opened=opened)
            log.warning(say("node.requeued", task=task.id, queue=queue))
            self._node.wake()

    # --- queues of providers that are gone

    async def _move_orphans(self) -> None:
        """Move items that wait for a provider that was switched off or deleted to an active provider.

        A provider that was never in the table may be another node's own, from its environment: not touched.
        """
        node = self._node
        seen = await node.stores.ledger.providers.seen()
        for key in sorted(k for k, active in seen.items() if not active and not node.providers.find(k)):
            for prefix in node.settings.prefixes:
                await self._move(QueueName(prefix + key))

    async def _move(self, source: QueueName) -> None:
        queue = self._node.stores.queue
        # No node serves or reaps it any more; this poll turns leases of dead nodes into items again.
        await queue.poll([ClaimRequest(source)])
        waiting = {i: one for i, one in (await queue.find_tasks([source])).items() if one.item}
        provider = await self._router.default_provider(usable=True) if waiting else None
        if provider is None:
            return
        target = source.with_provider(provider.lower_name)
        there = await queue.find_tasks([target])
        for task_id, one in sorted(waiting.items()):  # the oldest tasks first
            # Added before it is removed: a crash leaves two, not none. Nor do copies pile up.
            if task_id not in there or not there[task_id].fresh:
                await queue.push_anew(target, one.item)
            await queue.drop_task(source, task_id, fresh=one.fresh, elsewhere=True)
            log.warning(say("node.moved_queue", task=task_id, source=source, target=target))
        self._node.wake()

    # --- what main deleted

    async def _sweep(self) -> None:
        """Delete orphans that were seen as such for so long that nobody works on them any more.

        A table that main restores is empty for a moment too.
        """
        stores, after, now = self._node.stores, self._swept_to, time.monotonic()
        found, self._swept_to = await stores.ledger.orphans.find(after)
        upto = self._swept_to or inf
        elsewhere = {o: since for o, since in self._orphans.items() if not after < o.novel_id <= upto}
        self._orphans = elsewhere | {o: self._orphans.get(o, now) for o in found}
        patience = ORPHAN_LEASES * stores.queue.lease_seconds
        for orphan in [o for o in found if now - self._orphans[o] >= patience][:ORPHANS]:
            await self._delete(orphan)

    async def _delete(self, orphan: Orphan) -> None:
        node, ledger, novel_id = self._node, self._node.stores.ledger, orphan.novel_id
        await ledger.orphans.clear(orphan)
        graph, run = node.stores.graph, node.pool.run_long
        if graph is not None and orphan.tasks:  # without tasks kgnb never wrote anything of it there
            refresh = Refresh(ledger, graph, run, novel_id, node.settings.lease_seconds)
            if not await refresh.attempt():
                return  # another one is at work: next time
        await ledger.orphans.forget(orphan)
        log.info(say("node.swept", novel=novel_id, tasks=", ".join(map(str, orphan.tasks)) or "-"))

    # --- retries, cache

    async def _retry_due(self) -> None:
        for task in await self._node.stores.ledger.task_lifecycle.start_due_retries():
            queue = await self._router.queue_for(task, usable=True)
            if queue is not None:
                await self._node.stores.queue.push(queue, task.id)
                log.info(say("node.retry_due", task=task.id, queue=queue))

    async def _evict(self) -> None:
        now = time.monotonic()
        if now - self._evicted_at < EVICT_SECONDS:
            return
        self._evicted_at = now
        gone = await self._node.stores.ledger.reply_cache.evict()
        if gone:
            log.info(say("node.evicted", count=gone))
