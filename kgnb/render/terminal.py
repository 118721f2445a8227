"""Tables and the status page on a terminal, drawn by rich; off a terminal as plain lines.

Texts come from books, rows and other machines. They reach rich only as ``Text``, never as markup.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO

from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table as Grid
from rich.text import Text

from kgnb.core.formatting import cut, zone
from kgnb.core.host import takes_colour
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.render.status_view import Item, status_tables
from kgnb.render.table import WORDS, Cell, Meaning, Table, cell_text, cell_tone

GAP = 2
"""Blank columns before each cell of a row."""
BAR_CELLS = 12
TITLE_COLUMNS = 32
"""A longer title is cut."""
NOTE_COLUMNS = 192
"""A longer note is cut."""
NARROWEST_TEXT = 16
"""Columns that a table's last column needs when its text is broken into several lines."""
NOTE_MARGIN = 4
"""Columns right of a note: some terminals draw its "└" and "·" two columns wide."""
PIPE_COLUMNS = 4_000
"""Width where there is no terminal: nothing is broken into lines, so that programs find whole names."""
_STYLES = {"": "", "good": "green", "warn": "yellow", "bad": "red", "dim": "dim"}
_LEADING = ("id", "name", "title", "state", "progress")
"""Columns that need no heading to be understood; they come first where a row takes several lines."""


def console(file: IO[str] | None = None) -> Console:
    """Return a console on ``file`` (default: stdout) that shows texts as they are, without markup or
    emoji codes; in colour where it :func:`takes_colour`.
    """
    out = file or sys.stdout
    is_terminal = out.isatty()
    return Console(
        file=out,
        force_terminal=is_terminal,
        force_jupyter=False,
        color_system="auto" if takes_colour(out) else None,
        width=None if is_terminal else PIPE_COLUMNS,
        markup=False,
        emoji=False,
        highlight=False,
    )


def plain_lines(page: RenderableType) -> list[str]:
    """Return the page as lines of text without colour; lines aren't wrapped."""
    text = io.StringIO()
    console(text).print(page)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def show(page: RenderableType) -> None:
    """Print the page: with rich's layout on a terminal, as plain lines into a pipe or file."""
    out = console()
    if out.is_terminal:
        out.print(page)
    else:
        print("\n".join(plain_lines(page)))


def status_page(status: Item, warning: str = "") -> RenderableType:
    """Return a status to be printed on a console: ``warning``, if any, then the time of reading, then four
    tables under their titles.
    """
    read_at = datetime.fromisoformat(status["at"])
    parts: list[RenderableType] = [Text(one_line(warning), "yellow"), Text()] if warning else []
    parts.append(Text(say("status.title", time=f"{read_at:%Y-%m-%d %H:%M:%S} {zone()}"), "dim"))
    for table in status_tables(status):
        parts += [Text(), Text(table.title, "bold")]
        parts.append(Rows(table) if table.rows else _indented(Text(table.empty, "dim"), GAP))
    return Group(*parts)


