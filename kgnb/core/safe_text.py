"""One line of other people's text: what books, replies, rows and queues hold is shown, and does nothing."""

from __future__ import annotations

import unicodedata

LONGEST = 4_000
"""Characters of one text that are shown: a reply quoted in an error can be long."""


def one_line(text: object, most: int = LONGEST) -> str:
    """``text`` with every character made visible that could end the line, move a cursor or hide others; cut
    after ``most`` characters. Whatever a person reads that isn't kgnb's own words passes here: terminal, log
    and panel."""
    line = str(text)
    if len(line) > most:
        line = line[:most] + "…"
    if line.isprintable():
        return line
    return "".join(c if _harmless(c) else c.encode("unicode_escape").decode() for c in line)


def _harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
