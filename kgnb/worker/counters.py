"""What one node did and does, as plain values: for a notebook's panel, a batch run's lines, a report."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kgnb.core.model import Usage
from kgnb.worker.node import NodeEvent, WorkerNode

MINUTES = 60
"""How far back the chart of chapters a minute reaches."""


@dataclass(slots=True)
class Counters:
    """Counts over every node that ran here, one after another. Fed on the node's loop; read from anywhere."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Chapters by how they ended: completed, skipped, failed, retry."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failures of providers by kind (the error's class)."""
    closed: Counter[str] = field(default_factory=Counter)
    """Tasks closed here by status."""
    _minutes: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MINUTES + 1))
    _before: Usage = Usage()  # of the nodes before this one
    _spent: Mapping[int, Usage] = field(default_factory=dict)  # by task, of the node that runs
    _node: WorkerNode | None = None

    def follow(self, spent: Mapping[int, Usage], node: WorkerNode) -> None:
        """Count ``node`` from now on; ``spent``, by task, grows while it runs."""
        self._before = self.usage
        self._spent, self._node = spent, node

    def on_event(self, happened: NodeEvent) -> None:
        """The node's listener."""
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
        """What was asked and spent here."""
        return sum(list(self._spent.values()), self._before)

    def snapshot(self) -> dict[str, Any]:
        """Everything as JSON-ready values that :func:`summed` adds up; without a node its parts are empty."""
        node, usage = self._node, self.usage
        works = list(node.slots.in_flight.values()) if node is not None else []
        down = node.stores.outages.down if node is not None else {}
        return {
            "in_flight": dict(Counter(work.provider for work in works)),
            "open_tasks": sorted(node.task_keeper.open_tasks) if node is not None else [],
            "outcomes": dict(self.outcomes),
            "errors": dict(self.errors),
            "closed": dict(self.closed),
            "minutes": [list(pair) for pair in list(self._minutes)],
            "requests": usage.requests,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "down": {service: str(error) for service, error in down.items()},
        }

    def summary(self) -> dict[str, Any]:
        """What this process did and does, ready to be shown."""
        return summed([self.snapshot()])


def summed(states: Sequence[Mapping[str, Any]], now: float | None = None) -> dict[str, Any]:
    """Several nodes' states as one. ``per_minute``: chapters finished in each of the last 60 minutes, oldest
    first; the last one is under way."""
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
    found["down"] = {service: reason for state in states for service, reason in state["down"].items()}
    return found
