"""`kgnb status` as values: nodes, queues, providers, tasks with speed and cost, from any machine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from kgnb.app.context import App, budget_of
from kgnb.core.model import ChapterStatus, Provider, Task, TaskStatus, Usage, beijing_now
from kgnb.stores.ledger.spending import Spent
from kgnb.stores.ledger.task_stats import TaskFigures
from kgnb.stores.queue.breaker import CircuitBreaker, ProviderState
from kgnb.stores.queue.connection import mapped
from kgnb.stores.queue.inspect import LeaseSeen, NodeSeen
from kgnb.stores.queue.types import QueueName, QueueState
from kgnb.worker.budget import Budget
from kgnb.worker.slots import queues_of

TASKS = 20
"""Newest tasks that are listed; unfinished ones are listed however old."""
OTHERS_SECONDS = 30.0
"""Old workers are looked for this often: finding them walks over all keys of Redis."""
RESTING_SECONDS = 30.0
"""A task that rests is counted again after this; its rows rarely change and are many."""

_AT_WORK = (TaskStatus.CREATED, TaskStatus.RUNNING)
_OPEN = (ChapterStatus.PENDING, ChapterStatus.RUNNING)


class StatusReport:
    """Looks again and again (`--watch`); what changes slowly is remembered for a while."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._breaker = CircuitBreaker(app.queue.redis)
        self._budget = budget_of(app.settings)
        self._others: list[NodeSeen] = []
        self._others_at = float("-inf")
        self._resting: dict[int, tuple[float, TaskStatus, TaskFigures]] = {}

    async def read(self) -> dict[str, Any]:
        """Everything, as JSON-ready values. Raises ServiceDown and ServiceRefused: never half an answer."""
        app = self._app
        await app.providers.refresh()
        providers = list(app.providers.all())
        tasks = await self._tasks()
        queues = await self._queues(providers, tasks)
        states = await app.queue.states(queues)
        leases = await app.queue.leases(queues)
        told = await self._providers(providers)
        spent = await app.ledger.spending.since(self._budget.since(beijing_now()))
        return {
            "at": datetime.now().astimezone().isoformat(timespec="seconds"),
            "nodes": [_node(node, leases, providers) for node in await self._nodes()],
            "queues": [_queue(name, state) for name, state in states.items() if any(asdict(state).values())],
            "providers": [
                _provider(p, told.get(p.name, ProviderState())) | _spending(p, spent, self._budget)
                for p in providers
            ],
            "tasks": [_task(task, found, self._budget) for task, found in tasks],
        }

    async def _queues(
        self, providers: Sequence[Provider], tasks: Sequence[tuple[Task, TaskFigures]]
    ) -> list[QueueName]:
        """Every queue known here: of the providers, of the tasks, and those that nodes have polled."""
        names = set(queues_of(providers, self._app.settings.prefixes))
        names |= {QueueName(task.queue) for task, _ in tasks if task.queue}
        return sorted(names | set(await self._app.queue.queues()))

    async def _nodes(self) -> list[NodeSeen]:
        now = time.monotonic()
        if now - self._others_at >= OTHERS_SECONDS:
            self._others = await self._app.queue.others()
            self._others_at = now
        return await self._app.queue.nodes() + self._others

    async def _providers(self, providers: Sequence[Provider]) -> Mapping[str, ProviderState]:
        with mapped(self._app.queue.where):
            return await self._breaker.states([p.name for p in providers if not p.is_rules])

    async def _tasks(self) -> list[tuple[Task, TaskFigures]]:
        ledger = self._app.ledger
        listed = {
            task.id: task for task in [*await ledger.tasks.newest(TASKS), *await ledger.tasks.unfinished()]
        }
        now, known = time.monotonic(), self._resting
        fresh = {i for i, (at, status, _) in known.items() if i in listed and listed[i].status is status
                 and now - at < RESTING_SECONDS}  # fmt: skip
        found = await self._app.ledger.task_stats.figures(sorted(listed.keys() - fresh))
        self._resting = {i: known[i] for i in fresh} | {
            i: (now, listed[i].status, one) for i, one in found.items() if listed[i].status not in _AT_WORK
        }
        found |= {i: known[i][2] for i in fresh}
        return [(listed[i], found[i]) for i in sorted(listed, reverse=True)]


