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
    def _any_between(self) -> re.Pattern[str]:
        """One expression that rejects most gaps at once: hardly any states a relation."""
        return re.compile(
            "|".join(f"(?:{between})" for between in dict.fromkeys(p.between for p in self._patterns))
        )

    @cached_property
    def _compiled(self) -> list[tuple[re.Pattern[str], re.Pattern[str], RelationPattern]]:
        return [(re.compile(p.between), re.compile(p.after), p) for p in self._patterns]

    def match(self, text: str, people: Sequence[Mention], max_gap: int) -> list[PatternMatch]:
        """Return the relations between neighbouring mentions at most ``max_gap`` characters apart."""
        found = []
        for a, b in pairwise(people):
            if not 0 <= b.start - a.end <= max_gap or a.entry.name == b.entry.name:
                continue
            if self._any_between.fullmatch(text, a.end, b.start) and (match := self._first_match(text, a, b)):
                found.append(match)
        return found

    def _first_match(self, text: str, a: Mention, b: Mention) -> PatternMatch | None:
        gap, tail = text[a.end : b.start], text[b.end : b.end + MAX_AFTER]
        for between, after, pattern in self._compiled:
            following = after.match(tail) if between.fullmatch(gap) else None
            if not following:
                continue
            source, target = (b, a) if pattern.inverted else (a, b)
            label = (gap + following[0]).strip(" ,，的之是乃")
            end = b.end + len(following[0])
            return PatternMatch(source.entry.name, pattern.type, target.entry.name, label, a.start, end)
        return None
