"""Chinese: normal form of a text, and its sentences."""

from __future__ import annotations

import re
from array import array

ENDS = "。！？!?；;\n"
"""What ends a sentence."""
_END = re.compile(f"[{ENDS}]")
_END_OR_SPEECH = re.compile(rf"{_END.pattern}|[“「『]")


def normalise(text: str) -> str:
    """Return the text with each run of white space as one line break."""
    return "\n".join(f".{text}.".split())[1:-1]  # in a third of the time that an expression takes


def with_full_stops(text: str) -> str:
    """Return a text whose sentences end with ．, as some scans have it, with 。 instead."""
    return text.replace("．", "。") if text.count("．") > text.count("。") else text


def behind_last(text: str, marks: str, begin: int, end: int) -> int:
    """Return the place behind the last of some marks in a part of the text, ``begin`` where it has none."""
    return max(begin, *(text.rfind(mark, begin, end) + 1 for mark in marks))


def sentence_ends(text: str, *, speech: bool = False) -> array[int]:
    """Return the offsets of what ends sentences; with ``speech``, also of the marks that begin it."""
    return array("I", [m.start() for m in (_END_OR_SPEECH if speech else _END).finditer(text)])
