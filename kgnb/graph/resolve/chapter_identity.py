"""Who the names of a chapter's reply are: of what kind, and by which name the graph calls them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Character, Extraction
from kgnb.graph.model import NodeKey
from kgnb.graph.resolve.decisions import CombinedDecisions
from kgnb.graph.resolve.identity import ChapterMentions, Mention, Persons
from kgnb.graph.resolve.name_table import ENTITY_LABELS, NameTable

STRETCH = 5
"""Chapters before and after, in which a word that several people bear may find the one who is meant."""
MOSTLY = 0.8
"""Share of a word's chapters that must mean one person, for it to mean that one where nobody says whom;"""
MOSTLY_OF = 5
"""they must be so many at least."""


@dataclass(frozen=True, slots=True)
class ChapterNames:
    """The names of one chapter's reply: all that has to be known of every chapter before any is built."""

    known: dict[str, NodeKey]  # name or alias of the reply → (label, name as the reply's list has it)
    items: tuple[Mention, ...]  # the reply's people
    groups: tuple[frozenset[str], ...]  # ends of a relation, participants of an event
    told: bool = True  # by a reply, not by the rules


def chapter_names(extraction: Extraction, *, told: bool = True) -> ChapterNames:
    """Looks at the reply's names. ``told``: a reply says it, not the rules."""
    groups: set[frozenset[str]] = set()
    if told:
        groups.update(frozenset((r.source, r.target)) for r in extraction.relations)
        groups.update(frozenset(e.participants) for e in extraction.events)
    items = dict.fromkeys(map(mention_of, extraction.characters))
    return ChapterNames(known_names(extraction), tuple(items), tuple(groups), told)


def mention_of(character: Character) -> Mention:
    """The names of one character of a reply."""
    return Mention(character.name, frozenset(character.aliases) - {character.name})


class PersonResolver:
    """The names of all chapters, settled once before anything is built from them."""

    def __init__(
        self, glances: Sequence[ChapterNames], table: NameTable, decisions: CombinedDecisions | None = None
    ) -> None:
        """``glances`` in the order of the chapters."""
        decisions = decisions or CombinedDecisions()
        self._glances = glances
        self._kinds = table.kinds
        self._common = _common_labels(glances)
        sightings = [self._sighting(one, index) for index, one in enumerate(glances)]
        self._groups = [s.groups for s in sightings]
        self._canonical = table.canonical
        self.joined = Persons(sightings, table, decisions)
        self._bearers: dict[str, dict[int, set[str]]] = {}
        self.parted: dict[str, dict[str, str]] = defaultdict(dict)
        """Person → names that a split took from it → the person of each."""
        for name, taken in decisions.parted.items():
            person = self.joined.person(name)
            self.parted[person] |= {n: p for n in taken if (p := self.joined.person(n)) != person}
        self._moved: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for name, other, first, last in decisions.moved:
            self._moved[self.joined.person(name)].append((first, last, self.joined.person(other)))

    def _sighting(self, one: ChapterNames, index: int) -> ChapterMentions:
        names = frozenset[str]().union(*one.groups)
        people = {name for name in names if (self.find(one.known, name) or ("", ""))[0] == "Character"}
        groups = tuple(group & people for group in one.groups if not people.isdisjoint(group))
        return ChapterMentions(index, one.items, groups, one.told)

    def find(self, known: dict[str, NodeKey], name: str, default: str = "Character") -> NodeKey | None:
        """Who or what a name of a reply is, before aliases are joined; None for a generic word.

        ``known`` is what the reply itself says; ``default`` the label where nobody says anything.
        """
        if (key := known.get(name)) is not None:
            return key if key[0] != "Character" else ("Character", name)
        if is_generic(name):
            return None
        return (self._kinds.get(name) or self._common.get(name, default), name)

    def key(self, label: str, name: str) -> NodeKey:
        """The node's key, as far as the name alone tells it."""
        if label == "Character":
            return (label, self.joined.person(name))
        return (label, self._canonical[label].get(name, name)) if label in self._canonical else (label, name)

    def chapter(self, index: int, number: int = 0) -> ChapterPersons:
        """Who is who in the chapter at this position, whose number is ``number``."""
        return ChapterPersons(self, index, number, self._glances[index].items)

    def moved(self, person: str, number: int) -> str:
        """Whom a person of the chapter of this number is by a person's own decision; else ``person``."""
        if person not in self._moved:
            return person
        found = (other for first, last, other in self._moved[person] if first <= number <= last)
        return next(found, person)

    def quoted(self, person: str, quote: str) -> str:
        """Whom a quote means that was said to be of ``person``: whoever bears a name now that a split took,
        if it has this name and none of the person's."""
        if any(name in quote for name in self.joined.classes.of(person)):
            return person
        return min((p for name, p in self.parted[person].items() if name in quote), default=person)

    # --- words that several people bear

    def bearers(self, word: str) -> dict[int, set[str]]:
        """Chapter → the people whom its reply calls so."""
        found = self._bearers.get(word)
        if found is None:
            found = self._bearers[word] = defaultdict(set)
            for name, chapters in self.joined.hearsay.links.get(word, {}).items():
                if self.joined.is_clear(name):
                    for index in chapters:
                        found[index].add(self.joined.person(name))
        return found

    def about(self, word: str, index: int) -> str:
        """The one person who is called ``word`` around a chapter whose reply doesn't say whom it means;
        empty if that is unclear, and always for a word for many people."""
        if is_generic(word) or not (chapters := self.bearers(word)):
            return ""
        near = set().union(*(chapters[i] for i in chapters if abs(i - index) <= STRETCH))
        if len(near) != 1:
            counts = Counter(person for people in chapters.values() for person in people)
            best, count = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
            near = {best} if count >= max(MOSTLY_OF, MOSTLY * counts.total()) else set()
        person = next(iter(near), "")
        return "" if person and self._acts_beside(word, person, index) else person

    def _acts_beside(self, word: str, person: str, index: int) -> bool:
        return any(
            word in group and any(self.joined.person(n) == person for n in group - {word})
            for group in self._groups[index]
        )


