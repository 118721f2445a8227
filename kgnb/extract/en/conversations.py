"""Conversations of an English book: persons who speak in turns, paragraph by paragraph, are different
persons.

In ``"Come," said Mr. Dale.`` and, in the next paragraph, ``"I will," said Tom.``, Tom is not Mr. Dale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kgnb.extract.en.paragraphs import Paragraphs

MIN_TURNS = 2
"""Turns that show two speakers to be two persons; fewer do if they are half of the speeches of the rarer
speaker."""
MIN_SHARE = 0.05
"""Turns must exceed this share of the speeches of the rarer speaker."""


class Conversations:
    """The paragraphs of one book in which each name speaks; ``offsets``: name → offsets of its
    occurrences."""

    def __init__(self, paragraphs: Paragraphs, offsets: Mapping[str, Sequence[int]]) -> None:
        self._paragraphs = paragraphs
        self._offsets = offsets
        self._known: dict[str, frozenset[int]] = {}

    def of(self, names: Iterable[str]) -> frozenset[int]:
        """Return the numbers of the paragraphs that are speeches of any of ``names`` (see
        :meth:`Paragraphs.is_answer`)."""
        return frozenset[int]().union(*map(self._of, names))

    def _of(self, name: str) -> frozenset[int]:
        """Return the numbers of the paragraphs that are speeches of one name; cached."""
        if name not in self._known:
            paragraphs = self._paragraphs
            self._known[name] = frozenset(
                paragraphs.number(at)
                for at in self._offsets[name]
                if paragraphs.is_answer(at, at + len(name))
            )
        return self._known[name]

    def are_two(self, ones: Iterable[str], others: Iterable[str]) -> bool:
        """Return whether names ``ones`` and names ``others`` speak in neighbouring paragraphs so often that
        they belong to two persons.

        A turn is a paragraph of ``ones`` right before or behind a paragraph of ``others``. A book hardly ever
        names the same speaker again, by another name, in the next paragraph.
        """
        mine, theirs = self.of(ones), self.of(others)
        turns = sum((k - 1 in theirs) + (k + 1 in theirs) for k in mine)
        speeches = min(len(mine), len(theirs))
        return turns > MIN_SHARE * speeches and (turns >= MIN_TURNS or 2 * turns >= speeches)
