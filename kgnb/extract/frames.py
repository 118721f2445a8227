"""The shapes that the rules of both languages hand on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from kgnb.model import NameEntry


class Mention(NamedTuple):
    """A name of the book's table where it stands in a chapter."""

    entry: NameEntry
    form: str
    start: int
    end: int


class Frame(NamedTuple):
    """A tie that the text states in words; ``label`` holds the words."""

    source: str
    type: str
    target: str
    label: str
    start: int
    end: int


class Rule(NamedTuple):
    """A form of words around two names A and B: what stands between them and what follows B.

    ``turned``: the tie goes from B to A.
    """

    between: re.Pattern[str]
    after: re.Pattern[str] | None
    type: str
    turned: bool = False


def match_rules(text: str, people: Sequence[Mention], rules: Sequence[Rule], reach: int) -> list[Frame]:
    """The ties that ``rules`` find between neighbouring names at most ``reach`` characters apart."""
    found = []
    for a, b in pairwise(people):
        if not 0 <= b.start - a.end <= reach or a.entry.name == b.entry.name:
            continue
        gap, tail = text[a.end : b.start], text[b.end : b.end + 40]
        for rule in rules:
            between = rule.between.fullmatch(gap)
            if not between:
                continue
            after = rule.after.match(tail) if rule.after else None
            if rule.after and not after:
                continue
            source, target = (b, a) if rule.turned else (a, b)
            label = (gap + (after[0] if after else "")).strip(" ,，的之是乃")
            found.append(
                Frame(
                    source.entry.name,
                    rule.type,
                    target.entry.name,
                    label,
                    a.start,
                    b.end + len(after[0] if after else ""),
                )
            )
            break
    return found
