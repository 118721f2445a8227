"""Quotes of a text as evidence: whole sentences, or the clauses that hold the proof, with … at each cut."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter

EVIDENCE_CHARS = 160
"""Longest quote, in characters."""

_CLOSERS = "”’」』）》】〉 "  # behind a sentence's end they belong to this sentence, not to the next
_STRAY = re.compile(r"""^["']\s""")  # a straight mark with a space behind it closes as well
_CLAUSE = re.compile(r"[,;:，；：、](?=\D)|--|—+")
CUT = "…"
"""Mark in a quote where text is left out."""

Span = tuple[int, int]
"""Two offsets in a text: of its first character, and behind its last."""


def quote(text: str, sentence_ends: Sequence[int], parts: Sequence[Span]) -> str:
    """Return the sentences that contain all ``parts``, as one line of about :data:`EVIDENCE_CHARS` (160)
    characters at most.

    Of longer passages only the clauses around each part are quoted, with … at each cut. ``sentence_ends``:
    ascending offsets of the characters that end sentences. "He sat. Tom met Ann. She rose." with [6, 19, 29]
    and [(8, 11), (16, 19)] → "Tom met Ann.".
    """
    begin, _ = _sentence(text, sentence_ends, *min(parts))
    _, stop = _sentence(text, sentence_ends, *max(parts, key=itemgetter(1)))
    if stop - begin <= EVIDENCE_CHARS:
        return _one_line(text[begin:stop])
    parts = _joined(parts, EVIDENCE_CHARS // 2)
    free = EVIDENCE_CHARS - len(CUT) * (len(parts) + 1) - sum(end - start for start, end in parts)
    spare = max(0, free) // len(parts)
    pieces = _joined(
        [_clauses(text, _sentence(text, sentence_ends, *part), part, spare) for part in parts], 1
    )
    quoted = CUT.join(_one_line(text[low:high]) for low, high in pieces)
    return (CUT if pieces[0][0] > begin else "") + quoted + (CUT if pieces[-1][1] < stop else "")


def _sentence(text: str, sentence_ends: Sequence[int], start: int, end: int) -> Span:
    """Return the span of the sentence or sentences that contain ``start``-``end``."""
    k = bisect_right(sentence_ends, start)
    last = bisect_left(sentence_ends, end - 1, k)
    stop = sentence_ends[last] + 1 if last < len(sentence_ends) else len(text)
    return sentence_ends[k - 1] + 1 if k else 0, stop


def _joined(spans: Iterable[Span], longest: int) -> list[Span]:
    """Return the spans in order, those that overlap as one, and neighbours that are not longer together than
    ``longest``."""
    found: list[Span] = []
    for start, end in sorted(spans):
        low, high = found[-1] if found else (start, -1)
        if start <= high or end - low <= longest:
            found[-1:] = [(low, max(high, end))]
        else:
            found.append((start, end))
    return found


def _clauses(text: str, sentence: Span, part: Span, spare: int) -> Span:
    """Return the span of the clauses around a part of a sentence, at most ``spare`` characters more than
    it."""
    (begin, stop), (start, end) = sentence, part
    room = end - start + spare
    low = begin if end - begin <= room else _clause_start(text, max(begin, start - spare // 2), start)
    return low, stop if stop - low <= room else _clause_end(text, end, low + room)


def _one_line(part: str) -> str:
    """Return a part of the text on one line, without closing marks of an earlier quotation at its start."""
    return _STRAY.sub("", part.strip()).lstrip(_CLOSERS).replace("\n", " ")


def shortened(text: str, needed: Iterable[str] = ()) -> str:
    """Return a quote of at most about :data:`EVIDENCE_CHARS` (160) characters: the text itself, or its
    clauses with the words ``needed``, else its beginning, with … at each cut.
    """
    if len(text) <= EVIDENCE_CHARS:
        return text
    places = [(at, at + len(word)) for word in needed if (at := text.find(word)) >= 0]
    return quote(text, [], places or [(0, 1)])


def _clause_start(text: str, low: int, start: int) -> int:
    """Return the first start of a clause in ``low``-``start``, else that of a word, else ``start``."""
    mark = _CLAUSE.search(text, low, start)
    return mark.end() if mark else text.find(" ", low, start) + 1 or start


def _clause_end(text: str, end: int, high: int) -> int:
    """Return the last end of a clause in ``end``-``high``, else that of a word, else ``high``."""
    marks = [m.start() for m in _CLAUSE.finditer(text, end, high)]
    space = text.rfind(" ", end, high)
    return marks[-1] if marks else space if space >= 0 else high
