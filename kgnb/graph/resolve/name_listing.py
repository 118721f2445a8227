"""The names of a book as a person reads them: who there is, what else they are called, and why. Pure."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kgnb.extract.model import NameEntry
from kgnb.graph.model import NAMED_LABELS, Graph
from kgnb.graph.project.graph_builder import NameResolution
from kgnb.graph.resolve.identity import MergeReason, Persons
from kgnb.graph.resolve.spelling import folded

NEAREST = 5
"""Names that are suggested for one that is unknown."""
ALIKE = 0.4
"""How alike (0-1, difflib's ratio) a suggested name is at least."""


@dataclass(frozen=True, slots=True)
class NameReason:
    """Why an alias is somebody's, and ``other``, the name it was joined with.

    ``kind``: ``reply`` (``detail``: chapters that say so), ``table`` (the pre-scan's reason), ``hand`` (the
    decision's id), ``called`` (chapters where a word of several means this one) or ``spelling``."""

    alias: str
    other: str
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ListedName:
    """Somebody or something of a book. ``mentions``: as the pre-scan counted them, at least ``chapters``."""

    name: str
    aliases: tuple[str, ...]
    mentions: int
    kind: str
    chapters: int = 0
    reasons: tuple[NameReason, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The object that ``names --json`` prints."""
        return {
            "name": self.name,
            "aliases": list(self.aliases),
            "mentions": self.mentions,
            "kind": self.kind,
            "chapters": self.chapters,
            "reasons": [
                {"alias": w.alias, "with": w.other, "kind": w.kind, "detail": w.detail} for w in self.reasons
            ],
        }


def list_names(
    graph: Graph, people: NameResolution, entries: Sequence[NameEntry], kinds: Collection[str] = NAMED_LABELS
) -> list[ListedName]:
    """Everybody and everything of these ``kinds`` that is in the graph, the most mentioned first.

    Before the first chapter has a row it is what the name table ``entries`` has.
    """
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        name = people.of(entry.name)
        counts[entry.kind, people.joined.person(name) if entry.kind == "Character" else name] += (
            entry.mentions
        )
    nodes = [n for n in graph.nodes.values() if n.label in NAMED_LABELS]
    if not any(n.label == "Chapter" for n in graph.nodes.values()):
        found = _of_table(people, entries, counts)
    else:
        found = [_named(people, n.label, n.key, n.properties, counts) for n in nodes]
    found.sort(key=lambda one: (-one.mentions, -one.chapters, one.kind, one.name))
    return [one for one in found if one.kind in kinds]


def _named(
    people: NameResolution,
    label: str,
    name: str,
    facts: Mapping[str, Any],
    counts: Mapping[tuple[str, str], int],
) -> ListedName:
    aliases = tuple(facts.get("aliases") or ())
    chapters = facts.get("count") or 0
    why = _reasons(people, name, aliases) if label == "Character" else ()
    return ListedName(name, aliases, max(counts.get((label, name), 0), chapters), label, chapters, why)


def _of_table(
    people: NameResolution, entries: Iterable[NameEntry], counts: Mapping[tuple[str, str], int]
) -> list[ListedName]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        name = people.of(entry.name)
        person = people.joined.person(name) if entry.kind == "Character" else name
        found[entry.kind, person] |= {name, *map(people.of, entry.aliases)}
    return [
        _named(people, kind, name, {"aliases": sorted(names - {name})}, counts)
        for (kind, name), names in found.items()
    ]


def _reasons(people: NameResolution, name: str, aliases: Sequence[str]) -> tuple[NameReason, ...]:
    joined = people.joined
    known = _ways(joined, name)
    found = []
    for alias in aliases:
        if alias in known:
            found.append(known[alias])
        elif folded(alias) == folded(name) or people.of(alias) != alias:
            found.append(NameReason(alias, people.of(alias), "spelling"))
        elif chapters := joined.calling(name, alias):
            found.append(NameReason(alias, name, "called", str(len(chapters))))
        else:
            found.append(NameReason(alias, name, "table"))
    return tuple(found)


def _ways(joined: Persons, name: str) -> dict[str, NameReason]:
    """For each name of the person's class the join that leads to it from ``name``."""
    members = set(joined.classes.of(name))
    near: dict[str, list[MergeReason]] = defaultdict(list)
    for reason in joined.classes.reasons:
        if reason.one in members:
            near[reason.one].append(reason)
            near[reason.other].append(reason)
    found: dict[str, NameReason] = {}
    reached = [name]
    for known in reached:  # grows while it is gone through
        for reason in near[known]:
            alias = reason.other if reason.one == known else reason.one
            if alias != name and alias not in found:
                found[alias] = NameReason(alias, known, reason.kind, reason.detail)
                reached.append(alias)
    return found


# --- finding ------------------------------------------------------------------------------------------------


class NameIndex:
    """The persons of a listing by every name they have; script and letter case are ignored."""

    def __init__(self, listed: Iterable[ListedName]) -> None:
        self._bearers: dict[str, dict[str, None]] = defaultdict(dict)
        self._forms: dict[str, str] = {}
        people = [one for one in listed if one.kind == "Character"]
        for one in people:
            self._bearers[folded(one.name)][one.name] = None
            self._forms[folded(one.name)] = one.name
        own = set(self._bearers)
        for one in people:
            for alias in one.aliases:
                if folded(alias) not in own:
                    self._bearers[folded(alias)][one.name] = None
                    self._forms.setdefault(folded(alias), alias)

    def people(self, name: str) -> list[str]:
        """Who bears this name."""
        return list(self._bearers.get(folded(name), ()))

    def form(self, name: str) -> str:
        """The name as the book has it; as it is where the book doesn't have it."""
        return self._forms.get(folded(name), name)

    def nearest(self, name: str) -> list[str]:
        """Names like this one: those that contain it or are contained first, then the most alike."""
        plain = folded(name)
        part = [form for key, form in self._forms.items() if plain and (plain in key or key in plain)]
        alike = difflib.get_close_matches(plain, list(self._forms), NEAREST, ALIKE)
        return list(dict.fromkeys([*part[:NEAREST], *(self._forms[key] for key in alike)]))[:NEAREST]
