"""Escapes untrusted text (books, replies, rows, queue items) for terminals, logs and the panel."""

from __future__ import annotations

import unicodedata

LONGEST = 4_000
"""Characters shown of one text: an error may quote a long reply."""


def one_line(text: object, most: int = LONGEST) -> str:
    """``text`` cut after ``most`` characters; those that could end the line, move a cursor or hide others are
    escaped. All text that isn't kgnb's own passes here before a person sees it."""
    line = str(text)
    if len(line) > most:
        line = line[:most] + "…"
    if line.isprintable():
        return line
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in line)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