def _node(node: NodeSeen, leases: Sequence[LeaseSeen], providers: Sequence[Provider]) -> dict[str, Any]:
    names = {p.key: p.name for p in providers}
    flying, tasks = Counter(node.busy), set(node.tasks)
    if node.kgnb:
        mine = [lease for lease in leases if lease.node == node.name]
        keys = [lease.queue.provider_key for lease in mine if lease.chapter_id]
        flying, tasks = Counter(names.get(key, key) for key in keys), {lease.task_id for lease in mine}
    return {
        "name": node.name,
        "heartbeat": node.heartbeat,
        "age": node.age,
        "pid": node.pid,
        "slots": node.slots,
        "started_at": node.started_at,
        "version": node.version,
        "kgnb": node.kgnb,
        "providers": [
            _share(name, flying[name], node.shares.get(name, 0))
            for name in sorted(node.shares.keys() | flying.keys())
        ],
        "tasks": sorted(tasks),
    }


def _share(provider: str, flying: int, slots: int) -> dict[str, Any]:
    """More chapters than slots may be in flight: read ahead, or written while their slot has moved on."""
    slots = slots or flying
    return {"provider": provider, "busy": min(flying, slots), "slots": slots, "in_flight": flying}


def _queue(name: str, state: QueueState) -> dict[str, Any]:
    return {"queue": name, **asdict(state)}


def _provider(provider: Provider, state: ProviderState) -> dict[str, Any]:
    now = time.time()
    limited = state.not_before if state.not_before > now else 0.0
    return {
        "name": provider.name,
        "models": list(provider.models),
        "paused_until": state.until or None,
        "state": "paused" if state.paused else "limited" if limited else "ok",
        "reason": state.reason,
        "by_hand": state.by_hand,
        "limited_until": limited or None,
        "failures": state.failures,
    }


def _spending(provider: Provider, spent: Sequence[Spent], budget: Budget) -> dict[str, Any]:
    """What all nodes spent at the provider within the budget's days, and what it may cost; None: no limit."""
    mine = {(s.provider, s.model, s.day): s.usage for s in spent if s.provider == provider.key}
    money, tokens = budget.limits(provider.key)
    by_model: dict[tuple[str, str], Usage] = {}
    for (name, model, _), usage in mine.items():
        by_model[name, model] = by_model.get((name, model), Usage()) + usage
    return {
        **asdict(sum(by_model.values(), Usage())),
        "cost": cost(by_model, budget),
        "days": budget.days,
        "budget": money or None,
        "budget_tokens": round(tokens) or None,
    }


def cost(spent: Mapping[tuple[str, str], Usage], budget: Budget) -> float | None:
    """What (provider, model) → usage cost in the currency of the prices; None where a price is missing."""
    costs = [
        budget.cost(provider, model, usage) for (provider, model), usage in spent.items() if usage != Usage()
    ]
    return None if None in costs or not costs else round(sum(c for c in costs if c is not None), 4)


def _task(task: Task, found: TaskFigures, budget: Budget) -> dict[str, Any]:
    total, left = sum(found.counts.values()), found.count(*_OPEN)
    running = task.status is TaskStatus.RUNNING
    rate = round(found.rate, 2) if running and found.rate is not None else None
    usage = sum(found.spent.values(), Usage())
    return {
        "task_id": task.id,
        "novel_id": task.novel_id,
        "name": task.name,
        "status": task.status.value,
        "provider": task.provider,
        "model": task.model,
        "settled": task.settled,
        "chapters": total,
        "completed": found.count(ChapterStatus.COMPLETED),
        "failed": found.count(ChapterStatus.FAILED),
        "skipped": found.count(ChapterStatus.SKIPPED),
        "percent": round(100 * (total - left) / total, 1) if total else 100.0 * task.ended,
        "error": task.error,
        "flags": found.flags,
        "unverified": found.unverified,
        "rejected": found.rejected,
        "dropped": found.dropped,
        "running": found.count(ChapterStatus.RUNNING),
        "rate": rate,
        "seconds_left": round(60 * left / found.rate) if running and found.rate else None,
        "queue": task.queue,
        "chars": found.chars,
        **asdict(usage),
        "cost": cost(found.spent, budget),
    }
