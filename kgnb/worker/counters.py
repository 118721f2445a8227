"""Counters of what the nodes of this process did: for the panel, progress lines and the session report."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kgnb.core.model import Usage

if TYPE_CHECKING:
    from kgnb.worker.node import NodeEvent, WorkerNode

MINUTES = 60
"""Length of the chart of chapters per minute."""


@dataclass(slots=True)
class Counters:
    """Counts over every node that ran here, one after another. Read from any thread."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Chapters by how they ended: completed, skipped, failed, retry."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failures of providers by kind (the error's class)."""
    stuck: dict[int, str] = field(default_factory=dict)
    """Tasks that can't go on, and why."""
    closed: Counter[str] = field(default_factory=Counter)
    """Tasks closed here by status."""
    _minutes: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MINUTES + 1))
    _before: Usage = Usage()  # of the nodes before this one
    _spent: Mapping[int, Usage] = field(default_factory=dict)  # by task, of the node that runs
    _node: WorkerNode | None = None

    def follow(self, spent: Mapping[int, Usage], node: WorkerNode) -> None:
        """Count ``node`` from now on; ``spent`` (by task) grows while it runs."""
        self._before = self.usage
        self._spent, self._node = spent, node

    def on_event(self, happened: NodeEvent) -> None:
        """Count an event; a node's listener."""
        if happened.kind == "stuck":
            self.stuck[happened.task_id] = str(happened.error)
        elif happened.kind in ("chapter", "task"):
            self.stuck.pop(happened.task_id, None)
        if happened.kind == "chapter":
            self.outcomes[happened.outcome] += 1
            if happened.outcome in ("completed", "skipped"):
                self._finished(int(time.time() // 60))
        elif happened.kind == "task":
            self.closed[happened.outcome] += 1
        elif happened.error is not None:
            self.errors[type(happened.error).__name__] += 1

    def _finished(self, minute: int) -> None:
        if self._minutes and self._minutes[-1][0] == minute:
            self._minutes[-1] = (minute, self._minutes[-1][1] + 1)
        else:
            self._minutes.append((minute, 1))

    @property
    def usage(self) -> Usage:
        """Total requests and tokens of all nodes that have run in this process."""
        return sum(list(self._spent.values()), self._before)

    def snapshot(self) -> dict[str, Any]:
        """Return all counts as JSON-ready values, which :func:`summed` adds up; without a node no
        chapter is in flight.
        """
        node, usage = self._node, self.usage
        claims = list(node.slots) if node is not None else []
        down = dict(node.stores.outages.down) if node is not None else {}
        return {
            "in_flight": dict(Counter(claim.queue.provider_key for claim in claims)),
            "open_tasks": sorted(node.task_keeper.open_tasks) if node is not None else [],
            "outcomes": dict(self.outcomes),
            "errors": dict(self.errors),
            "closed": dict(self.closed),
            "stuck": dict(self.stuck),
            "minutes": [list(pair) for pair in list(self._minutes)],
            "requests": usage.requests,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "down": {service: str(error) for service, error in down.items()},
        }

    def summary(self) -> dict[str, Any]:
        """Return this process's counts in the form of :func:`summed`."""
        return summed([self.snapshot()])


def summed(states: Sequence[Mapping[str, Any]], now: float | None = None) -> dict[str, Any]:
    """Return the sum of several processes' snapshots, which must not be empty mappings.

    ``per_minute``: chapters that ended in each of the last 60 minutes, oldest first; the last minute isn't
    over. ``now``: epoch seconds, default the present time.
    """
    found: dict[str, Any] = {
        name: dict(sum((Counter(state[name]) for state in states), Counter()))
        for name in ("in_flight", "outcomes", "errors", "closed")
    }
    minutes: Counter[int] = Counter()
    for state in states:
        minutes.update(dict(state["minutes"]))
    this = int((time.time() if now is None else now) // 60)
    for name in ("requests", "prompt_tokens", "completion_tokens"):
        found[name] = sum(state[name] for state in states)
    found["open_tasks"] = sorted({task for state in states for task in state["open_tasks"]})
    found["per_minute"] = [minutes[minute] for minute in range(this - MINUTES + 1, this + 1)]
    found["stuck"] = {int(task): reason for state in states for task, reason in state["stuck"].items()}
    found["down"] = {service: reason for state in states for service, reason in state["down"].items()}
    return found
