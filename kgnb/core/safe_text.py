"""Escapes untrusted text (books, replies, rows, queue items) for terminals, logs and the panel."""

from __future__ import annotations

import json
import re
import unicodedata

LONGEST = 4_000
"""Characters shown of one text: an error may quote a long reply."""
LONGEST_LINE = 100_000
"""Characters shown of each line of a text that people ask for: a reply, a log."""


_BREAKS = re.compile(r"[\n\r\t]")
_SPACES = re.compile(r"\s+")


def clean(value: object, limit: int) -> str:
    """Return ``value`` as one line of printable text of at most ``limit`` characters; "" for None.

    " a⏎b c" → "a b c" (⏎: line break); 3.5 → "3.5". Raises ValueError for lists, objects and booleans, so
    that ``{"name": {...}}`` is a rejected item and no name.
    """
    if isinstance(value, str) and value.isprintable() and "  " not in value:
        return value.strip()[:limit].rstrip()  # fast path of nearly every text: ten times as fast
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError("not a text")
    text = _BREAKS.sub(" ", str(value)[: limit * 4])
    # Cc control, Cf format (bidi overrides, zero widths), Cs lone surrogates, Co private use, Cn unassigned.
    text = "".join(c for c in text if not unicodedata.category(c).startswith("C"))
    return _SPACES.sub(" ", text).strip()[:limit].rstrip()


def one_line(text: object, most: int = LONGEST) -> str:
    """Return ``text`` on one line: cut after ``most`` characters, line breaks and other control characters
    escaped.

    All text that isn't kgnb's own passes here before a person sees it: such characters could move a cursor or
    hide text.
    """
    line = str(text)
    if len(line) > most:
        line = line[:most] + "…"
    if line.isprintable():
        return line
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in line)


def many_lines(text: str, most: int = LONGEST_LINE) -> str:
    """Return ``text`` with its line breaks, each line as :func:`one_line` returns it, tabs as spaces."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(one_line(line.expandtabs(), most) for line in lines)


def safe_json(text: str) -> str:
    """Return JSON text with all unprintable characters but line breaks escaped in its strings; the value
    stays the same.
    """
    if text.replace("\n", "").isprintable():  # what follows takes .2 s for a million characters
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def _is_harmless(character: str) -> bool:
    """Return whether a character can be shown as it is: printable or a space."""
    return character.isprintable() or unicodedata.category(character) == "Zs"
