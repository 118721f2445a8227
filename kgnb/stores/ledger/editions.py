"""Whether two texts of one title and author are one work: a second volume overwrites no chapter of the first.

Passages of chapters that are there are looked up in the new text, letters and digits only and folded, so that
new punctuation, white space, headings, inserted chapters and the other Chinese script change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from kgnb.book.model import Book
from kgnb.extract.zh.script import fold

CHAPTERS = 8
"""Chapters that are looked into, spread over the novel."""
PASSAGES = 20
"""Passages of each of them."""
LENGTH = {"zh": 12, "en": 36}
"""Letters of a passage: long enough that two works by one author seldom share one, short enough that a word
changed here and there leaves most."""
ALIKE = 0.1
"""Share of passages found from which on it is the same work: revised editions share most, other works and
other volumes next to none."""


def spread(ids: list[int]) -> list[int]:
    """At most :data:`CHAPTERS` of the ids, evenly."""
    step = max(1, len(ids) // CHAPTERS)
    return ids[::step][:CHAPTERS]


def same_work(texts: Iterable[str], book: Book) -> bool:
    """Whether ``texts`` of a novel's chapters stand in the book; also where they are too short to tell."""
    size = LENGTH[book.lang]
    passages = [passage for text in texts for passage in _passages(_letters(text), size)]
    if not passages:
        return True
    whole = "".join(_letters(chapter.text) for chapter in book.chapters)
    return sum(passage in whole for passage in passages) >= ALIKE * len(passages)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, fold(text).casefold()))


def _passages(letters: str, size: int) -> list[str]:
    step = max(1, (len(letters) - size) // PASSAGES)
    return [letters[at : at + size] for at in range(0, len(letters) - size + 1, step)][:PASSAGES]
