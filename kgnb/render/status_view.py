"""The state of the whole system as tables: nodes, queues, providers and tasks.

Built from the values of :meth:`kgnb.app.status.StatusReport.read`. The terminal, the notebook panel and the
session report show the same rows, each with the columns that it has room for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kgnb.core.messages import has_text, say
from kgnb.extract.model import GAPS, Flag
from kgnb.render.formatting import cut, duration
from kgnb.render.table import Cell, Column, Meaning, Note, Row, Table, Tone, columns, count_cell

Item = Mapping[str, Any]

MODELS_COLUMNS = 96
"""A longer list of a provider's models is cut."""
STALE_SECONDS = 30.0
"""An older heartbeat is a reason to worry."""

_TASK_TONES: dict[str, Tone] = {"running": "good", "failed": "bad", "paused": "warn", "cancelled": "dim"}


@dataclass(frozen=True, slots=True)
class StatusView:
    """What `kgnb status` shows: when it was read, and the four tables."""

    read_at: datetime
    nodes: Table
    queues: Table
    providers: Table
    tasks: Table

    @property
    def title(self) -> str:
        """The line above the tables."""
        return say("status.title", time=f"{self.read_at:%Y-%m-%d %H:%M:%S}")

    @property
    def tables(self) -> tuple[Table, ...]:
        """All four, in the order in which they are shown."""
        return self.nodes, self.queues, self.providers, self.tasks


def status_view(status: Item) -> StatusView:
    """The tables of a whole status."""
    return StatusView(
        datetime.fromisoformat(status["at"]),
        nodes_table(status["nodes"]),
        queues_table(status["queues"]),
        providers_table(status["providers"]),
        tasks_table(status["tasks"]).without("chapters_left"),
    )


def _titles(part: str, items: Sequence[Item]) -> dict[str, str]:
    return {"title": say(f"status.{part}", count=len(items)), "empty": say(f"status.no_{part}")}


# --- nodes


def nodes_table(nodes: Sequence[Item]) -> Table:
    """Nodes with their slots, tasks and heartbeats."""
    heads = columns(
        ("name", "status.col_name", Meaning.TITLE),
        ("slots", "status.col_slots", Meaning.TEXT),
        ("tasks", "status.col_tasks", Meaning.TEXT),
        ("age", "status.col_heartbeat", Meaning.AGE),
        ("version", "status.col_version", Meaning.TEXT),
        ("pid", "status.col_pid", Meaning.COUNT),
        ("started_at", "status.col_started", Meaning.TIME),
    )
    return Table(heads, tuple(map(_node_row, nodes)), **_titles("nodes", nodes))


def _node_row(node: Item) -> Row:
    slots = "  ".join(f"{p['provider']} {p['busy']}/{p['slots']}" for p in node["providers"])
    age = node["age"]
    return Row(
        {
            "name": Cell(node["name"]),
            "slots": Cell(slots, "good" if any(p["busy"] for p in node["providers"]) else ""),
            "tasks": Cell(", ".join(map(str, node["tasks"]))),
            "age": Cell(age, "warn" if age is not None and age > STALE_SECONDS else ""),
            "version": Cell(node["version"] or (None if node["kgnb"] else say("status.old_worker"))),
            "pid": Cell(node["pid"]),
            "started_at": Cell(node["started_at"]),
        }
    )


# --- queues


def queues_table(queues: Sequence[Item]) -> Table:
    """Lengths of the queues that aren't empty."""
    counts = ("waiting", "chapters", "leased", "delayed", "dead", "open")
    heads = columns(
        ("queue", "status.col_queue", Meaning.NAME),
        *((key, f"status.col_{key}", Meaning.COUNT) for key in counts),
    )
    return Table(heads, tuple(map(_queue_row, queues)), **_titles("queues", queues))


def _queue_row(queue: Item) -> Row:
    counts = {key: count_cell(queue[key]) for key in ("waiting", "chapters", "leased", "delayed")}
    dead, open_tasks = count_cell(queue["dead"], "bad"), count_cell(queue["open_tasks"])
    return Row({"queue": Cell(queue["queue"]), **counts, "dead": dead, "open": open_tasks})


# --- providers


