"""The state of the whole system as tables, from the values of :meth:`kgnb.app.status.StatusReport.read`.

The terminal, the notebook panel and the session report show the same rows, each with the columns that it has
room for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kgnb.core.messages import say, say_or
from kgnb.extract.model import GAPS, Flag
from kgnb.render.formatting import cut, duration
from kgnb.render.table import Cell, Column, Row, Table, Tone, columns, rows

Item = Mapping[str, Any]

MODELS_COLUMNS = 96
"""A longer list of a provider's models is cut."""

_TASK_TONES: dict[str, Tone] = {"running": "good", "failed": "bad", "paused": "warn", "cancelled": "dim"}


@dataclass(frozen=True, slots=True)
class StatusView:
    """When the status was read, and its tables: nodes, queues, providers, tasks."""

    read_at: datetime
    tables: tuple[Table, ...]


def status_view(status: Item) -> StatusView:
    """The tables of a whole status."""
    return StatusView(
        datetime.fromisoformat(status["at"]),
        (
            nodes_table(status["nodes"]),
            queues_table(status["queues"]),
            providers_table(status["providers"]),
            tasks_table(status["tasks"]).without("chapters_left"),
        ),
    )


def _table(part: str, heads: tuple[Column, ...], listed: tuple[Row, ...]) -> Table:
    title = say(f"status.{part}", count=len(listed))
    return Table(heads, listed, title, empty=say(f"status.no_{part}"))


def nodes_table(nodes: Sequence[Item]) -> Table:
    """Nodes with their slots, tasks and heartbeats."""
    heads = columns(
        "status", name="title", slots="text", tasks="text", heartbeat="age", version="text",
        pid="count", started="time",
    )  # fmt: skip
    return _table("nodes", heads, tuple(map(_node_row, nodes)))


def _node_row(node: Item) -> Row:
    slots = "  ".join(f"{p['provider']} {p['busy']}/{p['slots']}" for p in node["providers"])
    return Row(
        {
            "name": Cell(node["name"]),
            "slots": Cell(slots, "good" if any(p["busy"] for p in node["providers"]) else ""),
            "tasks": Cell(", ".join(map(str, node["tasks"]))),
            "heartbeat": Cell(node["age"]),
            "version": Cell(node["version"] or (None if node["kgnb"] else say("status.old_worker"))),
            "pid": Cell(node["pid"]),
            "started": Cell(node["started_at"]),
        }
    )


def queues_table(queues: Sequence[Item]) -> Table:
    """Lengths of the queues that aren't empty."""
    heads = columns(
        "status", queue="name", waiting="count", chapters="count", leased="count", delayed="count",
        dead="failures", open="count",
    )  # fmt: skip
    return _table("queues", heads, rows({**queue, "open": queue["open_tasks"]} for queue in queues))


def providers_table(providers: Sequence[Item]) -> Table:
    """Providers with their state and what was spent of their budgets; ``cost`` only where one is known."""
    name, state, cost, models = columns("status", name="name", state="state", cost="money", models="text")
    spent = say("status.col_spent", days=providers[0]["days"] if providers else 0)
    heads = (name, state, Column("tokens", spent, "tokens"), cost, models)
    table = _table("providers", heads, tuple(map(provider_row, providers)))
    has_costs = any(p["cost"] is not None or p["budget"] for p in providers)
    return table if has_costs else table.without("cost")


def provider_row(provider: Item) -> Row:
    """A provider's cells, and why it is paused."""
    state = _provider_state(provider)
    reason = provider["reason"] or (say("operate.paused_by_hand") if provider["by_hand"] else "")
    cells = {
        "name": Cell(provider["name"]),
        "state": state,
        "tokens": Cell(_tokens(provider), limit=provider["budget_tokens"]),
        "cost": Cell(provider["cost"], limit=provider["budget"]),
        "models": Cell(cut(", ".join(provider["models"]), MODELS_COLUMNS)),
    }
    return Row(cells, (Cell(reason, state.tone),) if provider["state"] == "paused" and reason else ())


def _provider_state(provider: Item) -> Cell:
    now = time.time()
    if provider["state"] == "paused":
        until = datetime.fromtimestamp(provider["paused_until"]).strftime("%H:%M")
        left = duration(provider["paused_until"] - now)
        return Cell(say("status.paused", until=until, time=left), "bad")
    if provider["state"] == "limited":
        return Cell(say("status.limited", time=duration(provider["limited_until"] - now)), "warn")
    if provider["failures"]:
        return Cell(say("status.failing", count=provider["failures"]), "warn")
    return Cell(say("status.ok"), "good")


def _tokens(spent: Item) -> tuple[int, int]:
    return spent["prompt_tokens"], spent["completion_tokens"]


def tasks_table(tasks: Sequence[Item]) -> Table:
    """Tasks with progress, speed and cost; ``cost`` only where one is known."""
    heads = columns(
        "status", id="id", book="title", status="state", progress="progress", chapters_done="share",
        failed="failures", chapters_left="count", rate="rate", left="duration", tokens="tokens", cost="money",
        provider="text",
    )  # fmt: skip
    table = _table("tasks", heads, tuple(map(task_row, tasks)))
    return table.without("cost") if all(task["cost"] is None for task in tasks) else table


def task_row(task: Item) -> Row:
    """A task's cells; its error and what became of its replies as notes."""
    status = task["status"]
    tone = _TASK_TONES.get(status, "")
    ended = task["completed"] + task["skipped"] + task["failed"]
    is_settling = status == "running" and 0 < task["chapters"] == ended
    word = say_or(f"status.is_{'settling' if is_settling else status}", status)
    cells = {
        "id": Cell(task["task_id"]),
        "book": Cell(task["name"]),
        "status": Cell(word, tone),
        "progress": Cell(task["percent"], tone),
        "chapters_done": Cell((ended, task["chapters"])),
        "failed": Cell(task["failed"]),
        "chapters_left": Cell(max(0, task["chapters"] - ended)),
        "rate": Cell(task["rate"]),
        "left": Cell(task["seconds_left"]),
        "tokens": Cell(_tokens(task)),
        "cost": Cell(task["cost"]),
        "provider": Cell(f"{task['provider']} {task['model']}".strip()),
    }
    return Row(cells, tuple(_task_notes(task)))


def _task_notes(task: Item) -> Iterator[Cell]:
    if task["error"]:
        yield Cell(task["error"], "bad")
    is_incomplete = any(flag in task["flags"] for flag in GAPS) or task["dropped"]
    flags = {flag: count for flag, count in task["flags"].items() if flag != Flag.UNVERIFIED}
    chapters = [
        say("status.flagged", flag=say_or(f"flag.{flag}", flag), count=count) for flag, count in flags.items()
    ]
    items = [say(f"status.{k}", count=task[k]) for k in ("unverified", "rejected", "dropped") if task[k]]
    for facts in filter(None, (chapters, items)):
        yield Cell(" · ".join(facts), "warn" if is_incomplete else "dim")
