"""The state of the whole system as tables, from the values of :meth:`kgnb.app.status.StatusReport.read`.

The terminal, the notebook panel and the session report show the same rows, each with the columns that it has
room for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kgnb.core.formatting import cut, duration, number_ranges, time_of_day
from kgnb.core.messages import say, say_or
from kgnb.extract.model import GAPS, Flag
from kgnb.render.table import Cell, Column, Row, Table, Tone, columns, rows

Item = Mapping[str, Any]

MODELS_COLUMNS = 96
"""A longer list of a provider's models is cut."""

REASONS = 3
"""How many different reasons of failed chapters are shown."""
CHAPTERS_NAMED = 12
"""How many of the chapters that failed for one reason are named, a range of them counted as one."""

_TASK_TONES: dict[str, Tone] = {
    "running": "good", "refreshing": "good", "waiting": "warn", "paused": "warn", "gaps": "warn",
    "stuck": "bad", "failed": "bad", "cancelled": "dim",
}  # fmt: skip


def status_tables(status: Item) -> tuple[Table, ...]:
    """Return the tables of a whole status in this order: nodes, queues, providers, tasks."""
    return (
        nodes_table(status["nodes"]),
        queues_table(status["queues"]),
        providers_table(status["providers"]),
        tasks_table(status["tasks"]).without("chapters_left"),
    )


def _table(part: str, heads: tuple[Column, ...], listed: tuple[Row, ...]) -> Table:
    """Return a table with the title and the text for an empty one of a ``part`` of the status."""
    title = say(f"status.{part}", count=len(listed))
    return Table(heads, listed, title, empty=say(f"status.no_{part}"))


def nodes_table(nodes: Sequence[Item]) -> Table:
    """Return a table of nodes with their slots, tasks and heartbeats."""
    heads = columns(
        "status", name="title", slots="text", tasks="text", heartbeat="age", version="text",
        pid="count", started="time",
    )  # fmt: skip
    return _table("nodes", heads, tuple(map(_node_row, nodes)))


def _node_row(node: Item) -> Row:
    """Return the row of a node."""
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
    """Return a table of queues with their counts, and the problem of an unreadable queue as a note."""
    heads = columns(
        "status", queue="name", waiting="count", chapters="count", leased="count", delayed="count",
        dead="failures", open="count",
    )  # fmt: skip
    listed = rows({**queue, "open": queue["open_tasks"]} for queue in queues)
    notes = [(Cell(queue["problem"], "bad"),) if queue.get("problem") else () for queue in queues]
    return _table("queues", heads, tuple(Row(row.cells, n) for row, n in zip(listed, notes, strict=True)))


def providers_table(providers: Sequence[Item]) -> Table:
    """Return a table of providers with state and spending; no column ``cost`` where no cost or budget
    is known.
    """
    name, state, cost, models = columns("status", name="name", state="state", cost="money", models="text")
    spent = say("status.col_spent", days=providers[0]["days"] if providers else 0)
    heads = (name, state, Column("tokens", spent, "tokens"), cost, models)
    table = _table("providers", heads, tuple(map(provider_row, providers)))
    has_costs = any(p["cost"] is not None or p["budget"] for p in providers)
    return table if has_costs else table.without("cost")


def provider_row(provider: Item) -> Row:
    """Return a provider's cells, with the reason of a pause or refusal as a note."""
    state = _provider_state(provider)
    reason = provider["problem" if provider["state"] == "unusable" else "reason"]
    cells = {
        "name": Cell(provider["name"]),
        "state": state,
        "tokens": Cell(_tokens(provider), limit=provider["budget_tokens"]),
        "cost": Cell(provider["cost"], limit=provider["budget"]),
        "models": Cell(cut(", ".join(provider["models"]), MODELS_COLUMNS)),
    }
    return Row(cells, (Cell(reason, state.tone),) if reason else ())


def _provider_state(provider: Item) -> Cell:
    """Return the cell with a provider's state, in its tone."""
    now = time.time()
    if provider["state"] == "paused":
        until = time_of_day(provider["paused_until"])
        left = duration(provider["paused_until"] - now)
        return Cell(say("status.paused", until=until, time=left), "bad")
    if provider["state"] == "limited":
        return Cell(say("status.limited", time=duration(provider["limited_until"] - now)), "warn")
    if provider["state"] in ("unusable", "refused", "untested"):
        tones: dict[str, Tone] = {"unusable": "warn", "refused": "bad", "untested": "dim"}
        return Cell(say(f"status.{provider['state']}"), tones[provider["state"]])
    if provider["failures"]:
        return Cell(say("status.failing", count=provider["failures"]), "warn")
    return Cell(" · ".join(filter(None, (say("status.ok"), _answered(provider, now)))), "good")


