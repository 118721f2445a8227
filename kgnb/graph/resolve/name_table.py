"""A novel's name table with its lookups, and the qualified names of namesakes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import NameEntry

ENTITY_LABELS = ("Character", "Organization", "Location", "Thing")
"""Precedence of labels where entries of several have the same name."""

_QUALIFIED = re.compile(r"(.+?)\s*[（(]([^（()）]+)[）)]")

WRONG_LINK = 0.04
"""Share of the name table's links that are wrong: 21 of 526 in sixteen novels, most of them namesakes'."""

Link = tuple[str, str, str, float]
"""(name or alias, alias, reason, probability): why the table counts an alias among a person's names."""


def base_of(name: str) -> str:
    """Return the bare name of a namesake, 张虎 for 张虎（张辽之子）; "" for a name without final brackets."""
    found = _QUALIFIED.fullmatch(name) if name.endswith(("）", ")")) else None
    return found[1] if found else ""


def is_qualified(one: str, other: str) -> bool:
    """Return whether two names are namesakes: one bare name, and at least one of them with brackets.

    张虎 and 张虎（张辽之子） are; two names without brackets are not.
    """
    bases = base_of(one), base_of(other)
    return any(bases) and (bases[0] or one) == (bases[1] or other)


@dataclass(frozen=True, slots=True)
class NameTable:
    """A novel's name table. An alias is unambiguous if :func:`_unambiguous_aliases` has it."""

    canonical: dict[str, dict[str, str]]  # label → unambiguous alias → name
    labels: dict[str, str]  # name or alias → label
    links: tuple[Link, ...]  # of the characters' unambiguous aliases, sorted
    mention_counts: dict[str, int]  # a character's own name → mentions of all its names
    links_of: dict[str, tuple[Link, ...]]  # a character's own name → its links

    def other_names(self, names: Iterable[str]) -> set[str]:
        """Return the names that the table links with one of ``names``, without ``names`` themselves."""
        own = {self.canonical["Character"].get(name, name) for name in names}
        return own.union(alias for name in own for _, alias, *_ in self.links_of.get(name, ())).difference(
            names
        )


def name_table(entries: Sequence[NameEntry]) -> NameTable:
    """Return the lookups of the table's entries: alias → name, name → label, and the links between names of
    one person.
    """
    characters = [entry for entry in entries if entry.kind == "Character"]
    labels: dict[str, str] = {}
    for label in reversed(ENTITY_LABELS):
        labels |= {name: label for e in entries if e.kind == label for name in (*e.aliases, e.name)}
    canonical = {
        label: _unambiguous_aliases(e for e in entries if e.kind == label) for label in ENTITY_LABELS
    }
    counts: dict[str, int] = {}
    for entry in characters:
        counts[entry.name] = max(entry.mentions, counts.get(entry.name, 0))
    name_of = canonical["Character"]
    links = _links(characters, name_of)
    grouped: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        grouped[name_of[link[1]]].append(link)
    links_of = {name: tuple(found) for name, found in grouped.items()}
    return NameTable(canonical, labels, links, counts, links_of)


def _links(characters: Iterable[NameEntry], name_of: Mapping[str, str]) -> tuple[Link, ...]:
    """Return a link for each unambiguous alias, sorted.

    The link leads to the name that the alias's reason refers to if this is the same person's, else to the
    entry's name.
    """
    found = []
    for entry in characters:
        reasons = {alias: (other, why, odds) for alias, other, why, odds in entry.reasons}
        for alias in entry.aliases:
            if name_of.get(alias) == entry.name:
                other, reason, certainty = reasons.get(alias, (entry.name, "", 1.0))
                same = other == entry.name or name_of.get(other) == entry.name
                certainty = min(max(certainty, WRONG_LINK), 1 - WRONG_LINK)  # of the surest too
                found.append((other if same else entry.name, alias, reason, certainty))
    return tuple(sorted(set(found)))


def _unambiguous_aliases(entries: Iterable[NameEntry]) -> dict[str, str]:
    """Return alias → name, for aliases of exactly one entry that are neither generic nor an entry's
    own name.
    """
    owners: dict[str, set[str]] = defaultdict(set)
    names = set()
    for entry in entries:
        names.add(entry.name)
        for alias in entry.aliases:
            owners[alias].add(entry.name)
    return {
        alias: next(iter(own))
        for alias, own in owners.items()
        if len(own) == 1 and alias not in names and not is_generic(alias)
    }
