"""Relation patterns: regular expressions on the words between two neighbouring names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.model import NameEntry

STATED = 0.7
"""Confidence of a relation that names both persons."""
MAX_AFTER = 40
"""Characters behind the second name that a pattern may use."""


class Mention(NamedTuple):
    """An occurrence of a name of the book's table in a chapter; ``form``: the name or alias used there."""

    entry: NameEntry
    form: str
    start: int
    end: int


class PatternMatch(NamedTuple):
    """A relation that the text states in words; ``label`` holds the words, ``start`` and ``end`` offsets."""

    source: str
    type: str
    target: str
    label: str
    start: int
    end: int
    confidence: float = STATED


class RelationPattern(NamedTuple):
    """Regular expressions for the text between names A and B and for what follows B.

    The relation goes from A to B; ``inverted``: from B to A.
    """

    between: str
    type: str
    after: str = ""
    inverted: bool = False


class PatternMatcher:
    """Patterns in order of precedence; the first that fits a pair of names gives their relation."""

    def __init__(self, patterns: Sequence[RelationPattern]) -> None:
        self._patterns = tuple(patterns)

    @cached_property
    def _between(self) -> re.Pattern[str]:
        """What may stand between names, each a group numbered as its first pattern; most gaps fit none."""
        numbers: dict[str, int] = {}
        for number, pattern in enumerate(self._patterns):
            numbers.setdefault(pattern.between, number)
        return re.compile("|".join(f"(?P<p{number}>{between})" for between, number in numbers.items()))

    def match(self, text: str, people: Sequence[Mention], max_gap: int) -> list[PatternMatch]:
        """Return the relations between neighbouring mentions at most ``max_gap`` characters apart."""
        found = []
        for a, b in pairwise(people):
            if not 0 <= b.start - a.end <= max_gap or a.entry.name == b.entry.name:
                continue
            gap = self._between.fullmatch(text, a.end, b.start)
            if gap and gap.lastgroup and (match := self._first_match(text, a, b, int(gap.lastgroup[1:]))):
                found.append(match)
        return found

    def _first_match(self, text: str, a: Mention, b: Mention, number: int) -> PatternMatch | None:
        """The relation by pattern ``number``, which fits the gap, or the next that fits what follows too."""
        gap, tail = text[a.end : b.start], text[b.end : b.end + MAX_AFTER]
        for i, pattern in enumerate(self._patterns[number:]):
            fits = i == 0 or re.fullmatch(pattern.between, gap)
            following = re.match(pattern.after, tail) if fits else None
            if not following:
                continue
            source, target = (b, a) if pattern.inverted else (a, b)
            label = (gap + following[0]).strip(" ,，的之是乃")
            end = b.end + len(following[0])
            return PatternMatch(source.entry.name, pattern.type, target.entry.name, label, a.start, end)
        return None
