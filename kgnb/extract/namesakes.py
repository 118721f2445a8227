"""Namesakes within a chapter: the 二爷 of one passage may be another person than the 二爷 of the next.

The reply to one passage is unambiguous. Before several replies are merged, people who share a word but few
other names are kept apart, and the shared word is replaced by a name that only its bearer has. The whole book
decides later whether they are one person after all (graph/resolve).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Character, Extraction

MAX_BEARERS = 24
"""Most sets of names that may share a word; a word of more sets joins none of them, which bounds the pairs
compared."""

MIN_OTHER_NAMES = 2
"""Least other names of a person, if one of them may replace a word that is no generic word: a model may have
given another person's name to one of two items of 何恭."""

_Names = frozenset[str]


class Namesakes:
    """The people of one chapter, numbered: items whose sets of names overlap enough are one person
    (union-find)."""

    def __init__(self, extractions: Iterable[Extraction]) -> None:
        single: list[str] = []
        self._person: dict[_Names, int] = {}
        for item in (c for e in extractions for c in e.characters):
            if len(names := names_of(item)) > 1:
                self._person.setdefault(names, len(self._person))
            else:
                single.append(item.name)
        self._unite()
        self._bearers: dict[str, dict[int, None]] = defaultdict(dict)  # word → persons, in order
        for names, person in self._person.items():
            for name in names:
                self._bearers[name].setdefault(person)
        for name in single:
            number = next(iter(self._bearers.get(name, ())), len(self._person))
            self._person.setdefault(frozenset({name}), number)
            self._bearers[name].setdefault(number)

    def identity(self, item: Character) -> tuple[str, int]:
        """Return (name, number of the person): two items with the same key are to be merged."""
        return item.name, self._person[names_of(item)]

    def disambiguate(self, extraction: Extraction) -> Extraction:
        """Return the extraction of a passage with ambiguous relation ends and participants replaced by
        unambiguous names.

        A word stays if the passage itself has several bearers of it, or its bearer has no other name.
        """
        words = dict.fromkeys(extraction.referenced_names())
        ambiguous = [w for w in words if len(self._bearers.get(w, ())) > 1]
        passage = _Passage(extraction, self._person) if ambiguous else None
        new_names = {w: name for w in ambiguous if passage and (name := self._own_name(w, passage))}
        return _with_ends_renamed(extraction, new_names) if new_names else extraction

    def _own_name(self, word: str, passage: _Passage) -> str:
        """Return a name that no other person has, of the person whom the passage calls ``word``; "" if there
        is none."""
        called = passage.by_name.get(word) or passage.by_alias.get(word, [])
        people = {person for person, _ in called}
        if len(people) != 1:
            return ""
        items, names = [c for _, c in called], passage.names[people.pop()]
        others = dict.fromkeys(n for n in (*names, *(a for c in items for a in c.aliases)) if n != word)
        if len(others) < MIN_OTHER_NAMES and not is_generic(word):
            return ""
        return next((n for n in others if not is_generic(n) and len(self._bearers[n]) == 1), "")

    def _unite(self) -> None:
        """Give one number to sets that share more than half of the smaller one's names; each pair is compared
        once."""
        # Without titles, unless there is nothing else.
        distinctive = {one: frozenset(n for n in one if not is_generic(n)) or one for one in self._person}
        position = {names: number for number, names in enumerate(distinctive)}
        holders: dict[str, list[_Names]] = defaultdict(list)
        for names in self._person:
            for name in names:
                holders[name].append(names)
        shared = {name: near for name, near in holders.items() if 1 < len(near) <= MAX_BEARERS}
        for one in distinctive:
            for other in {n for name in one for n in shared.get(name, ()) if position[n] > position[one]}:
                a, b = self._person[one], self._person[other]
                if a != b and _overlap(distinctive[one], distinctive[other]):
                    self._join(a, b)

    def _join(self, one: int, other: int) -> None:
        first = min(one, other)
        for names, person in self._person.items():
            if person in (one, other):
                self._person[names] = first


class _Passage:
    """The characters of one extraction. ``by_name`` and ``by_alias``: name → (number of the person, item);
    ``names``: number → names."""

    def __init__(self, extraction: Extraction, person: dict[_Names, int]) -> None:
        self.by_name: dict[str, list[tuple[int, Character]]] = defaultdict(list)
        self.by_alias: dict[str, list[tuple[int, Character]]] = defaultdict(list)
        self.names: dict[int, list[str]] = defaultdict(list)
        for item in extraction.characters:
            number = person[names_of(item)]
            self.by_name[item.name].append((number, item))
            self.names[number].append(item.name)
            for alias in dict.fromkeys(item.aliases):
                self.by_alias[alias].append((number, item))


def names_of(item: Character) -> _Names:
    """Return the set of name and aliases of a character."""
    return frozenset((item.name, *item.aliases))


def _overlap(one: _Names, other: _Names) -> bool:
    """Return whether two sets share more than half of the names of the smaller one."""
    return 2 * len(one & other) > min(len(one), len(other))


def _with_ends_renamed(extraction: Extraction, new: dict[str, str]) -> Extraction:
    """Return the extraction with relation ends and participants replaced by ``new`` (old name → new name)."""
    relations = [
        r.model_copy(update={"source": new.get(r.source, r.source), "target": new.get(r.target, r.target)})
        for r in extraction.relations
    ]
    events = [
        e.model_copy(update={"participants": list(dict.fromkeys(new.get(p, p) for p in e.participants))})
        for e in extraction.events
    ]
    return extraction.model_copy(update={"relations": relations, "events": events})
