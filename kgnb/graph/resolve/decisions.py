"""A reader's decisions about a book: which names are one person's, and corrections of the finished graph.

They overrule replies, rules and statistics; a later decision overrules an earlier one that it contradicts.
Merges and splits take effect while names are resolved (:func:`combine_decisions`), corrections on the
finished graph (:mod:`kgnb.graph.project.corrections`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kgnb.graph.model import NAMED_LABELS, RELATION_TYPE

Kind = Literal["merge", "split", "rename", "kind", "tie", "untie", "protagonist", "note"]
OF_NAMES = ("merge", "split")
"""Decisions about names; the other kinds are corrections of the graph."""
GONE = (-1, -1)
"""``chapters`` of a decision all of whose chapters have left the book; it holds again when they are back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A reader's decision about names, or a correction.

    ``merge``: all ``names`` are one person's; the first is the name to show. ``split``: the names after the
    first are another person's. ``split`` with ``chapters`` (first and last number): in these chapters the
    person called by the first name is the person called by the second.

    Corrections: ``rename`` (name, new name); ``kind`` (name), ``detail`` the label it has instead of
    Character, "" for none at all; ``tie`` and ``untie`` (source, target), ``detail`` the relationship type,
    for ``untie`` "" for all, a ``tie`` with ``chapters`` begins in the first of these; ``protagonist``
    (name), ``detail`` "yes" or "no"; ``note`` (name), ``detail`` the text, "" to take it away.

    ``reason``: why, in the reader's words.
    """

    id: int
    kind: Kind
    names: tuple[str, ...]
    made_at: datetime | None = None
    made_by: str = ""
    undone_at: datetime | None = None
    chapters: tuple[int, int] | None = None
    detail: str = ""
    reason: str = ""

    @property
    def in_force(self) -> bool:
        """Whether the decision has not been undone, and the book has chapters for which it was made."""
        return self.undone_at is None and self.chapters != GONE

    @property
    def effect(self) -> tuple[object, ...]:
        """A key that is equal for decisions that change the same: kind, names, chapters, detail."""
        return self.kind, self.names[0], frozenset(self.names), self.chapters, self.detail

    @property
    def subject(self) -> tuple[object, ...]:
        """A key that is equal for corrections of which the later replaces the earlier (not merges and
        splits).

        A ``tie`` and an ``untie`` of the same pair and type have the same key.
        """
        about = self.detail if self.kind in ("tie", "untie") else ""
        return ("tie" if self.kind == "untie" else self.kind), frozenset(self.names), about


def check_form(decision: Decision) -> None:
    """Raise ValueError where the number of names or the detail doesn't suit the decision's kind."""
    kind, count = decision.kind, len(decision.names)
    if count < 2 if kind in OF_NAMES else count != (1 if kind in _OF_ONE else 2):
        raise ValueError(f"{kind} needs other names")
    if (pattern := _DETAILS.get(kind)) and not re.fullmatch(pattern, decision.detail):
        raise ValueError(f"{kind} needs another detail")


_OF_ONE = ("kind", "protagonist", "note")
_DETAILS = {
    "kind": "|".join(("", *NAMED_LABELS[1:])),
    "tie": RELATION_TYPE.pattern,
    "untie": f"({RELATION_TYPE.pattern})?",
    "protagonist": "yes|no",
}
"""Kind → form of its detail; of other kinds it is any text."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a decision: as stored (its id is 0 where it says nothing new), or why it was not
    (``problem``).

    ``new``: False where the same stood already.
    """

    decision: Decision
    new: bool = False
    problem: str = ""


Pair = tuple[str, str]


@dataclass(slots=True)
class CombinedDecisions:
    """The combined effect of all decisions in force."""

    merged: dict[Pair, int] = field(default_factory=dict)
    """Sorted pair of names → id of the decision that makes them one person's."""
    separated: dict[Pair, int] = field(default_factory=dict)
    """Sorted pair of names → id of the decision that makes them two persons'."""
    preferred: list[str] = field(default_factory=list)
    """Names that persons are to be called by, latest decision first."""
    split_off: dict[str, list[str]] = field(default_factory=dict)
    """Name → names that splits took from it."""
    reassigned: list[tuple[str, str, int, int]] = field(default_factory=list)
    """(name, name of the person meant there, first chapter, last chapter), latest decision first."""

    @property
    def names(self) -> frozenset[str]:
        """Every name in a merged or a separated pair."""
        return frozenset(name for names in (*self.merged, *self.separated) for name in names)


def pair(one: str, other: str) -> Pair:
    """Return the two names as a sorted pair."""
    return (one, other) if one < other else (other, one)


def combine_decisions(decisions: Iterable[Decision]) -> CombinedDecisions:
    """Return the joint effect of the merges and splits in force, applied in the order of their ids.

    Decisions of other kinds are ignored. Names are nodes, merges are links: a split takes links away, and two
    that are connected in the end are no longer separated.
    """
    links: _Links = defaultdict(dict)
    apart: dict[Pair, int] = {}
    preferred: dict[str, None] = {}  # earliest decision first
    reassigned = []
    for decision in sorted(decisions, key=lambda d: d.id):
        if decision.kind not in OF_NAMES or not decision.in_force or len(decision.names) < 2:
            continue
        first, second, *more = decision.names
        if decision.chapters is not None:
            reassigned.append((first, second, *decision.chapters))
            continue
        named, others = (first, [second, *more]) if decision.kind == "merge" else (second, more)
        if decision.kind == "split":
            leaving = {second, *more} - {first}
            staying = _connected(links, first) - leaving
            for name in leaving:
                for other in links[name].keys() & staying:
                    del links[name][other], links[other][name]
                preferred.pop(name, None)
            apart |= {(first, name): decision.id for name in sorted(leaving)}
        for other in set(others) - {named}:
            links[named][other] = links[other][named] = decision.id
        preferred.pop(named, None)
        preferred[named] = None
    group = {}
    for name in links:
        group.update(dict.fromkeys(_connected(links, name), name) if name not in group else {})
    apart = {(one, other): n for (one, other), n in apart.items() if group.get(one, one) != group.get(other)}
    split_off = defaultdict[str, list[str]](list)
    for one, other in apart:
        split_off[one].append(other)
    return CombinedDecisions(
        merged={(a, b): number for a, found in links.items() for b, number in found.items() if a < b},
        separated={pair(*names): number for names, number in apart.items()},
        preferred=list(reversed(preferred)),
        split_off=split_off,
        reassigned=reassigned[::-1],
    )


_Links = dict[str, dict[str, int]]
"""Name → name that a merge links with it → id of the decision; both ways."""


def _connected(links: _Links, name: str) -> set[str]:
    """Return ``name`` and all names that links connect to it, directly or not (breadth-first search)."""
    found, queue = {name}, [name]
    for one in queue:  # grows while it is iterated
        new = links.get(one, {}).keys() - found
        found |= new
        queue += new
    return found
