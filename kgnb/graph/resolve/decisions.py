"""A person's decisions about a book's names: which names are one person's, and which are not.

They overrule replies, rules and statistics; a later decision overrules an earlier one that it contradicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["merge", "split"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision.

    ``merge``: all ``names`` are one person's, who is called by the first. ``split``: the names after the
    first are another person's. ``split`` with ``chapters`` (first and last number): in these chapters the
    person called by the first name is the one called by the second.
    """

    id: int
    kind: Kind
    names: tuple[str, ...]
    made_at: datetime | None = None
    made_by: str = ""
    undone_at: datetime | None = None
    chapters: tuple[int, int] | None = None

    @property
    def in_force(self) -> bool:
        """Whether it has not been undone."""
        return self.undone_at is None

    @property
    def effect(self) -> tuple[object, ...]:
        """Equal for decisions that say the same."""
        return self.kind, self.names[0], frozenset(self.names), self.chapters


@dataclass(frozen=True, slots=True)
class DecisionOutcome:
    """What a command about names did; where it changed nothing ``changed`` is False and ``id`` may be 0."""

    kind: Kind
    names: tuple[str, ...]
    id: int = 0
    changed: bool = True


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
        """Every name that a merge or a split is about."""
        return frozenset(name for names in (*self.merged, *self.separated) for name in names)


def pair(one: str, other: str) -> Pair:
    """The two names, sorted."""
    return (one, other) if one < other else (other, one)


def combine_decisions(decisions: Iterable[Decision]) -> CombinedDecisions:
    """Apply the decisions in force in the order of their ids."""
    found = CombinedDecisions()
    for decision in sorted(decisions, key=lambda d: d.id):
        if not decision.in_force or len(decision.names) < 2:
            continue
        if decision.chapters is not None:
            found.reassigned.insert(0, (decision.names[0], decision.names[1], *decision.chapters))
        elif decision.kind == "merge":
            _merge(found, decision)
        else:
            _split(found, decision)
    return found


def _merge(found: CombinedDecisions, decision: Decision) -> None:
    first, *others = decision.names
    person = _connected(found.merged, *decision.names)
    found.separated = {p: i for p, i in found.separated.items() if not person.issuperset(p)}
    found.merged |= {pair(first, other): decision.id for other in others if other != first}
    for name in person & found.split_off.keys():
        found.split_off[name] = [alias for alias in found.split_off[name] if alias not in person]
    found.preferred = [first, *(name for name in found.preferred if name not in person)]


def _split(found: CombinedDecisions, decision: Decision) -> None:
    first, own, *more = decision.names
    leaving = {own, *more} - {first}
    crossing = [p for p in found.merged if len(leaving.intersection(p)) == 1]
    for link in crossing:  # drop merges of a leaving name with a name that stays
        if first in _connected(found.merged, link[0]):
            del found.merged[link]
    found.merged |= {pair(own, other): decision.id for other in more if other != own}
    found.separated |= {pair(first, name): decision.id for name in leaving}
    found.split_off.setdefault(first, []).extend(sorted(leaving))
    found.preferred = [own, *(name for name in found.preferred if name not in leaving)]


def _connected(merged: Iterable[Pair], *names: str) -> frozenset[str]:
    """``names`` and all names that merges connect to them, directly or not (breadth-first search)."""
    adjacent: dict[str, list[str]] = defaultdict(list)
    for one, other in merged:
        adjacent[one].append(other)
        adjacent[other].append(one)
    found, queue = set(names), list(names)
    for name in queue:  # grows while it is iterated
        new = [other for other in adjacent.get(name, ()) if other not in found]
        found.update(new)
        queue += new
    return frozenset(found)
