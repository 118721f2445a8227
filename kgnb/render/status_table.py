"""`kgnb status` for a person: aligned tables, where a wide character counts two columns."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.extract.model import GAPS, Flag

NAME_COLUMNS = 32
"""A title longer than this is cut."""
LONG = 3 * NAME_COLUMNS
"""An error or a reason is cut at this."""
BAR_CELLS = 12
BOLD, RED, YELLOW, GREEN, DIM = "1", "31", "33", "32", "2"

Item = dict[str, Any]


class Cell(str):
    """A table's cell; ``right``: aligned to the right, ``style``: ANSI codes on a terminal."""

    right: bool = False
    style: str = ""

    @classmethod
    def of(cls, text: object, style: str = "", *, right: bool = False) -> Cell:
        """The cell with this text."""
        cell = cls(one_line(text))
        cell.style, cell.right = style, right
        return cell


def render(found: Item, *, color: bool = False) -> list[str]:
    """The lines that show what :meth:`kgnb.app.status.StatusReport.look` found."""
    paint = _painted if color else _plain
    at = datetime.fromisoformat(found["at"])
    lines = [paint(say("status.title", time=f"{at:%Y-%m-%d %H:%M:%S}"), DIM)]
    for part, rows in (
        ("nodes", _nodes(found["nodes"])),
        ("queues", _queues(found["queues"])),
        ("providers", _providers(found["providers"])),
        ("tasks", _tasks(found["tasks"])),
    ):
        lines += ["", paint(say(f"status.{part}", count=len(found[part])), BOLD)]
        lines += table(rows, paint) if len(rows) > 1 else [f"  {paint(say(f'status.no_{part}'), DIM)}"]
    return lines


# --- the four tables ----------------------------------------------------------------------------------------


def _head(*keys: str) -> list[Cell]:
    """A head's cells; those of numbers (``>key``) stand right."""
    return [Cell.of(say(f"status.{k.lstrip('>')}"), DIM, right=k.startswith(">")) for k in keys]


def _number(value: object, style: str = "") -> Cell:
    return Cell.of(value, style if value else DIM, right=True)


def _nodes(nodes: Sequence[Item]) -> list[list[Cell]]:
    rows = [
        _head(
            "col_name", "col_slots", "col_tasks", ">col_heartbeat", "col_version", ">col_pid", "col_started"
        )
    ]
    for node in nodes:
        slots = [f"{p['provider']} {p['busy']}/{p['slots']}" for p in node["providers"]]
        age = node["age"]
        rows.append(
            [
                Cell.of(cut(str(node["name"]), NAME_COLUMNS)),
                Cell.of("  ".join(slots) or "-", GREEN if any(p["busy"] for p in node["providers"]) else ""),
                Cell.of(", ".join(map(str, node["tasks"])) or "-"),
                Cell.of("-" if age is None else say("status.ago", time=span(age)), _age(age), right=True),
                Cell.of(node["version"] or ("-" if node["kgnb"] else say("status.old_worker"))),
                Cell.of(node["pid"], right=True),
                Cell.of(_clock(node["started_at"])),
            ]
        )
    return rows


def _age(age: float | None) -> str:
    return YELLOW if age is not None and age > 30 else ""


def _queues(queues: Sequence[Item]) -> list[list[Cell]]:
    heads = ("col_waiting", "col_chapters", "col_leased", "col_delayed", "col_dead", "col_open")
    rows = [_head("col_queue", *(f">{head}" for head in heads))]
    for queue in queues:
        counts = [_number(queue[k]) for k in ("waiting", "chapters", "leased", "delayed")]
        dead = _number(queue["dead"], RED)
        rows.append([Cell.of(queue["queue"]), *counts, dead, _number(queue["open_tasks"])])
    return rows


def _providers(providers: Sequence[Item]) -> list[list[Cell]]:
    days = providers[0]["days"] if providers else 0
    rows = [_head("col_name", "col_state", ">col_tokens", ">col_cost", "col_models")]
    rows[0][2] = Cell.of(say("status.col_spent", days=days), DIM, right=True)
    for one in providers:
        state, style = _state(one)
        tokens = [one["prompt_tokens"], one["completion_tokens"]]
        rows.append(
            [
                Cell.of(one["name"]),
                Cell.of(state, style),
                _of(" + ".join(map(short, tokens)) if any(tokens) else "", one["budget_tokens"], short),
                _of("" if one["cost"] is None else money(one["cost"]), one["budget"], money),
                Cell.of(cut(", ".join(one["models"]) or "-", LONG)),
            ]
        )
        if one["state"] == "paused" and (why := _reason(one)):
            rows.append(_below(why, style))
    return rows if any(len(row) > 3 and row[3] != "-" for row in rows[1:]) else _without(rows, 3)


def _reason(provider: Item) -> str:
    return provider["reason"] or (say("operate.paused_by_hand") if provider["by_hand"] else "")


def _below(text: str, style: str, most: int = LONG) -> list[Cell]:
    """A line below a row, about it."""
    return [Cell.of(""), Cell.of(f"└ {cut(text, most)}", style)]


def _without(rows: list[list[Cell]], column: int) -> list[list[Cell]]:
    """The rows without a column that says nothing."""
    return [row[:column] + row[column + 1 :] for row in rows]


def _of(used: str, limit: float | None, shown: Callable[[Any], str]) -> Cell:
    """What was used, of how much."""
    return Cell.of(f"{used or 0} / {shown(limit)}" if limit else used or "-", right=True)


