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
        """Whether the decision has not been undone."""
        return self.undone_at is None

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
    if count < 2 if kind in ("merge", "split") else count != (1 if kind in _OF_ONE else 2):
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

    Decisions of other kinds are ignored.
    """
    combiner = _Combiner()
    for decision in sorted(decisions, key=lambda d: d.id):
        if decision.kind not in ("merge", "split") or not decision.in_force or len(decision.names) < 2:
            continue
        if decision.chapters is not None:
            combiner.reassigned.append((decision.names[0], decision.names[1], *decision.chapters))
        elif decision.kind == "merge":
            combiner.merge(decision)
        else:
            combiner.split(decision)
    return combiner.combined()


@dataclass(eq=False, slots=True)
class _Group:
    """Names that merges connect, and those of them that a person is to be called by."""

    names: set[str]
    preferred: set[str] = field(default_factory=set)


class _Combiner:
    """The decisions so far: names as nodes, merges as links, connected components as groups.

    Groups are united smaller into larger, so that n merges cost n log n steps; a split costs a search of the
    group that it divides.
    """

    def __init__(self) -> None:
        self.reassigned: list[tuple[str, str, int, int]] = []
        self._links: dict[str, dict[str, int]] = defaultdict(dict)  # name → linked name → decision
        self._apart: dict[str, dict[str, int]] = defaultdict(dict)  # both ways
        self._split_off: dict[str, list[str]] = {}
        self._preferred: dict[str, None] = {}  # earliest decision first
        self._groups: dict[str, _Group] = {}

    def combined(self) -> CombinedDecisions:
        """Return the joint effect of the decisions so far."""
        return CombinedDecisions(
            merged=_pairs(self._links),
            separated=_pairs(self._apart),
            preferred=list(reversed(self._preferred)),
            split_off=self._split_off,
            reassigned=self.reassigned[::-1],
        )

    def merge(self, decision: Decision) -> None:
        first, *others = decision.names
        for other in others:
            self._link(first, other, decision.id)
        group = self._group(first)
        for name in group.preferred:
            self._preferred.pop(name, None)
        self._prefer(first, group)

    def split(self, decision: Decision) -> None:
        first, own, *more = decision.names
        leaving = {own, *more} - {first}
        self._divide(first, leaving)
        for other in more:
            self._link(own, other, decision.id)
        for name in leaving:
            self._apart[first][name] = self._apart[name][first] = decision.id
            self._preferred.pop(name, None)
        self._split_off.setdefault(first, []).extend(sorted(leaving))
        self._preferred.pop(own, None)
        self._prefer(own, self._group(own))

    def _prefer(self, name: str, group: _Group) -> None:
        self._preferred[name] = None
        group.preferred = {*group.preferred.intersection(self._preferred), name}

    def _group(self, name: str) -> _Group:
        """Return the group of a name, a new one for a name without group."""
        return self._groups.setdefault(name, _Group({name}))

    def _link(self, one: str, other: str, number: int) -> None:
        if one == other:
            return
        self._links[one][other] = self._links[other][one] = number
        small, large = sorted((self._group(one), self._group(other)), key=lambda group: len(group.names))
        if small is large:
            return
        for name in small.names:
            self._groups[name] = large
            for apart in [n for n in self._apart.get(name, ()) if n in large.names]:
                self._reunite(name, apart)
        large.names |= small.names
        large.preferred |= small.preferred

    def _reunite(self, *names: str) -> None:
        """The names are one person's again."""
        for one, other in (names, names[::-1]):
            del self._apart[one][other]
            if one in self._split_off:
                self._split_off[one] = [alias for alias in self._split_off[one] if alias != other]

    def _divide(self, first: str, leaving: set[str]) -> None:
        """Drop links of the leaving names with other names of the first one's person."""
        group = self._group(first)
        for name in leaving & group.names:
            for other in [n for n in self._links.get(name, ()) if n in group.names and n not in leaving]:
                del self._links[name][other], self._links[other][name]
        self._regroup(group)

    def _regroup(self, group: _Group) -> None:
        left = set(group.names)
        while left:
            names = self._connected(left.pop())
            left -= names
            part = _Group(names, group.preferred & names)
            self._groups.update(dict.fromkeys(names, part))

    def _connected(self, name: str) -> set[str]:
        """Return ``name`` and all names that links connect to it, directly or not (breadth-first search)."""
        found, queue = {name}, [name]
        for one in queue:  # grows while it is iterated
            new = [n for n in self._links.get(one, ()) if n not in found]
            found.update(new)
            queue += new
        return found


def _pairs(links: dict[str, dict[str, int]]) -> dict[Pair, int]:
    """Return sorted pair → number, from name → other name → number."""
    return {
        (one, other): number for one, found in links.items() for other, number in found.items() if one < other
    }
