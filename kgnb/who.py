"""Who the names of a chapter's reply are: of what kind, and by which name the graph calls them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.alias import ENTITY_LABELS, NameTable, Sighting, canonical_names, is_generic
from kgnb.model import Chapter, Extraction, ExtractionRow, NodeKey


@dataclass(slots=True)
class Place:
    """A chapter under way: its row, and who its reply's names are."""

    chapter: Chapter
    row: ExtractionRow
    tasks: set[int]
    known: dict[str, NodeKey]  # name or alias of the reply → (label, name as the reply's list has it)


class Who:
    """The names of all chapters at hand, settled once before anything is built from them."""

    def __init__(self, places: Sequence[Place], table: NameTable) -> None:
        self._labels = _common_labels(places) | table.kinds  # where the reply at hand doesn't say
        sightings = [self._sighting(place, index) for index, place in enumerate(places)]
        self._canonical = table.canonical | {"Character": canonical_names(sightings, table)}

    def _sighting(self, place: Place, index: int) -> Sighting:
        extraction = place.row.extraction
        sighting = Sighting(index, {c.name for c in extraction.characters})
        sighting.claims = {(c.name, alias) for c in extraction.characters for alias in c.aliases}
        groups = [{r.source, r.target} for r in extraction.relations]
        groups += [set(e.participants) for e in extraction.events]
        for group in groups:
            found = (self.find(place, name) for name in group)
            people = {key[1] for key in found if key is not None and key[0] == "Character"}
            sighting.people |= people
            sighting.groups.append(people)
        return sighting

    def find(self, place: Place, name: str, default: str = "Character") -> NodeKey | None:
        """Who or what a name of the reply is, before aliases are joined; None for a generic word."""
        if (key := place.known.get(name)) is not None:
            return key
        if is_generic(name):
            return None
        return (self._labels.get(name, default), name)

    def key(self, label: str, name: str) -> NodeKey:
        """The node's key: a name of a known person by the canonical name."""
        return (label, self._canonical[label].get(name, name)) if label in self._canonical else (label, name)


def _common_labels(places: Sequence[Place]) -> dict[str, str]:
    """What most chapters' replies say a name is."""
    counts: Counter[tuple[str, str]] = Counter()
    for place in places:
        counts.update({(name, label) for name, (label, own) in place.known.items() if name == own})
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
