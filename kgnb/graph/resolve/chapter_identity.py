"""The names of a chapter's reply resolved to nodes: their label, and the name that the graph uses."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Extraction
from kgnb.graph.model import NodeKey
from kgnb.graph.resolve.alias_evidence import ChapterMentions, Mention
from kgnb.graph.resolve.decisions import CombinedDecisions
from kgnb.graph.resolve.identity import Persons
from kgnb.graph.resolve.name_table import ENTITY_LABELS, NameTable

CountNames = Callable[[Collection[str]], Mapping[int, Counter[str]]]
"""Function from names to: number of a chapter → name → how often it stands in the chapter's text."""

NEARBY_CHAPTERS = 5
"""An ambiguous word means the one person who is called so within this many chapters before and after."""
MAJORITY = 0.8
"""Else the word means the person called so in at least this share of the word's chapters …"""
MAJORITY_MINIMUM = 5
"""… and in at least this number of chapters."""


@dataclass(frozen=True, slots=True)
class ChapterNames:
    """All names of one chapter's reply."""

    known: dict[str, NodeKey]  # name or alias in the reply's lists → (label, the item's name)
    mentions: tuple[Mention, ...]  # the reply's characters
    groups: tuple[frozenset[str], ...]  # ends of each relation, participants of each event
    from_reply: bool  # False: from the rules


def chapter_names(extraction: Extraction, *, from_reply: bool) -> ChapterNames:
    """Return the names of a chapter's extraction.

    ``from_reply``: False for the rules' extraction, whose relations and events give no ``groups``.
    """
    groups: set[frozenset[str]] = set()
    if from_reply:
        groups.update(frozenset((r.source, r.target)) for r in extraction.relations)
        groups.update(frozenset(e.participants) for e in extraction.events)
    mentions = dict.fromkeys(Mention.of(c.name, c.aliases) for c in extraction.characters)
    return ChapterNames(known_names(extraction), tuple(mentions), tuple(groups), from_reply)