def _state(provider: Item) -> tuple[str, str]:
    now = time.time()
    if provider["state"] == "paused":
        return say("status.paused", time=span(provider["paused_until"] - now)), RED
    if provider["state"] == "limited":
        return say("status.limited", time=span(provider["limited_until"] - now)), YELLOW
    if provider["failures"]:
        return say("status.failing", count=provider["failures"]), YELLOW
    return say("status.ok"), GREEN


def _tasks(tasks: Sequence[Item]) -> list[list[Cell]]:
    rows = [_head(">col_id", "col_book", "col_status", "col_progress", ">col_chapters_done", ">col_failed",
                  ">col_rate", ">col_left", ">col_tokens", ">col_cost", "col_provider")]  # fmt: skip
    for task in tasks:
        rows.append(_task(task))
        if task["error"]:
            rows.append(_below(str(task["error"]), RED))
        missing = any(flag in task["flags"] for flag in GAPS) or task["dropped"]
        rows += [_below(line, YELLOW if missing else DIM, 2 * LONG) for line in _noted(task)]
    return _without(rows, 9) if all(task["cost"] is None for task in tasks) else rows


def _noted(task: Item) -> Iterator[str]:
    """What there is to know of the task's replies: chapters by flag, and what was not found in the text."""
    flags = {flag: count for flag, count in task["flags"].items() if flag != Flag.UNVERIFIED}
    chapters = [say("status.flagged", flag=flag_word(flag), count=count) for flag, count in flags.items()]
    items = [
        say(f"status.{key}", count=task[key]) for key in ("unverified", "rejected", "dropped") if task[key]
    ]
    for told in filter(None, (chapters, items)):
        yield " · ".join(told)


def flag_word(flag: str) -> str:
    """A flag as a person reads it; of a newer kgnb's the flag itself."""
    return say(f"flag.{flag}") if flag in set(Flag) else flag


def _task(task: Item) -> list[Cell]:
    status = task["status"]
    style = {"running": GREEN, "failed": RED, "paused": YELLOW, "cancelled": DIM}.get(status, "")
    ended = task["completed"] + task["skipped"] + task["failed"]
    rate, left, cost = task["rate"], task["seconds_left"], task["cost"]
    tokens = task["prompt_tokens"], task["completion_tokens"]
    settling = status == "running" and 0 < task["chapters"] == ended
    return [
        Cell.of(task["task_id"], right=True),
        Cell.of(cut(str(task["name"]), NAME_COLUMNS)),
        Cell.of(say("status.is_settling" if settling else f"status.is_{status}"), style),
        Cell.of(f"{bar(task['percent'])} {task['percent']:5.1f}%", style),
        Cell.of(f"{ended}/{task['chapters']}", right=True),
        _number(task["failed"], RED),
        Cell.of("-" if rate is None else say("status.per_minute", rate=f"{rate:.1f}"), right=True),
        Cell.of("-" if left is None else span(left), right=True),
        Cell.of(" + ".join(map(short, tokens)) if any(tokens) else "-", right=True),
        Cell.of("-" if cost is None else money(cost), right=True),
        Cell.of(f"{task['provider']} {task['model']}".strip() or "-"),
    ]


# --- words and widths ---------------------------------------------------------------------------------------


def columns(text: str) -> int:
    """How many columns a terminal needs for ``text``."""
    return sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns; cut, it ends in "..": "…" is one column here, two there."""
    text = one_line(text)
    if columns(text) <= width:
        return text
    kept, used = [], 2
    for character in text:
        used += _columns(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip() + ".."


def span(seconds: float) -> str:
    """A length of time in the two largest units that matter."""
    whole = max(0, round(seconds))
    if whole < 60:
        return say("status.seconds", s=whole)
    if whole < 3600:
        return say("status.minutes", m=whole // 60, s=whole % 60)
    return say("status.hours", h=whole // 3600, m=whole % 3600 // 60)


def short(number: int) -> str:
    """A number in few digits: 950, 12.3k, 450M."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.{1 if number < 100 * size else 0}f}{unit}"
    return str(number)


def money(amount: float) -> str:
    """An amount in the currency of the prices; of a small one the first digits that tell."""
    return f"{amount:.2f}" if amount >= 0.01 or not amount else f"{amount:.4f}"


def bar(percent: float) -> str:
    """Progress in a row; full only at 100. ASCII: blocks are one column wide here and two there."""
    full = int(BAR_CELLS * percent / 100)
    return "#" * full + "." * (BAR_CELLS - full)


def _clock(iso: object) -> str:
    try:
        at = datetime.fromisoformat(str(iso))
    except ValueError:
        return "-"
    return f"{at.astimezone():%m-%d %H:%M:%S}"


# --- tables -------------------------------------------------------------------------------------------------


def table(rows: Sequence[Sequence[Cell]], paint: Callable[[str, str], str]) -> list[str]:
    """The rows as aligned lines, indented by two. A row that is shorter than the first runs on in its last
    cell, which widens no column."""
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(columns(row[i]) for row in full) for i in range(len(rows[0]))]
    return [_line(row, widths, paint) for row in rows]


def _line(row: Sequence[Cell], widths: Sequence[int], paint: Callable[[str, str], str]) -> str:
    parts = []
    for i, (cell, width) in enumerate(zip(row, widths, strict=False)):  # a short row has fewer cells
        pad = " " * max(0, width - columns(cell))
        last = i == len(row) - 1
        text = paint(cell, cell.style)
        parts.append(pad + text if cell.right else text if last else text + pad)
    return ("  " + "  ".join(parts)).rstrip()


def _plain(text: str, _style: str) -> str:
    return text


def _painted(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text
