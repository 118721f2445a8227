"""A book's names as people read them: who there is, what else they are called, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kgnb.extract.clustering import joined_from
from kgnb.extract.model import NameEntry
from kgnb.graph.model import NAMED_LABELS, Graph
from kgnb.graph.resolve.identity import Persons
from kgnb.graph.resolve.spelling import folded


@dataclass(frozen=True, slots=True)
class NameResolution:
    """A novel's persons, and ``form``: the function from a name to the spelling to show. ``counted``: person
    whose names a split changed → mentions in the texts.
    """

    persons: Persons
    form: Callable[[str], str]
    counted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NameReason:
    """Reason for which an alias is a person's name; ``other``: the name that the alias was merged with.

    ``kind`` and ``detail``: as in MergeReason; or ``called`` and the number of chapters where an ambiguous
    word means this person; or ``spelling``; or ``renamed``. ``joined``, ``apart``, ``certainty``: as in
    MergeReason.
    """

    alias: str
    other: str
    kind: str
    detail: str = ""
    joined: int = 0
    apart: int = 0
    certainty: float = 1.0


@dataclass(frozen=True, slots=True)
class ListedName:
    """A named entity of a book.

    ``mentions``: the pre-scan's count, at least ``chapters``; ``kind``: its label; ``chapters``: their
    number; ``narrator``: whether this person tells the book in the first person.
    """

    name: str
    aliases: tuple[str, ...]
    mentions: int
    kind: str
    chapters: int = 0
    reasons: tuple[NameReason, ...] = ()
    narrator: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``names --json``: all fields; in reasons the key ``with`` instead
        of ``other``.
        """
        told = asdict(self)
        told["reasons"] = [
            {"with" if key == "other" else key: value for key, value in why.items()}
            for why in told["reasons"]
        ]
        return told


def list_names(
    graph: Graph,
    names: NameResolution,
    entries: Sequence[NameEntry],
    labels: Collection[str] = NAMED_LABELS,
    renamed: Collection[str] = (),
) -> list[ListedName]:
    """Return the graph's entities of the given labels with all their names, most mentioned first.

    A graph without any chapter node gives the entities of the name table ``entries`` instead. ``renamed``:
    names that a reader replaced by others.
    """
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        counts[_key(names, entry)] += entry.mentions
    if any(node.label == "Chapter" for node in graph.nodes.values()):
        items: dict[tuple[str, str], Mapping[str, Any]] = {n.ref: n.properties for n in graph.nodes.values()}
    else:
        items = _from_table(names, entries)
    narrators = {_key(names, entry) for entry in entries if entry.narrator}
    found = []
    for (label, name), properties in items.items():
        if label in labels:
            aliases = tuple(properties.get("aliases") or ())
            chapters = properties.get("count") or 0
            resolved = next((form for form in (name, *aliases) if (label, form) in counts), name)  # renamed
            told = counts.get((label, resolved), 0)
            mentions = max(names.counted.get(resolved, told) if label == "Character" else told, chapters)
            reasons = _reasons(names, resolved, aliases, renamed) if label == "Character" else ()
            tells = (label, resolved) in narrators
            found.append(ListedName(name, aliases, mentions, label, chapters, reasons, tells))
    return sorted(found, key=lambda one: (-one.mentions, -one.chapters, one.kind, one.name))


def _key(names: NameResolution, entry: NameEntry) -> tuple[str, str]:
    """Return (label, name that the graph uses) of a table's entry."""
    name = names.form(entry.name)
    return entry.kind, names.persons.person(name) if entry.kind == "Character" else name


def _from_table(
    names: NameResolution, entries: Iterable[NameEntry]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return (label, name) → properties (aliases alone) of the name table's entities."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in entries:
        found[_key(names, entry)].update(map(names.form, (entry.name, *entry.aliases)))
    return {key: {"aliases": sorted(forms - {key[1]})} for key, forms in found.items()}


def _reasons(
    names: NameResolution, name: str, aliases: Sequence[str], renamed: Collection[str]
) -> tuple[NameReason, ...]:
    """Return the reason of each alias: a merge, a rename, a spelling, replies or the name table."""
    merged, own = _merge_reasons(names.persons, name), names.persons.names_of(name)
    found = []
    for alias in aliases:
        if alias in renamed:
            found.append(NameReason(alias, name, "renamed"))
        elif alias in merged:
            found.append(merged[alias])
        elif folded(alias) == folded(name) or names.form(alias) != alias:
            found.append(NameReason(alias, names.form(alias), "spelling"))
        elif chapters := names.persons.evidence.joining_chapters(own, (alias,)):
            found.append(NameReason(alias, name, "called", str(len(chapters))))
        else:
            found.append(NameReason(alias, name, "table"))
    return tuple(found)


def _merge_reasons(persons: Persons, name: str) -> dict[str, NameReason]:
    """Return alias → reason of the last merge that connects the alias with ``name``."""
    merges = [(why.one, why.other, why) for why in persons.reasons(name)]
    return {
        alias: NameReason(
            alias, known, why.kind, why.detail, why.counts.joined, why.counts.apart, why.certainty
        )
        for alias, known, why in joined_from(name, merges)
    }