class PersonResolver:
    """Resolves the names of all chapters, given in the order of the chapters."""

    def __init__(
        self, chapters: Sequence[ChapterNames], table: NameTable, decisions: CombinedDecisions
    ) -> None:
        self._table = table
        self._majority_labels = _majority_labels(chapters)
        mentions = [self._mentions(one, index) for index, one in enumerate(chapters)]
        self._co_mentions = [one.co_mentions for one in mentions]
        self.persons = Persons(mentions, table, decisions)
        self._called: dict[str, dict[int, set[str]]] = {}  # cache of persons_called
        self.split_off: dict[str, dict[str, str]] = defaultdict(dict)
        """Person → name of which a split made somebody else's → the person who has that name now. Both ways:
        either of the two may be what the chapters call them."""
        person_of = self.persons.person
        pairs = [(name, taken) for name, names in decisions.split_off.items() for taken in names]
        for name, taken in (*pairs, *((taken, name) for name, taken in pairs)):
            if (owner := person_of(taken)) != person_of(name):
                self.split_off[person_of(name)][taken] = owner
        self.counted: dict[str, Counter[int]] = {}
        """Person whose names a split changed → number of a chapter → how often the text names them there."""
        self._unnamed: dict[tuple[str, int], str] = {}
        self._reassigned: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
        for name, other, first, last in decisions.reassigned:
            self._reassigned[person_of(name)].append((first, last, person_of(other)))

    def _mentions(self, one: ChapterNames, index: int) -> ChapterMentions:
        """Return a chapter's mentions, and its groups with the persons alone."""
        names = frozenset[str]().union(*one.groups)
        people = {name for name in names if (self.find(one.known, name) or ("", ""))[0] == "Character"}
        co_mentions = tuple(
            group if group <= people else group & people  # shared where possible: memory of a long book
            for group in one.groups
            if not people.isdisjoint(group)
        )
        return ChapterMentions(index, one.mentions, co_mentions, one.from_reply)

    def find(self, known: dict[str, NodeKey], name: str, default: str = "Character") -> NodeKey | None:
        """Return (label, name) for a name in a reply, before names of one person are merged; None for a
        generic word.

        The label is that of the reply's own lists (``known``), else the name table's, else that of most
        chapters, else ``default``.
        """
        if (key := known.get(name)) is not None:
            return key if key[0] != "Character" else ("Character", name)
        if is_generic(name):
            return None
        return (self._table.labels.get(name) or self._majority_labels.get(name, default), name)

    def node_key(self, label: str, name: str) -> NodeKey:
        """Return (label, display name) of a name, the same for every chapter."""
        if label == "Character":
            return (label, self.persons.person(name))
        return (label, self._table.canonical.get(label, {}).get(name, name))

    def reassigned(self, person: str, number: int) -> str:
        """Return the person that a decision puts in place of ``person`` in chapter ``number``, or who has
        all the names by which the chapter's text calls that person; else ``person``.
        """
        person = self._unnamed.get((person, number), person)
        decisions = self._reassigned.get(person, ())
        return next((other for first, last, other in decisions if first <= number <= last), person)

    def count_split(self, count_names: CountNames) -> None:
        """Count in the chapters' texts the names of persons whom splits changed, if there are any."""
        people = {*self.split_off, *(p for taken in self.split_off.values() for p in taken.values())}
        if not people:
            return
        names_of = {person: self.persons.names_of(person) for person in people}
        self.counted = {person: Counter() for person in people}
        for number, counts in count_names({n for names in names_of.values() for n in names}).items():
            for person, names in names_of.items():
                self.counted[person][number] = sum(counts[name] for name in names)
            for person, taken in self.split_off.items():
                if taken and not self.counted[person][number]:
                    times, best = max((self.counted[owner][number], owner) for owner in taken.values())
                    if times:
                        self._unnamed[person, number] = best

    def is_named(self, person: str, quote: str) -> bool:
        """Return whether one of the person's names stands in the quote."""
        return any(name in quote for name in self.persons.names_of(person))

    def quoted(self, person: str, quote: str) -> str:
        """Return the person that a quote about ``person`` means.

        Another person only where the quote has a name that a decision split off from ``person``, and none of
        the names that ``person`` still has.
        """
        if self.is_named(person, quote):
            return person
        return min((p for name, p in self.split_off[person].items() if name in quote), default=person)

    # --- ambiguous words

    def persons_called(self, word: str) -> dict[int, set[str]]:
        """Return position of a chapter → persons (display names) to whom its reply gives ``word`` as a
        name.
        """
        found = self._called.get(word)
        if found is None:
            found = self._called[word] = defaultdict(set)
            evidence = self.persons.evidence
            for name in evidence.joined_names.get(word, ()):
                if self.persons.is_unambiguous(name):
                    for index in evidence.joining_chapters((name,), (word,)):
                        found[index].add(self.persons.person(name))
        return found

    def likely_person(self, word: str, index: int) -> str:
        """Return the person that an ambiguous word means in the chapter at position ``index``; "" for
        unknown.

        For a chapter whose reply doesn't say it: the only person called so in chapters nearby, else the
        person called so in most chapters. "" also for a generic word, and where the person acts together with
        the word there.
        """
        if is_generic(word) or not (chapters := self.persons_called(word)):
            return ""
        near = set().union(*(chapters[i] for i in chapters if abs(i - index) <= NEARBY_CHAPTERS))
        if len(near) != 1:
            counts = Counter(person for people in chapters.values() for person in people)
            best, count = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
            near = {best} if count >= max(MAJORITY_MINIMUM, MAJORITY * counts.total()) else set()
        person = next(iter(near), "")
        return "" if person and self._are_co_mentioned(word, person, index) else person

    def _are_co_mentioned(self, word: str, person: str, index: int) -> bool:
        """Return whether a relation or event of the chapter has the word and another name of the person."""
        return any(
            word in names and any(self.persons.person(n) == person for n in names - {word})
            for names in self._co_mentions[index]
        )


