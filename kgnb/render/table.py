"""Tables as plain values: what they say, apart from how a terminal or a page shows it.

A column's :class:`Meaning` says what its values are; :func:`cell_text` writes them. ``render.terminal`` and
``render.html`` choose alignment, wrapping and colours by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.render.formatting import clock, compact, duration, money

Tone = Literal["", "good", "warn", "bad", "dim"]
"""How a text should strike the reader; a colour or a CSS class."""


class Meaning(Enum):
    """What the values of a column are; None is an unknown value everywhere."""

    ID = "id"
    NAME = "name"
    TITLE = "title"  # a name that may be long: a terminal cuts it
    TEXT = "text"
    STATE = "state"
    COUNT = "count"
    QUANTITY = "quantity"  # a number too large to count, in few digits
    SHARE = "share"  # (part, whole)
    PROGRESS = "progress"  # percent
    DURATION = "duration"  # seconds
    AGE = "age"  # seconds since
    RATE = "rate"  # chapters per minute
    TOKENS = "tokens"  # (prompt, completion)
    MONEY = "money"
    PRICE = "price"  # of a million tokens: (prompt, completion) or (prompt, completion, cached prompt)
    TIME = "time"  # ISO 8601

    @property
    def is_number(self) -> bool:
        """Whether values stand below each other by their last digit."""
        return self not in _WORDS


_WORDS = (Meaning.NAME, Meaning.TITLE, Meaning.TEXT, Meaning.STATE, Meaning.PROGRESS, Meaning.TIME)


@dataclass(frozen=True, slots=True)
class Cell:
    """One value; ``limit`` is how much of it is allowed (a budget), None for no limit."""

    value: Any
    tone: Tone = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line below a row, about it."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its cells, its heading and what its values are."""

    key: str
    title: str
    meaning: Meaning = Meaning.TEXT


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column key, and notes about them."""

    cells: Mapping[str, Cell]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a title; ``empty`` is said where there are none. Rows may have cells of no column."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...] = field(default=())
    title: str = ""
    empty: str = ""

    def only(self, *keys: str) -> Table:
        """The table with these columns, in the order given; keys without a column are passed over."""
        columns = {column.key: column for column in self.columns}
        return replace(self, columns=tuple(columns[key] for key in keys if key in columns))

    def without(self, key: str) -> Table:
        """The table without a column."""
        return replace(self, columns=tuple(column for column in self.columns if column.key != key))


def count_cell(value: int, tone: Tone = "") -> Cell:
    """A count, inconspicuous when it is zero."""
    return Cell(value, tone if value else "dim")


def cell_text(meaning: Meaning, cell: Cell, *, exact: bool = False) -> str:
    """The cell as text on one line, "-" for nothing; ``exact`` numbers have all their digits."""
    if cell.limit:
        used = _text(meaning, cell.value, exact) if _is_known(meaning, cell.value) else "0"
        limit = money(cell.limit) if meaning is Meaning.MONEY else compact(round(cell.limit))
        return f"{used} / {limit}"
    return _text(meaning, cell.value, exact) if _is_known(meaning, cell.value) else "-"


def _is_known(meaning: Meaning, value: Any) -> bool:
    return any(value) if meaning is Meaning.TOKENS else value is not None and value != ""


def _text(meaning: Meaning, value: Any, exact: bool) -> str:
    match meaning:
        case Meaning.COUNT:
            return f"{value:,}" if exact else str(value)
        case Meaning.SHARE:
            return f"{value[0]}/{value[1]}"
        case Meaning.PRICE:
            return "/".join(f"{part:g}" for part in value)
        case Meaning.QUANTITY:
            return compact(value)
        case Meaning.PROGRESS:
            return f"{value:5.1f}%"
        case Meaning.DURATION:
            return duration(value)
        case Meaning.AGE:
            return say("status.ago", time=duration(value))
        case Meaning.RATE:
            return say("status.per_minute", rate=f"{value:.1f}")
        case Meaning.TOKENS:
            return f"{sum(value):,}" if exact else " + ".join(map(compact, value))
        case Meaning.MONEY:
            return f"{value:,.4f}" if exact else money(value)
        case Meaning.TIME:
            return clock(value)
    return one_line(value)


def columns(*columns: tuple[str, str, Meaning]) -> tuple[Column, ...]:
    """Columns from (key, text key of the heading, meaning)."""
    return tuple(Column(key, say(title), meaning) for key, title, meaning in columns)


def rows(rows: Iterable[Mapping[str, Any]]) -> tuple[Row, ...]:
    """Rows of plain values by column key."""
    return tuple(Row({key: Cell(value) for key, value in row.items()}) for row in rows)
