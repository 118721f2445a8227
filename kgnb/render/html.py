"""Tables and texts as HTML, for the notebook panel and the session report: static, without network.

Names come from books, rows and other machines: hostile input that leaves here only as text.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from kgnb.core.formatting import cut
from kgnb.core.safe_text import one_line
from kgnb.render.table import WORDS, Cell, Column, Row, Table, Tone, cell_text, cell_tone

TABLE_STYLE = "\n" + Path(__file__).with_name("table.css").read_text("utf-8")
"""Rules for what the functions here return: for an element ``.kgnb`` of a page that sets the colours."""


def text(value: object, width: int = 0) -> str:
    """Return ``value`` as escaped HTML on one line, cut at ``width`` columns (0: not cut)."""
    return escape(cut(value, width) if width else one_line(value), quote=True)


def toned(value: object, tone: Tone, tag: str = "span") -> str:
    """Return ``value`` as escaped HTML in a ``tag`` element with the tone as its class; without a tone
    the text alone.
    """
    return f'<{tag} class="{tone}">{text(value)}</{tag}>' if tone else text(value)


def progress_bar(percent: float, tone: Tone = "") -> str:
    """Return the HTML of a bar that is ``percent`` (0-100) full."""
    width = min(100.0, max(0.0, float(percent)))
    return f'<div class="kgnb-bar"><i class="{tone}" style="width:{width:.1f}%"></i></div>'


def table(table: Table, *, exact: bool = False) -> str:
    """Return the HTML of a table without its title; a row's notes stand below the row. Without rows:
    ``table.empty``.
    """
    if not table.rows:
        return f'<p class="dim">{text(table.empty)}</p>'
    heads = "".join(f"<th{_class(column)}>{text(column.title)}</th>" for column in table.columns)
    body = "".join(_row(table, row, exact) for row in table.rows)
    return f'<table class="kgnb-table"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _row(table: Table, row: Row, exact: bool) -> str:
    """Return the HTML of a row, its notes in a row below."""
    cells = "".join(
        f"<td{_class(column)}>{_content(column, row.cells[column.key], exact)}</td>"
        for column in table.columns
    )
    if not row.notes:
        return f"<tr>{cells}</tr>"
    notes = "".join(toned(note.value, note.tone, "div") for note in row.notes)
    below = f'<tr><td></td><td class="note" colspan="{len(table.columns) - 1}">{notes}</td></tr>'
    return f'<tr class="noted">{cells}</tr>{below}'


def _content(column: Column, cell: Cell, exact: bool) -> str:
    """Return a cell's text as HTML, in its tone; a bar for progress."""
    shown = cell_text(column.meaning, cell, exact=exact)
    if column.meaning == "progress":
        return text(shown.strip()) + progress_bar(cell.value, cell.tone)
    return toned(shown, cell_tone(column.meaning, cell))


def _class(column: Column) -> str:
    """Return the class attribute of a column: right-aligned for numbers."""
    if column.meaning not in WORDS:
        return ' class="r"'
    return ' class="s"' if column.meaning in ("state", "time") else ""