class ChapterPersons:
    """Resolves the names of one chapter's reply; an ambiguous word means the person whom the reply means.

    ``index``: the chapter's position among the resolver's chapters; ``number``: its chapter number.
    """

    def __init__(
        self, resolver: PersonResolver, index: int, number: int, mentions: Iterable[Mention]
    ) -> None:
        self._resolver, self._persons, self._index, self._number = resolver, resolver.persons, index, number
        self._named: dict[str, str] = {}  # cache of person_named
        self._by_name: dict[str, list[Mention]] = defaultdict(list)
        self._by_alias: dict[str, list[Mention]] = defaultdict(list)
        for mention in mentions:
            self._by_name[mention.name].append(mention)
            for alias in mention.aliases:
                self._by_alias[alias].append(mention)

    def person_of(self, mention: Mention) -> str:
        """Return the display name of the person of a mention in this chapter's list of characters."""
        found = self._unambiguous_person(mention) or self._from_context(mention.name)
        return self._resolver.reassigned(found, self._number)

    def person_named(self, name: str) -> str:
        """Return the display name of the person that a name means in this chapter; "" for a word that
        means no person.
        """
        found = self._named.get(name)
        if found is None:
            found = self._named[name] = self._resolver.reassigned(self._find(name), self._number)
        return found

    def _find(self, name: str) -> str:
        """Return the person that a name means in this chapter, without decisions; "" for none."""
        if self._persons.is_unambiguous(name):
            return self._persons.person(name)
        own = {found for m in self._by_name.get(name, ()) if (found := self._alias_majority(m))}
        found = min(own) if own else self._from_context(name)
        unresolved = found == self._persons.person(name) and name not in self._by_name
        return "" if unresolved and (is_generic(name) or name in self._by_alias) else found

    def _unambiguous_person(self, mention: Mention) -> str:
        """Return the person of a mention by its name, else by its aliases; "" if both are ambiguous."""
        if self._persons.is_unambiguous(mention.name):
            return self._persons.person(mention.name)
        return self._alias_majority(mention)

    def _alias_majority(self, mention: Mention) -> str:
        """Return the person of most of the mention's unambiguous aliases; "" without such an alias."""
        persons = self._persons
        counts = Counter(persons.person(n) for n in mention.aliases if persons.is_unambiguous(n))
        return max(counts, key=lambda person: (counts[person], person), default="")

    def _from_context(self, word: str) -> str:
        """Return the only person to whom the reply gives the word as an alias.

        Else :meth:`PersonResolver.likely_person`, else the person of the word itself.
        """
        owners = {self._unambiguous_person(mention) for mention in self._by_alias.get(word, ())} - {""}
        if len(owners) == 1:
            return next(iter(owners))
        likely = "" if owners else self._resolver.likely_person(word, self._index)
        return likely or self._persons.person(word)


def _majority_labels(chapters: Sequence[ChapterNames]) -> dict[str, str]:
    """Return name → label that most chapters give it; empty for a book of one chapter."""
    if len(chapters) < 2:
        return {}
    counts = Counter(
        (name, label) for one in chapters for name, (label, own) in one.known.items() if name == own
    )
    precedence = (*ENTITY_LABELS, "Event").index
    ordered = sorted(counts, key=lambda pair: (counts[pair], -precedence(pair[1]), pair[0]))
    return dict(ordered)  # the most frequent comes last and wins


def known_names(extraction: Extraction) -> dict[str, NodeKey]:
    """Return name or alias → (label, name of the list's item) for all lists of the extraction.

    Names go before aliases; a name in several lists belongs to the first of characters, organizations,
    locations, things, events.
    """
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