class Rows:
    """A table's rows; columns for which the terminal is too narrow stand below each row, with titles."""

    def __init__(self, table: Table) -> None:
        self._columns = table.columns
        self._rows = table.rows

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        heads = [Text(column.title, "dim") for column in self._columns]
        cells = [[_drawn(c.meaning, row.cells[c.key]) for c in self._columns] for row in self._rows]
        widths = [max(line[i].cell_len for line in [heads, *cells]) for i in range(len(heads))]
        if self._columns[-1].meaning == "text":  # may take several lines
            room = options.max_width - _total(widths[:-1]) - GAP
            widths[-1] = min(widths[-1], max(NARROWEST_TEXT, heads[-1].cell_len, room))
        aligned = max(n for n in range(len(widths) + 1) if _total(widths[:n]) <= options.max_width)
        if any(column.meaning in _LEADING for column in self._columns[aligned:]):
            aligned = 0
        if aligned:
            yield self._grid(heads, widths[:aligned])
        indent = 2 * GAP + widths[0] if aligned else 2 * GAP
        for row, line in zip(self._rows, cells, strict=True):
            if aligned:
                yield self._grid(line, widths[:aligned])
            yield from self._rest(line, aligned, indent, options.max_width)
            for note in row.notes:
                text = Text(f"└ {cut(note.value, NOTE_COLUMNS)}", _STYLES[note.tone])
                yield _indented(text, indent, NOTE_MARGIN)

    def _grid(self, line: Sequence[Text], widths: Sequence[int]) -> RenderableType:
        """Return one aligned row, as a grid of its own: notes between rows belong to no column."""
        grid = Grid.grid(padding=(0, 0, 0, GAP), pad_edge=True, collapse_padding=False)
        for column, width in zip(self._columns, widths, strict=False):
            wraps = column is self._columns[-1]
            justify: JustifyMethod = "left" if column.meaning in WORDS else "right"
            grid.add_column(width=width, justify=justify, no_wrap=not wraps, overflow="fold")
        grid.add_row(*line[: len(widths)])
        return grid

    def _rest(self, line: Sequence[Text], start: int, indent: int, width: int) -> Iterator[RenderableType]:
        """Yield the lines of the cells from column ``start`` on, as many on a line as fit; "-", the unknown
        ones, are left out.
        """
        leading, facts = [], []
        for column, text in list(zip(self._columns, line, strict=True))[start:]:
            if column.meaning in _LEADING:
                leading.append(text)
            elif text.plain != "-":
                facts.append(Text.assemble((f"{column.title} ", "dim"), text))
        yield from (_indented(some, GAP) for some in _packed(leading, width - GAP))
        yield from (_indented(some, indent) for some in _packed(facts, width - indent))


def _total(widths: Sequence[int]) -> int:
    """Return how wide a row of such columns is, each with a gap."""
    return sum(GAP + width for width in widths)


def _indented(content: RenderableType, indent: int, margin: int = 0) -> RenderableType:
    """Return the content with ``indent`` columns on its left and ``margin`` on its right."""
    return Padding(content, (0, margin, 0, indent), expand=False)


def _drawn(meaning: Meaning, cell: Cell) -> Text:
    """Return a cell as coloured text."""
    text = cell_text(meaning, cell)
    if meaning == "title":
        text = cut(text, TITLE_COLUMNS)
    if meaning == "progress":
        text = f"{progress_bar(cell.value)} {text}"
    return Text(text, _STYLES[cell_tone(meaning, cell)])


def progress_bar(percent: float) -> str:
    """Return a bar of ``BAR_CELLS`` (12) characters, # for done and . for the rest, full only at 100 percent.

    ASCII, as terminals disagree about the width of block characters.
    """
    full = int(BAR_CELLS * percent / 100)
    return "#" * full + "." * (BAR_CELLS - full)


def _packed(facts: Iterable[Text], width: int) -> Iterator[Text]:
    """Yield the facts on as few lines as they need, none broken unless it is wider than a line."""
    line = Text()
    for fact in facts:
        joined = Text(" " * GAP).join([line, fact]) if line else fact
        if line and joined.cell_len > width:
            yield line
            joined = fact
        line = joined
    if line:
        yield line


class FirstLines:
    """As many lines of a page as the terminal is high; the last one says how many more there are."""

    def __init__(self, page: RenderableType) -> None:
        self._page = page

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or options.max_height
        lines = console.render_lines(self._page, options.update(height=None), pad=False)
        hidden = len(lines) - height + 1 if len(lines) > height else 0
        for i, line in enumerate(lines[: height - 1] if hidden else lines):
            if i:
                yield Segment.line()
            yield from line
        if hidden:
            yield Segment.line()
            yield Text(say("status.more", count=hidden), no_wrap=True, overflow="ellipsis", end="")
