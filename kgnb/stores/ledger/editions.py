"""Whether two texts of one title and author are one work: a second volume must not overwrite the first.

Sampled passages of stored chapters are searched in the new text. Only letters and digits count, case and
Chinese script folded, so that new punctuation, white space, headings and inserted chapters change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from kgnb.book.model import Book
from kgnb.extract.zh.script import fold

CHAPTERS = 8
"""Stored chapters that are sampled."""
PASSAGES = 20
"""Passages sampled from each."""
LENGTH = {"zh": 12, "en": 36}
"""Letters of a passage: long enough that two works of one author seldom share one, short enough that a few
changed words spare most."""
MIN_SHARED = 0.1
"""Least share of passages found in the same work: revised editions share most, other works and other volumes
next to none."""


def sample_evenly(ids: list[int]) -> list[int]:
    """At most :data:`CHAPTERS` of the ids, evenly spaced."""
    step = max(1, len(ids) // CHAPTERS)
    return ids[::step][:CHAPTERS]


def is_same_work(texts: Iterable[str], book: Book) -> bool:
    """Whether ``texts`` of a novel's chapters occur in the book; True if they are too short to tell."""
    size = LENGTH[book.lang]
    passages = [passage for text in texts for passage in _passages(_letters(text), size)]
    if not passages:
        return True
    whole = "".join(_letters(chapter.text) for chapter in book.chapters)
    return sum(passage in whole for passage in passages) >= MIN_SHARED * len(passages)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, fold(text).casefold()))


def _passages(letters: str, size: int) -> list[str]:
    step = max(1, (len(letters) - size) // PASSAGES)
    return [letters[at : at + size] for at in range(0, len(letters) - size + 1, step)][:PASSAGES]
