"""What a person decided about a book's names: people to be one, and names to be someone else's.

Decisions come before everything that replies, rules or statistics say; a later one before an earlier one that
it contradicts. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["merge", "split"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. ``merge``: all ``names`` are one person's, who is called by the first. ``split``: the
    names after the first are not the first one's; together they are one person's. With ``chapters`` (first
    and last number): who is called by the first name there is the one called by the second."""

    id: int
    kind: Kind
    names: tuple[str, ...]
    made_at: datetime | None = None
    made_by: str = ""
    undone_at: datetime | None = None
    chapters: tuple[int, int] | None = None

    @property
    def in_force(self) -> bool:
        """Whether it wasn't taken back."""
        return self.undone_at is None


@dataclass(frozen=True, slots=True)
class DecisionOutcome:
    """What a command about names did; ``changed`` is False where it was so before, ``id`` then perhaps 0."""

    kind: Kind
    names: tuple[str, ...]
    id: int = 0
    changed: bool = True


Pair = tuple[str, str]


@dataclass(slots=True)
class CombinedDecisions:
    """What all standing decisions come to."""

    together: dict[Pair, int] = field(default_factory=dict)
    """(name, name in order) → the decision that makes them one."""
    apart: dict[Pair, int] = field(default_factory=dict)
    """(name, name in order) → the decision that makes them two."""
    called: list[str] = field(default_factory=list)
    """Names that people are to be called by, the strongest first."""
    parted: dict[str, list[str]] = field(default_factory=dict)
    """Name → names that a split took from it."""
    moved: list[tuple[str, str, int, int]] = field(default_factory=list)
    """(name, whose it is there, first chapter, last chapter), the strongest first."""

    @property
    def names(self) -> frozenset[str]:
        """Every name that a decision is about."""
        return frozenset(name for pair in (*self.together, *self.apart) for name in pair)


def pair(one: str, other: str) -> Pair:
    """The two names in order."""
    return (one, other) if one < other else (other, one)


def combine_decisions(decisions: Iterable[Decision]) -> CombinedDecisions:
    """Puts the standing decisions together, in the order in which they were made."""
    found = CombinedDecisions()
    for decision in sorted(decisions, key=lambda d: d.id):
        if not decision.in_force or len(decision.names) < 2:
            continue
        if decision.chapters is not None:
            first, last = decision.chapters
            found.moved.insert(0, (decision.names[0], decision.names[1], first, last))
        else:
            (_merge if decision.kind == "merge" else _split)(found, decision)
    return found


def _merge(found: CombinedDecisions, decision: Decision) -> None:
    first, *others = decision.names
    mine = _reach(found.together, *decision.names)
    found.apart = {p: i for p, i in found.apart.items() if not mine.issuperset(p)}
    found.together |= {pair(first, other): decision.id for other in others if other != first}
    for name in mine & found.parted.keys():
        found.parted[name] = [alias for alias in found.parted[name] if alias not in mine]
    found.called = [first, *(name for name in found.called if name not in mine)]


def _split(found: CombinedDecisions, decision: Decision) -> None:
    first, own, *more = decision.names
    leaving = {own, *more} - {first}
    crossing = [p for p in found.together if len(leaving.intersection(p)) == 1]
    for one in crossing:  # what made one of the leaving names one with anybody who stays
        if first in _reach(found.together, one[0]):
            del found.together[one]
    found.together |= {pair(own, other): decision.id for other in more if other != own}
    found.apart |= {pair(first, name): decision.id for name in leaving}
    found.parted.setdefault(first, []).extend(sorted(leaving))
    found.called = [own, *(name for name in found.called if name not in leaving)]


def _reach(together: Iterable[Pair], *names: str) -> frozenset[str]:
    """The names that decisions make one with any of ``names``, themselves included."""
    near: dict[str, list[str]] = defaultdict(list)
    for one, other in together:
        near[one].append(other)
        near[other].append(one)
    found, todo = set(names), list(names)
    for name in todo:  # grows while it is gone through
        more = [other for other in near.get(name, ()) if other not in found]
        found.update(more)
        todo += more
    return frozenset(found)


def is_same(
    decision: Decision, kind: Kind, names: Sequence[str], chapters: tuple[int, int] | None = None
) -> bool:
    """Whether the decision says just this."""
    said = (decision.kind, decision.names[0], set(decision.names), decision.chapters)
    return said == (kind, names[0], set(names), chapters)