def _answered(provider: Item, now: float) -> str:
    """Return when the provider answered last, and how fast; "" for one that never did."""
    at, seconds = provider["answered_at"], provider["answer_seconds"]
    if not at:
        return ""
    ago = say("status.ago", time=duration(now - at))
    return say("status.answered", ago=ago, seconds=f"{seconds:.1f}") if seconds else ago


def _tokens(spent: Item) -> tuple[int, int]:
    """Return (prompt tokens, reply tokens)."""
    return spent["prompt_tokens"], spent["completion_tokens"]


def tasks_table(tasks: Sequence[Item]) -> Table:
    """Return a table of tasks with progress, speed and cost; no column ``cost`` where no cost is known."""
    heads = columns(
        "status", id="id", book="title", status="state", progress="progress", chapters_done="share",
        failed="failures", chapters_left="count", rate="rate", left="duration", tokens="tokens", cost="money",
        provider="text",
    )  # fmt: skip
    table = _table("tasks", heads, tuple(map(task_row, tasks)))
    return table.without("cost") if all(task["cost"] is None for task in tasks) else table


def task_row(task: Item) -> Row:
    """Return a task's cells; notes: its error, failed chapters, and flags of its replies."""
    condition = task["condition"]
    tone = _TASK_TONES.get(condition["state"], "")
    ended = task["completed"] + task["skipped"] + task["failed"]
    moves = condition["state"] == "running"
    cells = {
        "id": Cell(task["task_id"]),
        "book": Cell(task["name"]),
        "status": Cell(condition_words(condition), tone),
        "progress": Cell(task["percent"], tone),
        "chapters_done": Cell((ended, task["chapters"])),
        "failed": Cell(task["failed"]),
        "chapters_left": Cell(max(0, task["chapters"] - ended)),
        "rate": Cell(task["rate"] if moves else None),
        "left": Cell(task["seconds_left"] if moves else None),
        "tokens": Cell(_tokens(task)),
        "cost": Cell(task["cost"]),
        "provider": Cell(f"{task['provider']} {task['model']}".strip()),
    }
    return Row(cells, tuple(_task_notes(task)))


def condition_words(condition: Item) -> str:
    """Return a task's state in words, with the time since or until which it lasts if known."""
    word = say(f"status.is_{condition['state']}")
    until, since = condition["until"], condition["since"]
    if until and condition["state"] == "paused":
        return say("status.until", state=word, time=time_of_day(until))
    return say("status.since", state=word, time=time_of_day(since)) if since else word


def failure_notes(failures: Sequence[Item]) -> list[str]:
    """Return a line for each of the most frequent reasons of failed chapters, with the numbers of the
    chapters.
    """
    chapters: dict[str, list[int]] = {}
    for one in failures:
        chapters.setdefault(one["reason"], []).append(one["chapter"])
    reasons = sorted(chapters, key=lambda reason: -len(chapters[reason]))
    notes: list[str] = []
    for reason in reasons[:REASONS]:
        ranges = number_ranges(chapters[reason])
        more = " …" if len(ranges) > CHAPTERS_NAMED else ""
        named = say("status.comma").join(ranges[:CHAPTERS_NAMED]) + more
        notes.append(say("status.failed_chapters", chapters=named, reason=reason))
    return notes


def _task_notes(task: Item) -> Iterator[Cell]:
    """Yield the notes below a task: reason, error, failed chapters, flags."""
    why, failures = task["condition"]["why"], failure_notes(task["failures"])
    if why and not (failures and task["condition"]["state"] in ("gaps", "failed")):
        yield Cell(why, _TASK_TONES.get(task["condition"]["state"], ""))
    if task["error"] and task["error"] != why and not task["refreshed"]:
        yield Cell(task["error"], "bad")
    yield from (Cell(words, "bad") for words in failures)
    is_incomplete = any(flag in task["flags"] for flag in GAPS) or task["dropped"]
    flags = {flag: count for flag, count in task["flags"].items() if flag != Flag.UNVERIFIED}
    chapters = [
        say("status.flagged", flag=say_or(f"flag.{flag}", flag), count=count) for flag, count in flags.items()
    ]
    items = [say(f"status.{k}", count=task[k]) for k in ("unverified", "rejected", "dropped") if task[k]]
    for facts in filter(None, (chapters, items)):
        yield Cell(" · ".join(facts), "warn" if is_incomplete else "dim")
