"""Recognises replies in which a small model repeats itself without end."""

from __future__ import annotations

TAIL = 1_000
"""Characters at the end of a reply that must be one repetition."""
LONGEST_UNIT = 250
"""Longest repeated part: the tail holds four of them at least."""


def is_looping(text: str) -> bool:
    """Whether the text ends in one part that is repeated over and over."""
    tail = text[-TAIL:]
    if len(tail) < TAIL:
        return False
    if tail.find(tail[LONGEST_UNIT:]) == LONGEST_UNIT:  # nearly every reply: its end occurs nowhere before
        return False
    return any(tail.startswith(tail[unit:]) for unit in range(1, LONGEST_UNIT + 1))
