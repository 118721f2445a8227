"""One word for several people: the 二爷 of one passage of a chapter isn't the 二爷 of the next.

Each passage's reply is clear by itself. Before several are put together, people who share a word but little
else are told apart, and what a passage says of such a word is said of a name that only its own bearer has.
Whether they are two people or one after all, the whole book decides (settle).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Character, Extraction

MOST_BEARERS = 24
"""People with other names each who share a word, beyond which the word brings none of them together."""

FEWEST = 2
"""Other names that somebody needs to have for being called by one of them instead of a word that is no title:
a model may have given somebody else's name to one of two items of 曹操, once."""

_Names = frozenset[str]


class Namesakes:
    """Who is who in one chapter, of which these are the passages' extractions."""

    def __init__(self, extractions: Iterable[Extraction]) -> None:
        bare: list[str] = []
        self._person: dict[_Names, int] = {}
        for item in (c for e in extractions for c in e.characters):
            if len(names := names_of(item)) > 1:
                self._person.setdefault(names, len(self._person))
            else:
                bare.append(item.name)
        self._unite()
        self._bearers: dict[str, dict[int, None]] = defaultdict(dict)  # word → people, in order
        for names, person in self._person.items():
            for name in names:
                self._bearers[name].setdefault(person)
        for name in bare:
            number = next(iter(self._bearers.get(name, ())), len(self._person))
            self._person.setdefault(frozenset({name}), number)
            self._bearers[name].setdefault(number)

    def key(self, item: Character) -> tuple[str, int]:
        """What two items have in common that are one: the name, and who it is."""
        return item.name, self._person[names_of(item)]

    def clear(self, extraction: Extraction) -> Extraction:
        """The extraction, its relations' ends and participants called by names that mean nobody else in the
        chapter; a word stays as it is where the passage itself has several for it, or no other name."""
        words = {end for r in extraction.relations for end in (r.source, r.target)}
        words |= {name for e in extraction.events for name in e.participants}
        several = [w for w in words if len(self._bearers.get(w, ())) > 1]
        passage = _Passage(extraction, self._person) if several else None
        calls = {w: call for w in several if passage and (call := self._call(w, passage))}
        return _renamed(extraction, calls) if calls else extraction

    def _call(self, word: str, passage: _Passage) -> str:
        """Another name of the one whom the passage calls ``word``; empty if there is none."""
        called = passage.named.get(word) or passage.also.get(word, [])
        people = {person for person, _ in called}
        if len(people) != 1:
            return ""
        items, listed = [c for _, c in called], passage.listed[people.pop()]
        others = dict.fromkeys(n for n in (*listed, *(a for c in items for a in c.aliases)) if n != word)
        if len(others) < FEWEST and not is_generic(word):
            return ""
        return next((n for n in others if not is_generic(n) and len(self._bearers[n]) == 1), "")

    def _unite(self) -> None:
        """Makes one person of those who share more than half of their names; each two are compared once."""
        telling = {names: _telling(names) for names in self._person}
        place = {names: number for number, names in enumerate(telling)}
        holders: dict[str, list[_Names]] = defaultdict(list)
        for names in self._person:
            for name in names:
                holders[name].append(names)
        shared = {name: near for name, near in holders.items() if 1 < len(near) <= MOST_BEARERS}
        for one in telling:
            for other in {n for name in one for n in shared.get(name, ()) if place[n] > place[one]}:
                if self._person[one] != self._person[other] and _alike(telling[one], telling[other]):
                    self._join(self._person[one], self._person[other])

    def _join(self, one: int, other: int) -> None:
        first = min(one, other)
        for names, person in self._person.items():
            if person in (one, other):
                self._person[names] = first


class _Passage:
    """One extraction's characters: by their name, by their aliases, and the names of each person."""

    def __init__(self, extraction: Extraction, person: dict[_Names, int]) -> None:
        self.named: dict[str, list[tuple[int, Character]]] = defaultdict(list)
        self.also: dict[str, list[tuple[int, Character]]] = defaultdict(list)
        self.listed: dict[int, list[str]] = defaultdict(list)
        for item in extraction.characters:
            number = person[names_of(item)]
            self.named[item.name].append((number, item))
            self.listed[number].append(item.name)
            for alias in dict.fromkeys(item.aliases):
                self.also[alias].append((number, item))


def names_of(item: Character) -> _Names:
    """All names of a character."""
    return frozenset((item.name, *item.aliases))


def _alike(one: _Names, other: _Names) -> bool:
    return 2 * len(one & other) > min(len(one), len(other))


def _telling(names: _Names) -> _Names:
    """Those that tell who somebody is: no titles, unless there is nothing else."""
    return frozenset(n for n in names if not is_generic(n)) or names


def _renamed(extraction: Extraction, calls: dict[str, str]) -> Extraction:
    relations = [
        r.model_copy(
            update={"source": calls.get(r.source, r.source), "target": calls.get(r.target, r.target)}
        )
        for r in extraction.relations
    ]
    events = [
        e.model_copy(update={"participants": list(dict.fromkeys(calls.get(p, p) for p in e.participants))})
        for e in extraction.events
    ]
    return extraction.model_copy(update={"relations": relations, "events": events})
