"""Who talks to whom: "Come," said Mr. Dale. In the next paragraph: "I will," said Tom, who is another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kgnb.extract.en.paragraphs import Paragraphs

MIN_TURNS = 2
"""Answers of two people to each other, at least, if neither is said to speak less often than twice that."""
MIN_SHARE = 0.05
"""Least share of the speeches of who speaks less that stand next to one of the other's."""


class Conversations:
    """The speeches of one book, by the name of who speaks."""

    def __init__(self, paragraphs: Paragraphs, offsets: Mapping[str, Sequence[int]]) -> None:
        self._paragraphs = paragraphs
        self._offsets = offsets
        self._known: dict[str, frozenset[int]] = {}

    def of(self, names: Iterable[str]) -> frozenset[int]:
        """Return the paragraphs in which any of these names is said to speak."""
        return frozenset[int]().union(*map(self._of, names))

    def _of(self, name: str) -> frozenset[int]:
        if name not in self._known:
            paragraphs = self._paragraphs
            self._known[name] = frozenset(
                paragraphs.number(at)
                for at in self._offsets[name]
                if paragraphs.is_answer(at, at + len(name))
            )
        return self._known[name]

    def are_two(self, ones: Iterable[str], others: Iterable[str]) -> bool:
        """Return whether bearers of these names answer each other, so that they are not one person.

        Who has just spoken is hardly ever named anew, and otherwise, in the next paragraph.
        """
        mine, theirs = self.of(ones), self.of(others)
        turns = sum((k - 1 in theirs) + (k + 1 in theirs) for k in mine)
        speeches = min(len(mine), len(theirs))
        return turns > MIN_SHARE * speeches and (turns >= MIN_TURNS or 2 * turns >= speeches)