class ChapterPersons:
    """Who is who in one chapter: a word that several people bear is the one's whom its reply means."""

    def __init__(self, who: PersonResolver, index: int, number: int, items: Iterable[Mention]) -> None:
        self._who, self._joined, self._index, self._number = who, who.joined, index, number
        self._names: dict[str, str] = {}  # name → what the graph calls its person, once that was asked
        self._named: dict[str, list[Mention]] = defaultdict(list)
        self._given: dict[str, list[Mention]] = defaultdict(list)
        for item in items:
            self._named[item.name].append(item)
            for alias in item.aliases:
                self._given[alias].append(item)

    def item(self, item: Mention) -> str:
        """What the graph calls the person of one item of the reply."""
        return self._who.moved(self._item(item), self._number)

    def _item(self, item: Mention) -> str:
        if self._joined.is_clear(item.name):
            return self._joined.person(item.name)
        return self._told(item) or self._elsewhere(item.name)

    def name(self, name: str) -> str:
        """What the graph calls the person that a name of the reply means; empty for a word that means nobody
        in particular: it is for many people, or the reply gives it to several."""
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = self._who.moved(self._name(name), self._number)
        return found

    def _name(self, name: str) -> str:
        if self._joined.is_clear(name):
            return self._joined.person(name)
        own = {found for item in self._named.get(name, ()) if (found := self._told(item))}
        found = min(own) if own else self._elsewhere(name)
        nobody = found == self._joined.person(name) and name not in self._named
        return "" if nobody and (is_generic(name) or name in self._given) else found

    def _told(self, item: Mention) -> str:
        """Whom the item's other names mean; where they are several people's, most of them."""
        counts = Counter(self._joined.person(n) for n in item.aliases if self._joined.is_clear(n))
        return max(counts, key=lambda person: (counts[person], person), default="")

    def _elsewhere(self, word: str) -> str:
        """Whom another item of the reply, or the chapters around, call so; else the word's own."""
        given = {self._giver(item) for item in self._given.get(word, ())} - {""}
        if len(given) == 1:
            return next(iter(given))
        return (not given and self._who.about(word, self._index)) or self._joined.person(word)

    def _giver(self, item: Mention) -> str:
        return self._joined.person(item.name) if self._joined.is_clear(item.name) else self._told(item)


def _common_labels(glances: Sequence[ChapterNames]) -> dict[str, str]:
    """What most chapters' replies say a name is; nothing for one alone, which is asked itself."""
    if len(glances) < 2:
        return {}
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
    for character in extraction.characters:
        for alias in character.aliases:
            known.setdefault(alias, ("Character", character.name))
    return known


def every_name(extraction: Extraction, known: Iterable[str]) -> set[str]:
    """The names that a reply's lists explain (``known``), and those that its relations and events use."""
    found = set(known)
    for relation in extraction.relations:
        found.update((relation.source, relation.target))
    for event in extraction.events:
        found.update(event.participants, (event.location,))
    return found
