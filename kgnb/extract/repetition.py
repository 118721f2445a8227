"""Detects replies in which a small model repeats a passage without end."""

from __future__ import annotations

TAIL = 1_000
"""Number of characters at the end of a reply that must consist of repetitions."""
LONGEST_UNIT = 250
"""Longest repeated part, in characters; the tail holds it at least four times."""


def is_looping(text: str) -> bool:
    """Return whether the last :data:`TAIL` characters of ``text`` repeat one part; False for a shorter text.

    "ab" 600 times → True; "ab" 10 times → False.
    """
    tail = text[-TAIL:]
    if len(tail) < TAIL:
        return False
    if tail.find(tail[LONGEST_UNIT:]) == LONGEST_UNIT:  # nearly every reply: its end occurs nowhere before
        return False
    return any(tail.startswith(tail[unit:]) for unit in range(1, LONGEST_UNIT + 1))
