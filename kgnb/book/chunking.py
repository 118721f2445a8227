"""Split a text into chunks of whole sentences, about equally long, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kgnb.core.labels import Lang

MIN_HALVE = 200
"""Shortest chunk, in characters, that is halved: the reply to less is short whatever the text."""

_CLOSERS = "”’」』）》】〉\"')\\]"
_ZH_END = re.compile(rf"(?:[。！？!?]+|…+)[{_CLOSERS}]*\s*")
# Only from the first mark of a run: trying each of them would take quadratic time.
_EN_END = re.compile(rf"(?:(?<![.!?])[.!?]+|(?<!…)…+)[{_CLOSERS}]*(?:\s+|$)")
_BREAK = r"\n(?:[^\S\n]*\n)*"  # the next line keeps its indent
_PARAGRAPH = re.compile(rf"[。！？!?….][{_CLOSERS}]*[^\S\n]*{_BREAK}")
_LINE = re.compile(_BREAK)  # ends verse and lists; in hard-wrapped text it may be mid-sentence
_CLAUSE = re.compile(r"[，,；;：:、—]+\s*|\s+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Hon|Capt|Col|Gen|Lt|Sgt|Esq|Jr|Sr|vs|etc|No|Vol|[A-Z]))\.$"
)

_PARAGRAPH_SLACK = 0.15
"""Share of a chunk by which a paragraph end may be further from the ideal cut than a sentence end and win."""

_CONTEXT = 8
"""Characters before and behind a range in which a match may begin or end: runs of punctuation are short."""


def split(text: str, limit: int, lang: Lang) -> list[str]:
    """Return chunks of at most ``limit`` characters whose concatenation is ``text``.

    They end at sentence ends (paragraph ends where one is near) and are about equally long: 8,100 characters
    at a limit of 8,000 give two of about 4,050. A sentence is cut only where ``limit`` characters in a row
    hold no sentence end. An empty text gives no chunk. Raises ValueError for a limit under 1.
    """
    if limit < 1:
        raise ValueError("a chunk holds at least one character")
    chunks, start = [], 0
    while (rest := len(text) - start) > limit:
        window = text[start : start + limit + _CONTEXT]
        chunks.append(window[: _balanced(window, rest, limit, lang)])
        start += len(chunks[-1])
    return [*chunks, text[start:]] if rest else chunks


def halve(text: str, lang: Lang) -> tuple[str, str] | None:
    """Return the two halves of a chunk whose reply was truncated, cut at a sentence end near the middle where
    there is one; None below :data:`MIN_HALVE` (200) characters.
    """
    if len(text) < MIN_HALVE:
        return None
    size = len(text)
    quarter, middle, three_quarters = size // 4, size // 2, size - size // 4
    at = (
        _sentence_end(text, quarter, middle, three_quarters, lang)
        or _sentence_end(text, 1, middle, size - 1, lang)
        or _within_sentence(text, quarter, middle, three_quarters)
    )
    return text[:at], text[at:]


def _balanced(text: str, size: int, limit: int, lang: Lang) -> int:
    """Return the end of a first chunk that leaves the rest of ``size`` characters as even; with one chunk
    more if there is none.
    """
    pieces = -(-size // limit)
    for count in (pieces, pieces + 1):
        ideal = size // count
        low = max(1, ideal // 2, size - (count - 1) * limit)
        if at := _sentence_end(text, low, ideal, min(limit, 2 * ideal), lang):
            return at
    ideal = size // pieces
    low = max(1, size - (pieces - 1) * limit)
    return _sentence_end(text, 1, ideal, limit, lang) or _within_sentence(text, low, ideal, limit)


def _sentence_end(text: str, low: int, ideal: int, high: int, lang: Lang) -> int | None:
    """Return the end of a paragraph or sentence in [low, high] nearest to ``ideal``; None without one.
    ``low`` is at least 1.
    """
    if high < low:
        return None
    slack = max(1, round(ideal * _PARAGRAPH_SLACK))
    paragraph = _nearest_cut(_PARAGRAPH, text, low, ideal, high)
    if paragraph is not None and abs(paragraph - ideal) <= slack:
        return paragraph
    for pattern in (_ZH_END, _EN_END) if lang == "zh" else (_EN_END, _ZH_END):
        if at := _nearest_cut(pattern, text, low, ideal, high):
            wins = paragraph is not None and abs(paragraph - ideal) <= abs(at - ideal) + slack
            return paragraph if wins else at
    return paragraph


def _within_sentence(text: str, low: int, ideal: int, high: int) -> int:
    """Return a cut within a sentence: after a line, comma or space near ``ideal``, else ``ideal`` itself."""
    line = _nearest_cut(_LINE, text, low, ideal, high)
    return line or _nearest_cut(_CLAUSE, text, low, ideal, high) or min(max(ideal, low), high)


def _nearest_cut(pattern: re.Pattern[str], text: str, low: int, ideal: int, high: int) -> int | None:
    """Return the cut nearest to ``ideal`` between two offsets; None without one."""
    return min(_cuts(pattern, text, low, high), key=lambda at: abs(at - ideal), default=None)


def _cuts(pattern: re.Pattern[str], text: str, low: int, high: int) -> Iterator[int]:
    """Yield ends of the pattern's matches within [low, high], trailing space included where it fits."""
    for match in pattern.finditer(text, max(0, low - _CONTEXT), min(len(text), high + _CONTEXT)):
        end = match.end()
        if end > high:
            end = match.start() + len(match.group().rstrip())
        if low <= end <= high and not _is_abbreviation(pattern, text, match):
            yield end


def _is_abbreviation(pattern: re.Pattern[str], text: str, match: re.Match[str]) -> bool:
    """Return whether an English full stop ends an abbreviation (Mr.) rather than a sentence."""
    if pattern is not _EN_END or match.group()[0] != ".":
        return False
    return _ABBREVIATION.search(text, max(0, match.start() - 6), match.start() + 1) is not None
