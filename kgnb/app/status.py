"""`kgnb status` as values: nodes, queues, providers, tasks with speed and cost, from any machine."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeVar

from kgnb.app.condition import add_conditions
from kgnb.app.context import App, budget_of
from kgnb.core.addresses import redacted_url
from kgnb.core.errors import SettingsError
from kgnb.core.model import ACTIVE_STATUSES, ChapterStatus, Provider, Task, TaskStatus, Usage, beijing_now
from kgnb.stores.ledger.spending import SpendingKey
from kgnb.stores.ledger.task_stats import TaskFigures
from kgnb.stores.queue.breaker import ProviderState
from kgnb.stores.queue.inspect import LeaseInfo, NodeInfo
from kgnb.stores.queue.types import QueueName
from kgnb.worker.budget import Budget
from kgnb.worker.slots import queues_of

TASKS = 20
"""How many of the newest tasks are listed; unfinished ones are listed however old."""
SCAN_SECONDS = 30.0
"""How often workers of the old system, and items in queues that no node serves, are searched for: that scans
all keys of Redis."""
IDLE_TASK_SECONDS = 30.0
"""How long the figures of a task that isn't running are reused: its many rows rarely change."""

FAILURES = 200
"""How many of a task's failed chapters are listed with their reasons."""

T = TypeVar("T")


class StatusReport:
    """Reads the state of everything, repeatedly for `--watch`; what changes slowly is cached for a while."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._queue = app.queue if app.has_queue else None
        self._budget = budget_of(app.settings)
        self._scans: dict[object, tuple[float, Any]] = {}  # what scans of Redis found, and when
        self._idle_tasks: dict[int, tuple[float, TaskStatus, TaskFigures]] = {}

    async def read(self) -> dict[str, Any]:
        """Return nodes, queues, providers and tasks with their conditions, as JSON-ready values. Raises
        ServiceDown or ServiceRefused rather than return a part.
        """
        app = self._app
        await app.providers.refresh()
        providers = list(app.providers.all())
        tasks = await self._tasks()
        queues = await self._queues(providers, tasks)
        states = await self._queue.states(queues) if self._queue else {}
        leases = await self._queue.leases(queues) if self._queue else []
        pauses = await app.provider_states([p.name for p in providers])
        spent = await app.ledger.spending.since(self._budget.first_day(beijing_now()))
        nodes = [_node(node, leases, providers) for node in await self._nodes()]
        found = {
            "at": datetime.now().astimezone().isoformat(timespec="seconds"),
            "nodes": nodes,
            "queues": [
                {"queue": name, **asdict(state)}
                for name, state in states.items()
                if any(asdict(state).values())
            ],
            "providers": [
                _provider(p, pauses[p.name], app.providers.problem(p))
                | {"source": app.providers.source(p)}
                | _spending(p, spent, self._budget)
                for p in providers
            ],
            "tasks": [
                _task(task, counted, self._budget) | {"failures": await self._failed_chapters(task, counted)}
                for task, counted in tasks
            ],
        }
        return add_conditions(found)

    async def _failed_chapters(self, task: Task, counted: TaskFigures) -> list[dict[str, Any]]:
        """Return chapters that failed with their reasons, the first ones only; [] where none failed."""
        if not counted.count(ChapterStatus.FAILED):
            return []
        return await self._app.ledger.task_stats.failures(task.id, FAILURES)

    async def _queues(
        self, providers: Sequence[Provider], tasks: Sequence[tuple[Task, TaskFigures]]
    ) -> list[QueueName]:
        """Return every known queue, sorted: of the providers, of the tasks, and those that nodes
        have polled.
        """
        names = set(queues_of(providers, self._app.settings.prefixes))
        names |= {QueueName(task.queue) for task, _ in tasks if task.queue}
        if self._queue is not None:
            names.update(await self._queue.polled_queues())
        return sorted(names)

    async def _nodes(self) -> list[NodeInfo]:
        """Return kgnb's nodes by name, then old workers; [] without a queue."""
        if self._queue is None:
            return []
        old_workers = await self._scanned(self._queue.foreign_nodes)
        return await self._queue.nodes() + old_workers

    async def _scanned(self, scan: Callable[..., Awaitable[T]], *given: object) -> T:
        """Return what ``scan(*given)`` returned, from the last call if that is at most SCAN_SECONDS old."""
        if time.monotonic() - self._scans.get(scan, (float("-inf"),))[0] >= SCAN_SECONDS:
            self._scans[scan] = time.monotonic(), await scan(*given)
        found: T = self._scans[scan][1]
        return found

    async def _tasks(self) -> list[tuple[Task, TaskFigures]]:
        """Return the newest and all unfinished tasks with their figures."""
        ledger = self._app.ledger
        found = await ledger.tasks.newest(TASKS) + await ledger.tasks.unfinished()
        listed = {task.id: task for task in found}
        now = time.monotonic()
        reused = {
            i: (at, status, counted)
            for i, (at, status, counted) in self._idle_tasks.items()
            if i in listed and listed[i].status is status and now - at < IDLE_TASK_SECONDS
        }
        counts = await ledger.task_stats.figures(sorted(listed.keys() - reused.keys()))
        self._idle_tasks = reused | {
            i: (now, listed[i].status, one)
            for i, one in counts.items()
            if listed[i].status not in ACTIVE_STATUSES
        }
        counts |= {i: counted for i, (_, _, counted) in reused.items()}
        waiting: Mapping[int, QueueName] = {}
        # Of tasks that no node opened: what serves their queue may be missing.
        unserved = any(not task.queue and task.status in ACTIVE_STATUSES for task in listed.values())
        if unserved and self._queue is not None:
            waiting = await self._scanned(self._queue.waiting_queues, self._app.settings.prefixes)
        tasks = [replace(task, queue=task.queue or waiting.get(i, "")) for i, task in listed.items()]
        return [(task, counts[task.id]) for task in sorted(tasks, key=lambda task: -task.id)]


