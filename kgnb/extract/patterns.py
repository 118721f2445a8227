"""Relation patterns: regular expressions on the words between two neighbouring names."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from kgnb.extract.model import NameEntry

STATED = 0.7
"""Confidence of a relation that names both persons."""
DENIED = 0.0
"""Confidence of a relation that the text says two persons don't have: it undoes what is only guessed."""
MAX_AFTER = 40
"""Characters behind the second name that a pattern may use."""


class Mention(NamedTuple):
    """An occurrence of a name of the book's table in a chapter; ``form``: the name or alias used there."""

    entry: NameEntry
    form: str
    start: int
    end: int


def between(mentions: Sequence[Mention], start: int, end: int) -> Sequence[Mention]:
    """Return the mentions, which are in order, that start in ``start``-``end``."""
    starts = attrgetter("start")
    return mentions[bisect_left(mentions, start, key=starts) : bisect_left(mentions, end, key=starts)]


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
    """Regular expressions for the text between names A and B, for what follows B, and where that must end.

    The relation goes from A to B; ``inverted``: from B to A. ``prefix``: what stands before ``between``.
    """

    between: str
    type: str
    after: str = ""
    end: str = ""
    inverted: bool = False
    prefix: str = ""


class PatternMatcher:
    """Patterns in order of precedence; the first that fits a pair of names gives their relation.

    Those with the same words between the names and the same end are tried together, where the first of them
    stands, and neighbours with the same prefix behind one match of it.
    """

    def __init__(self, patterns: Sequence[RelationPattern], never: str = "") -> None:
        """``never``: characters that no pattern has between two names."""
        self._patterns, self._never = tuple(patterns), frozenset(never)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        """Matches gap, tab and what follows; its groups are numbered as the patterns. Most gaps fit none."""
        following: dict[tuple[str, str, str], list[str]] = {}
        for number, pattern in enumerate(self._patterns):
            group = following.setdefault((pattern.prefix, pattern.between, pattern.end), [])
            group.append(f"(?P<p{number}>{pattern.after})")
        branches = groupby(following.items(), key=lambda item: item[0][0])
        return re.compile("|".join(f"{prefix}(?:{_either(group)})" for prefix, group in branches))

    def match(self, text: str, people: Sequence[Mention], max_gap: int) -> list[PatternMatch]:
        """Return the relations between neighbouring mentions at most ``max_gap`` characters apart."""
        found = []
        for a, b in pairwise(people):
            if not 0 <= b.start - a.end <= max_gap or a.entry.name == b.entry.name:
                continue
            between = text[a.end : b.start]
            if not self._never.isdisjoint(between):
                continue
            # A normalised text has no tab.
            fits = self._expression.match(f"{between}\t{text[b.end : b.end + MAX_AFTER]}")
            if fits and fits.lastgroup:
                pattern = self._patterns[int(fits.lastgroup[1:])]
                one, other = (b, a) if pattern.inverted else (a, b)
                gap, _, after = fits[0].partition("\t")
                label, end = (gap + after).strip(" ,，的之是乃"), b.end + len(after)
                names = one.entry.name, pattern.type, other.entry.name
                found.append(PatternMatch(*names, label, a.start, end))
        return found


def _either(group: Iterable[tuple[tuple[str, str, str], list[str]]]) -> str:
    """Gap, tab and what follows of patterns with one prefix."""
    return "|".join(f"(?:{gap})\t(?:{'|'.join(after)})(?:{end})" for (_, gap, end), after in group)
