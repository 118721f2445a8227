"""A node's background loops: heartbeat, progress, main's commands, providers, spending, the reconciler.

Each loop survives its own failure: an outage is reported and waited out, a missing table ends the node, any
other error is logged and the step tried again.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from kgnb.core.errors import KgnbError, ServiceDown, TableMissing
from kgnb.core.event_loop import at_once
from kgnb.core.messages import say
from kgnb.core.model import RULES
from kgnb.stores.queue.presence import Presence, WorkerState
from kgnb.worker.node import WorkerNode
from kgnb.worker.reconciler import Reconciler

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
"""Far below the 180 s after which main considers a node gone; short enough for a live list."""
CHANGE_SECONDS = 2.0
"""Longest delay until a slot's new task is shown. With hundreds of slots each time takes as many commands."""
PROGRESS_SECONDS = 0.5
"""Longest delay until a chapter's end is published; ends of one task within it share a message."""
WATCH_SECONDS = 2.0
"""Longest delay until main's commands take effect."""
PROVIDERS_SECONDS = 5.0
"""Longest delay until a provider that was added, changed or switched off is noticed."""


def heartbeat_seconds(nodes: int) -> float:
    """Return the seconds between two heartbeats of a node: HEARTBEAT_SECONDS (10), or 0.6 for each of
    ``nodes`` live nodes if that is more, at most 30.

    A heartbeat takes three commands a slot, so many nodes write less often.
    """
    return min(30.0, max(HEARTBEAT_SECONDS, nodes * 0.6))


class BackgroundLoops:
    """The background loops of one node."""

    def __init__(self, node: WorkerNode, presence: Presence, worker_ids: list[int]) -> None:
        self._node = node
        self._presence = presence
        self._ids = worker_ids
        self._started = datetime.now().astimezone()
        self._shown: list[WorkerState] = []
        self._shown_down: dict[str, str] = {}
        self._shown_at = 0.0
        self._heartbeat_lock = asyncio.Lock()
        self._reconciler = Reconciler(node)
        node.task_keeper.announce = self.heartbeat
        node.decisive_poll = math.inf

    async def run(self) -> None:
        """Run every loop until cancelled."""
        providers, throttle = self._node.providers, self._node.throttle
        pauses = throttle.pauses
        stores = self._node.stores
        loops = {
            "heartbeat": (CHANGE_SECONDS, self.heartbeat),
            "progress": (PROGRESS_SECONDS, self.publish_progress),
            "watch": (WATCH_SECONDS, self._node.check_tasks),
            "providers": (PROVIDERS_SECONDS, providers.refresh_and_log),
            "keys": (PROVIDERS_SECONDS, lambda: pauses.lift_mended(providers.served())),
            "pauses": (WATCH_SECONDS, lambda: pauses.tell_found(providers.served())),
            "sql": (WATCH_SECONDS, lambda: self._probe("sql", stores.ledger.reply_cache.probe)),
            "refresh": (WATCH_SECONDS, self._node.task_keeper.refresh_in_mid_run),
            "spending": (WATCH_SECONDS, throttle.flush),
            "reconcile": (self._node.settings.guard_interval, self._reconcile),
        }
        if (graph := stores.graph) is not None:
            loops["bolt"] = (WATCH_SECONDS, lambda: self._probe("bolt", graph.probe))
        async with asyncio.TaskGroup() as group:
            for name, (seconds, step) in loops.items():
                group.create_task(_repeat(seconds, step, name, self._node))

    async def heartbeat(self) -> None:
        """Write the node's and its slots' state to Redis, when it changed or is due."""
        async with self._heartbeat_lock:  # an older state must not overwrite a newer one
            states = await self._worker_states()
            now = time.monotonic()
            due = now - self._shown_at >= heartbeat_seconds(self._node.stores.queue.node_count)
            down = {service: str(error) for service, error in self._node.stores.outages.down.items()}
            if states == self._shown and down == self._shown_down and not due:
                return
            await self._presence.heartbeat(
                workers=states,
                anew=due,
                started_at=self._started,
                slots=self._node.settings.slots_for(),
                down=down,
            )
            self._shown, self._shown_down = states, down
            if due:
                self._shown_at = now

    async def _reconcile(self) -> None:
        """Queue lost tasks again. A queue that was lost whole looks empty before this was done once."""
        await self._reconciler.run_once()
        if self._node.decisive_poll == math.inf:
            self._node.decisive_poll = self._node.poll_count + 2  # one may be on its way
            self._node.wake()

    async def _worker_states(self) -> list[WorkerState]:
        """Return a state for each slot, busy or idle, and one for each open task that no slot names."""
        node = self._node
        served = node.providers.served()
        keys = [provider.lower_name for provider in served]
        busy: list[WorkerState] = []  # their ids are given at last
        idle: list[WorkerState] = []
        for provider in served:
            works = [
                (c.task_id, at) for c, at in node.slots.items() if c.queue.provider_key == provider.lower_name
            ]
            busy += [WorkerState(0, provider.name, task_id, since) for task_id, since in sorted(works)]
            free = max(0, node.settings.slots_for(provider.lower_name, keys) - len(works))
            idle += [WorkerState(0, provider.name)] * free
        named = {state.task_id for state in busy}
        for task_id, held in node.task_keeper.open_tasks.items():
            if task_id not in named:
                name = held.info.provider.name if held.info else RULES
                busy.append(WorkerState(0, name, task_id, held.since, kept=True))
        states = busy + idle
        if len(states) > len(self._ids):  # main resets an open task that no hash names
            self._ids += await node.stores.queue.new_worker_ids(len(states) - len(self._ids))
        shown = {(s.id, s.provider, s.task_id, s.kept): s for s in self._shown}
        now = [replace(state, id=i) for i, state in zip(self._ids, states, strict=False)]
        # A slot keeps its start time while it goes on with chapters of the same task.
        return [shown.get((s.id, s.provider, s.task_id, s.kept), s) for s in now]

    async def _probe(self, service: str, probe: Callable[[], Awaitable[None]]) -> None:
        """End an outage that nobody waits for; ``probe()`` writes as the work does."""
        outages = self._node.stores.outages
        if outages.is_down(service):
            await probe()
            outages.report_up(service)

    async def publish_progress(self) -> None:
        """Publish the progress of tasks whose chapters, or which themselves, ended since the last time."""
        node, ledger = self._node, self._node.stores.ledger
        for task_id in sorted(node.unpublished_tasks):
            node.unpublished_tasks.discard(task_id)
            try:
                task, progress = await at_once(ledger.tasks.get(task_id), ledger.task_stats.progress(task_id))
                if task is not None:
                    channel = node.settings.progress_channel
                    await self._presence.publish(channel, task_id, progress, task.status)
            except (ServiceDown, asyncio.CancelledError):
                node.unpublished_tasks.add(task_id)  # published after the outage, or at leaving
                raise


async def _repeat(seconds: float, step: Callable[[], Awaitable[None]], name: str, node: WorkerNode) -> None:
    while True:
        try:
            await step()
        except ServiceDown as error:
            node.stores.outages.report_down(error)
        except TableMissing as error:
            node.give_up(error)
        except KgnbError as error:
            log.error(say("node.upkeep_failed", loop=name, reason=str(error)))
        except Exception:  # a background loop must outlive its own bugs
            log.exception(say("node.upkeep_failed", loop=name, reason=""))
        task = asyncio.current_task()
        if task and task.cancelling():  # a driver may have swallowed the cancellation
            raise asyncio.CancelledError
        await asyncio.sleep(seconds)
