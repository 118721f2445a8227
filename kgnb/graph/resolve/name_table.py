"""A novel's name table looked up from all sides, and the qualified names of namesakes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import NameEntry

ENTITY_LABELS = ("Character", "Organization", "Location", "Thing")
"""Where several kinds claim a name, the first of these has it."""

_QUALIFIED = re.compile(r"(.+?)\s*[（(]([^（()）]+)[）)]")


def base_of(name: str) -> str:
    """The bare name of a namesake (张虎（张辽之子） → 张虎); empty for any other name."""
    found = _QUALIFIED.fullmatch(name) if name.endswith(("）", ")")) else None
    return found[1] if found else ""


def is_qualified(one: str, other: str) -> bool:
    """Whether the two are told apart as namesakes: of one bare name, with other words in brackets or none."""
    bases = base_of(one), base_of(other)
    return any(bases) and (bases[0] or one) == (bases[1] or other)


@dataclass(frozen=True, slots=True)
class NameTable:
    """A novel's name table, looked up from all sides."""

    canonical: dict[str, dict[str, str]]  # label → alias → name, where that is clear
    kinds: dict[str, str]  # name or alias → label
    links: tuple[tuple[str, str, str], ...]  # characters: (name or alias, alias, reason), where that is clear
    mentions: dict[str, int]  # a character's own name → mentions of all its names
    links_of: dict[str, tuple[tuple[str, str, str], ...]]  # a character's own name → those of its aliases

    def about(self, names: Iterable[str]) -> NameTable:
        """The table with the links of those persons only who bear one of ``names``: for a chapter that names
        nobody else it says the same, and most chapters name a few of a book's thousands."""
        own = {self.canonical["Character"].get(name, name) for name in names}
        links = {link for name in own for link in self.links_of.get(name, ())}
        return NameTable(self.canonical, self.kinds, tuple(sorted(links)), self.mentions, self.links_of)


def name_table(entries: Sequence[NameEntry]) -> NameTable:
    """The table of these entries."""
    people = [entry for entry in entries if entry.kind == "Character"]
    kinds: dict[str, str] = {}
    for label in reversed(ENTITY_LABELS):
        kinds |= {name: label for e in entries if e.kind == label for name in (*e.aliases, e.name)}
    canonical = {label: _clear_aliases(e for e in entries if e.kind == label) for label in ENTITY_LABELS}
    mentions: dict[str, int] = {}
    for entry in people:
        mentions[entry.name] = max(entry.mentions, mentions.get(entry.name, 0))
    clear = canonical["Character"]
    links = _links(people, clear)
    links_of: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for link in links:
        links_of[clear[link[1]]].append(link)
    of = {name: tuple(found) for name, found in links_of.items()}
    return NameTable(canonical, kinds, links, mentions, of)


def _links(people: Iterable[NameEntry], clear: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """What joins each clear alias to its person."""
    found = []
    for entry in people:
        why = {alias: (other, reason) for alias, other, reason in entry.reasons}
        for alias in entry.aliases:
            if clear.get(alias) == entry.name:
                other, reason = why.get(alias, (entry.name, ""))
                known = other == entry.name or clear.get(other) == entry.name
                found.append((other if known else entry.name, alias, reason))
    return tuple(sorted(set(found)))


def _clear_aliases(entries: Iterable[NameEntry]) -> dict[str, str]:
    """alias → name, where exactly one entry has the alias, it isn't generic and no entry's own name."""
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
