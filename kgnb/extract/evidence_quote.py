"""Quotes of a text as evidence: whole sentences, or cut at clauses with …."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

EVIDENCE_CHARS = 160
"""Longest quote, in characters."""

_CLOSERS = "”’」』）》】〉 "  # behind a sentence's end they belong to this sentence, not to the next
_STRAY = re.compile(r"""^["']\s""")  # a straight mark with a space behind it closes as well
_CLAUSE = re.compile(r"[,;:，；：、](?=\D)|--|—+")
_CUT = "…"


def quote(text: str, sentence_ends: Sequence[int], start: int, end: int) -> str:
    """Return the sentences that contain the part ``start``-``end``, as one line of at most
    :data:`EVIDENCE_CHARS` characters.

    Longer sentences are cut at clauses around the part, with … at each cut. ``sentence_ends``: ascending
    offsets of the characters that end sentences. "He sat. Tom met Ann. She rose." with [6, 19, 29], 8, 19 →
    "Tom met Ann.".
    """
    k = bisect_right(sentence_ends, start)
    begin = sentence_ends[k - 1] + 1 if k else 0
    last = bisect_left(sentence_ends, end - 1, k)
    stop = sentence_ends[last] + 1 if last < len(sentence_ends) else len(text)
    if stop - begin <= EVIDENCE_CHARS:
        return _one_line(text[begin:stop])
    room = EVIDENCE_CHARS - 2 * len(_CUT)
    end = end if end - start <= room else start + room // 2
    low = begin if end - begin <= room else _clause_start(text, max(begin, (start + end - room) // 2), start)
    high = stop if stop - low <= room else _clause_end(text, end, low + room)
    part = _one_line(text[low:high])
    return (_CUT if low > begin else "") + part + (_CUT if high < stop else "")


def _one_line(part: str) -> str:
    return _STRAY.sub("", part.strip()).lstrip(_CLOSERS).replace("\n", " ")


def shortened(text: str) -> str:
    """Return the text, if longer than :data:`EVIDENCE_CHARS` cut at the end of a clause (else a word) with …
    behind."""
    if len(text) <= EVIDENCE_CHARS:
        return text
    high = EVIDENCE_CHARS - len(_CUT)
    return text[: _clause_end(text, high // 2, high)].rstrip() + _CUT


def _clause_start(text: str, low: int, start: int) -> int:
    """Return the first start of a clause in ``low``-``start``, else that of a word, else ``start``."""
    marks = [m.end() for m in _CLAUSE.finditer(text, low, start)]
    space = text.find(" ", low, start) + 1
    return marks[0] if marks else space or start


def _clause_end(text: str, end: int, high: int) -> int:
    """Return the last end of a clause in ``end``-``high``, else that of a word, else ``high``."""
    marks = [m.start() for m in _CLAUSE.finditer(text, end, high)]
    space = text.rfind(" ", end, high)
    return marks[-1] if marks else space if space >= 0 else high
