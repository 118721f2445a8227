"""The shapes that the rules of both languages hand on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.model import NameEntry


class Mention(NamedTuple):
    """A name of the book's table where it stands in a chapter."""

    entry: NameEntry
    form: str
    start: int
    end: int


class PatternMatch(NamedTuple):
    """A tie that the text states in words; ``label`` holds the words."""

    source: str
    type: str
    target: str
    label: str
    start: int
    end: int


class Rule(NamedTuple):
    """A form of words around two names A and B: expressions for what stands between them and what follows B.

    ``turned``: the tie goes from B to A.
    """

    between: str
    after: str
    type: str
    turned: bool = False


class Rules:
    """Rules in order of precedence; the first that fits a pair of names tells their tie."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    @cached_property
    def _any(self) -> re.Pattern[str]:
        """Hardly any gap between two names is a tie's words: one expression turns the others away."""
        return re.compile("|".join(f"(?:{r.between})" for r in self._rules))

    @cached_property
    def _compiled(self) -> list[tuple[re.Pattern[str], re.Pattern[str], Rule]]:
        return [(re.compile(r.between), re.compile(r.after), r) for r in self._rules]

    def match(self, text: str, people: Sequence[Mention], reach: int) -> list[PatternMatch]:
        """The ties between neighbouring names at most ``reach`` characters apart."""
        found = []
        for a, b in pairwise(people):
            if not 0 <= b.start - a.end <= reach or a.entry.name == b.entry.name:
                continue
            if self._any.fullmatch(text, a.end, b.start):
                frame = self._frame(text, a, b)
                if frame:
                    found.append(frame)
        return found

    def _frame(self, text: str, a: Mention, b: Mention) -> PatternMatch | None:
        gap, tail = text[a.end : b.start], text[b.end : b.end + 40]
        for between, after, rule in self._compiled:
            said = after.match(tail) if between.fullmatch(gap) else None
            if not said:
                continue
            source, target = (b, a) if rule.turned else (a, b)
            follows = said[0]
            label = (gap + follows).strip(" ,，的之是乃")
            return PatternMatch(
                source.entry.name, rule.type, target.entry.name, label, a.start, b.end + len(follows)
            )
        return None
