"""Who the names of a chapter's reply are: of what kind, and by which name the graph calls them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.alias import ENTITY_LABELS, NameTable, Sighting, canonical_names, is_generic
from kgnb.model import Extraction, NodeKey


@dataclass(frozen=True, slots=True)
class Glance:
    """The names of one chapter's reply: all that has to be known of every chapter before any is built."""

    known: dict[str, NodeKey]  # name or alias of the reply → (label, name as the reply's list has it)
    people: set[str]
    claims: set[tuple[str, str]]  # (name, alias that the reply gives it)
    groups: list[set[str]]  # ends of a relation, participants of an event


def glance(extraction: Extraction) -> Glance:
    """Looks at the reply's names."""
    groups = [{r.source, r.target} for r in extraction.relations]
    groups += [set(e.participants) for e in extraction.events]
    claims = {(c.name, alias) for c in extraction.characters for alias in c.aliases}
    return Glance(known_names(extraction), {c.name for c in extraction.characters}, claims, groups)


class Who:
    """The names of all chapters, settled once before anything is built from them."""

    def __init__(self, glances: Sequence[Glance], table: NameTable) -> None:
        """``glances`` in the order of the chapters."""
        self._labels = _common_labels(glances) | table.kinds  # where the reply at hand doesn't say
        sightings = [self._sighting(one, index) for index, one in enumerate(glances)]
        self._canonical = table.canonical | {"Character": canonical_names(sightings, table)}

    def _sighting(self, one: Glance, index: int) -> Sighting:
        sighting = Sighting(index, set(one.people), one.claims)
        for group in one.groups:
            found = (self.find(one.known, name) for name in group)
            people = {key[1] for key in found if key is not None and key[0] == "Character"}
            sighting.people |= people
            sighting.groups.append(people)
        return sighting

    def find(self, known: dict[str, NodeKey], name: str, default: str = "Character") -> NodeKey | None:
        """Who or what a name of a reply is, before aliases are joined; None for a generic word.

        ``known`` is what the reply itself says; ``default`` the label where nobody says anything.
        """
        if (key := known.get(name)) is not None:
            return key
        if is_generic(name):
            return None
        return (self._labels.get(name, default), name)

    def key(self, label: str, name: str) -> NodeKey:
        """The node's key: a name of a known person by the canonical name."""
        return (label, self._canonical[label].get(name, name)) if label in self._canonical else (label, name)


def _common_labels(glances: Sequence[Glance]) -> dict[str, str]:
    """What most chapters' replies say a name is."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in glances:
        counts.update({(name, label) for name, (label, own) in one.known.items() if name == own})
    ranked = sorted(counts, key=lambda pair: (counts[pair], -_rank(pair[1]), pair[0]))
    return dict(ranked)  # the best comes last and wins


def _rank(label: str) -> int:
    return ENTITY_LABELS.index(label) if label in ENTITY_LABELS else len(ENTITY_LABELS)


def known_names(extraction: Extraction) -> dict[str, NodeKey]:
    """Every name that the reply's lists explain; where two lists have it, people first."""
    known: dict[str, NodeKey] = {}
    for label, items in (
        ("Character", extraction.characters),
        ("Organization", extraction.organizations),
        ("Location", extraction.locations),
        ("Thing", extraction.things),
        ("Event", extraction.events),
    ):
        for item in items:
            known.setdefault(item.name, (label, item.name))
    owners: dict[str, set[str]] = defaultdict(set)
    for character in extraction.characters:
        for alias in character.aliases:
            owners[alias].add(character.name)
    for alias, names in owners.items():
        if len(names) == 1:  # within one chapter even 主公 is one man, if one is said to be it
            known.setdefault(alias, ("Character", next(iter(names))))
    return known