def _node(node: NodeInfo, leases: Sequence[LeaseInfo], providers: Sequence[Provider]) -> dict[str, Any]:
    """Return a node as JSON values, with its slots of each provider and its tasks."""
    names = {p.lower_name: p.name for p in providers}
    in_flight, tasks = Counter(node.busy), set(node.tasks)
    if node.kgnb:
        held = [lease for lease in leases if lease.node == node.name]
        keys = [lease.queue.provider_key for lease in held if lease.chapter_id]
        in_flight, tasks = Counter(names.get(key, key) for key in keys), {lease.task_id for lease in held}
    told = {key: value for key, value in asdict(node).items() if key not in ("shares", "busy")}
    names_here = sorted(node.shares.keys() | in_flight.keys())
    shares = [_share(name, in_flight[name], node.shares.get(name, 0)) for name in names_here]
    return told | {"providers": shares, "tasks": sorted(tasks)}


def _share(provider: str, in_flight: int, slots: int) -> dict[str, Any]:
    """Return one provider's slots as a dict: ``busy`` is ``in_flight``, at most ``slots``: some chapters are
    read ahead, some written.
    """
    slots = slots or in_flight
    return {"provider": provider, "busy": min(in_flight, slots), "slots": slots, "in_flight": in_flight}


def _provider(provider: Provider, state: ProviderState, problem: SettingsError | None) -> dict[str, Any]:
    """A provider and what it answered last; ``state``: see :func:`_provider_state`."""
    limited, answer = state.not_before if state.not_before > time.time() else 0.0, state.answer
    word = "ok" if provider.is_rules and not state.paused else _provider_state(state, limited, problem)
    return {
        "name": provider.name,
        "url": redacted_url(provider.base_url),
        "models": list(provider.models),
        "paused_until": state.until or None,
        "state": word,
        "reason": state.reason or (answer.reason if word == "refused" else ""),
        "kind": problem.key if problem and not state.paused else state.kind or answer.kind,
        "problem": str(problem or ""),
        "by_hand": state.by_hand,
        "limited_until": limited or None,
        "failures": state.failures,
        "answered_at": answer.answered_at or None,
        "answer_seconds": answer.seconds or None,
        "refused_since": answer.since or None,
    }


def _provider_state(state: ProviderState, limited: float, problem: SettingsError | None) -> str:
    """Return the first that fits, in this order: paused, unusable (here: no key, no address), limited,
    refused, ok, untested.
    """
    if state.paused:
        return "paused"
    if problem is not None:
        return "unusable"
    if limited:
        return "limited"
    if state.answer.refused:
        return "refused"
    return "ok" if state.answer.answered_at else "untested"


def _spending(provider: Provider, spent: Mapping[SpendingKey, Usage], budget: Budget) -> dict[str, Any]:
    """Return what all nodes spent at the provider within the budget's days, and its limits (None:
    no limit).
    """
    money, tokens = budget.limits(provider.lower_name)
    by_model: defaultdict[tuple[str, str], Usage] = defaultdict(Usage)
    for (name, model, _), usage in spent.items():
        if name == provider.lower_name:
            by_model[name, model] += usage
    return {
        **asdict(sum(by_model.values(), Usage())),
        "cost": budget.total_cost(by_model),
        "days": budget.days,
        "budget": None if provider.is_rules else money or None,
        "budget_tokens": None if provider.is_rules else round(tokens) or None,
    }


def _task(task: Task, counted: TaskFigures, budget: Budget) -> dict[str, Any]:
    """Return a task as JSON values, with counts, rate and cost."""
    total = sum(counted.counts.values())
    left = counted.count(ChapterStatus.PENDING, ChapterStatus.RUNNING)
    running = task.status is TaskStatus.RUNNING
    rate = round(counted.rate, 2) if running and counted.rate is not None else None
    return {
        "task_id": task.id,
        "novel_id": task.novel_id,
        "name": task.name,
        "status": task.status.value,
        "provider": task.provider,
        "model": task.model,
        "refreshed": task.refreshed,
        "chapters": total,
        "completed": counted.count(ChapterStatus.COMPLETED),
        "failed": counted.count(ChapterStatus.FAILED),
        "skipped": counted.count(ChapterStatus.SKIPPED),
        "percent": round(100 * (total - left) / total, 1) if total else 100.0 * task.ended,
        "error": task.error,
        "flags": counted.flags,
        "unverified": counted.unverified,
        "rejected": counted.rejected,
        "dropped": counted.dropped,
        "running": counted.count(ChapterStatus.RUNNING),
        "rate": rate,
        "seconds_left": round(60 * left / counted.rate) if running and counted.rate else None,
        "queue": task.queue,
        "chars": counted.chars,
        **asdict(counted.usage),
        "cost": budget.total_cost(counted.spent),
    }