def providers_table(providers: Sequence[Item]) -> Table:
    """Providers with their state and what was spent of their budgets."""
    days = providers[0]["days"] if providers else 0
    heads = columns(
        ("name", "status.col_name", Meaning.NAME),
        ("state", "status.col_state", Meaning.STATE),
        ("cost", "status.col_cost", Meaning.MONEY),
        ("models", "status.col_models", Meaning.TEXT),
    )
    spent = Column("tokens", say("status.col_spent", days=days), Meaning.TOKENS)
    table = Table(
        (*heads[:2], spent, *heads[2:]),
        tuple(map(provider_row, providers)),
        **_titles("providers", providers),
    )
    has_costs = any(p["cost"] is not None or p["budget"] for p in providers)
    return table if has_costs else table.without("cost")


def provider_row(provider: Item) -> Row:
    """A provider's cells, and why it is paused."""
    state = _provider_state(provider)
    reason = provider["reason"] or (say("operate.paused_by_hand") if provider["by_hand"] else "")
    is_told = provider["state"] == "paused" and reason
    cells = {
        "name": Cell(provider["name"]),
        "state": state,
        "tokens": Cell(_tokens(provider), limit=provider["budget_tokens"]),
        "cost": Cell(provider["cost"], limit=provider["budget"]),
        "models": Cell(cut(", ".join(provider["models"]), MODELS_COLUMNS)),
    }
    return Row(cells, (Note(reason, state.tone),) if is_told else ())


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


# --- tasks


def tasks_table(tasks: Sequence[Item]) -> Table:
    """Tasks with progress, speed and cost; ``cost`` only where a price is known."""
    table = Table(
        columns(
            ("id", "status.col_id", Meaning.ID),
            ("name", "status.col_book", Meaning.TITLE),
            ("status", "status.col_status", Meaning.STATE),
            ("progress", "status.col_progress", Meaning.PROGRESS),
            ("chapters", "status.col_chapters_done", Meaning.SHARE),
            ("failed", "status.col_failed", Meaning.COUNT),
            ("chapters_left", "status.col_chapters_left", Meaning.COUNT),
            ("rate", "status.col_rate", Meaning.RATE),
            ("time_left", "status.col_left", Meaning.DURATION),
            ("tokens", "status.col_tokens", Meaning.TOKENS),
            ("cost", "status.col_cost", Meaning.MONEY),
            ("provider", "status.col_provider", Meaning.TEXT),
        ),
        tuple(map(task_row, tasks)),
        **_titles("tasks", tasks),
    )
    return table.without("cost") if all(task["cost"] is None for task in tasks) else table


def task_row(task: Item) -> Row:
    """A task's cells; its error and what became of its replies as notes."""
    status = task["status"]
    tone = _TASK_TONES.get(status, "")
    ended = task["completed"] + task["skipped"] + task["failed"]
    is_settling = status == "running" and 0 < task["chapters"] == ended
    word = f"status.is_{'settling' if is_settling else status}"
    cells = {
        "id": Cell(task["task_id"]),
        "name": Cell(task["name"]),
        "status": Cell(say(word) if has_text(word) else status, tone),
        "progress": Cell(task["percent"], tone),
        "chapters": Cell((ended, task["chapters"])),
        "failed": count_cell(task["failed"], "bad"),
        "chapters_left": count_cell(max(0, task["chapters"] - ended)),
        "rate": Cell(task["rate"]),
        "time_left": Cell(task["seconds_left"]),
        "tokens": Cell(_tokens(task)),
        "cost": Cell(task["cost"]),
        "provider": Cell(f"{task['provider']} {task['model']}".strip()),
    }
    return Row(cells, tuple(_task_notes(task)))


def _task_notes(task: Item) -> Iterator[Note]:
    if task["error"]:
        yield Note(task["error"], "bad")
    flags = {flag: count for flag, count in task["flags"].items() if flag != Flag.UNVERIFIED}
    is_incomplete = any(flag in task["flags"] for flag in GAPS) or task["dropped"]
    chapters = [say("status.flagged", flag=flag_word(flag), count=count) for flag, count in flags.items()]
    items = [say(f"status.{k}", count=task[k]) for k in ("unverified", "rejected", "dropped") if task[k]]
    for told in filter(None, (chapters, items)):
        yield Note(" · ".join(told), "warn" if is_incomplete else "dim")


def flag_word(flag: str) -> str:
    """A flag in words; one that only a newer kgnb knows as it is."""
    return say(f"flag.{flag}") if flag in set(Flag) else flag
