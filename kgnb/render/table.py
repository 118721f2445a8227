"""Tables as plain values: what they say, apart from how ``render.terminal`` and ``render.html`` show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from kgnb.core.formatting import clock, compact, duration, money, rate
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

Tone = Literal["", "good", "warn", "bad", "dim"]
"""How a text should strike the reader: a colour of the terminal, a CSS class of a page."""
Meaning = Literal[
    "id", "name", "title", "text", "state", "progress", "time",
    "count", "failures", "quantity", "share", "duration", "age", "rate", "tokens", "money", "price",
]  # fmt: skip
"""What the values of a column are; renderers choose alignment, wrapping and tone by it.

A title is a name that may be cut, a quantity a number to shorten. Progress is in percent, duration and age in
seconds, rate in chapters per minute, time in ISO 8601. A share is (part, whole), tokens are (prompt,
completion), a price is per million tokens (prompt, completion[, cached prompt]). None is unknown.
"""
WORDS: tuple[Meaning, ...] = ("name", "title", "text", "state", "progress", "time")
"""Meanings whose cells are aligned left; the others are numbers."""
STALE_SECONDS = 30.0
"""A heartbeat older than this is shown as a warning."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value; ``limit`` is how much of it is allowed (a budget), None for no limit."""

    value: Any
    tone: Tone = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its cells, its heading and what its values are."""

    key: str
    title: str
    meaning: Meaning


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column key, and notes that stand below them."""

    cells: Mapping[str, Cell]
    notes: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a title, or ``empty`` where there are none. Rows may have cells of no column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    empty: str = ""

    def only(self, *keys: str) -> Table:
        """Return the table with these columns, in the given order; keys without a column are skipped."""
        columns = {column.key: column for column in self.columns}
        return replace(self, columns=tuple(columns[key] for key in keys if key in columns))

    def without(self, key: str) -> Table:
        """Return the table without the column of this key; the same columns if there is none."""
        return replace(self, columns=tuple(column for column in self.columns if column.key != key))


def columns(area: str, **meanings: Meaning) -> tuple[Column, ...]:
    """Return columns (key=meaning) with headings from the messages ``<area>.col_<key>``."""
    return tuple(Column(key, say(f"{area}.col_{key}"), meaning) for key, meaning in meanings.items())


def rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Return a row for each mapping (column key → plain value)."""
    return tuple(Row({key: Cell(value) for key, value in row.items()}) for row in rows)


def cell_tone(meaning: Meaning, cell: Cell) -> Tone:
    """Return the cell's own tone, else that of its value: "dim" for a count of 0, "warn" for an age above
    STALE_SECONDS (30), "bad" for failures, "" for all others and for None.
    """
    if cell.tone or cell.value is None:
        return cell.tone
    if meaning in ("count", "failures") and not cell.value:
        return "dim"
    if meaning == "age" and cell.value > STALE_SECONDS:
        return "warn"
    return "bad" if meaning == "failures" else ""


def cell_text(meaning: Meaning, cell: Cell, *, exact: bool = False) -> str:
    """Return the cell as text on one line: "-" for an unknown value, "value / limit" for a cell with a limit.

    ``exact``: numbers with all their digits instead of 1.2k.
    """
    value = cell.value
    is_known = any(value) if meaning == "tokens" else value not in (None, "")
    text = _text(meaning, value, exact) if is_known else "0" if cell.limit else "-"
    if cell.limit:
        return f"{text} / {money(cell.limit) if meaning == 'money' else compact(round(cell.limit))}"
    return text


def _text(meaning: Meaning, value: Any, exact: bool) -> str:
    """Return a known value as text, by its meaning."""
    match meaning:
        case "count" | "failures":
            return f"{value:,}" if exact else str(value)
        case "quantity":
            return compact(value)
        case "share":
            return f"{value[0]}/{value[1]}"
        case "progress":
            return f"{value:5.1f}%"
        case "duration":
            return duration(value)
        case "age":
            return say("status.ago", time=duration(value))
        case "rate":
            return say("status.per_minute", rate=rate(value))
        case "tokens":
            return f"{sum(value):,}" if exact else " + ".join(map(compact, value))
        case "money":
            return f"{value:,.4f}" if exact else money(value)
        case "price":
            return "/".join(f"{part:g}" for part in value)
        case "time":
            return clock(value)
    return one_line(value)
