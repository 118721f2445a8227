"""One spelling for each name of a novel, where the book or its replies write it in both Chinese scripts.

Names are compared folded; shown is the form that the name table has (the more frequent one in the book),
else the one that most chapters use. The others stay known as aliases. Pure, and nothing happens where every
name is simplified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kgnb.fold import fold
from kgnb.model import Character, Event, Extraction, NameEntry, Thing
from kgnb.who import Glance


class Spelling:
    """The spellings of a novel's names, settled once before anything is compared."""

    def __init__(self, entries: Sequence[NameEntry], glances: Sequence[Glance]) -> None:
        self._table = _table(tuple(entries))
        self._shown = self._table.traditional | _untabled(self._table, glances)

    def of(self, name: str) -> str:
        """The form to use for ``name``."""
        return self._shown.get(fold(name), name) if self._shown else name

    def entries(self) -> tuple[NameEntry, ...]:
        """The table with one spelling a name; the other forms are aliases."""
        return self._table.entries

    def glance(self, one: Glance) -> Glance:
        """What a chapter says, in these spellings."""
        if not self._shown:
            return one
        of = self.of
        return Glance(
            known={of(name): (label, of(own)) for name, (label, own) in reversed(one.known.items())},
            people=set(map(of, one.people)),
            claims={(of(name), of(alias)) for name, alias in one.claims},
            groups=[set(map(of, group)) for group in one.groups],
        )

    def extraction(self, found: Extraction) -> Extraction:
        """What a reply says, in these spellings."""
        if not self._shown:
            return found
        return renamed(found, self.of)


def renamed(found: Extraction, of: Callable[[str], str]) -> Extraction:
    """The extraction with ``of(name)`` for each name; the forms that a reply used become aliases."""

    def person(one: Character) -> Character:
        forms = dict.fromkeys(f for form in (one.name, *one.aliases) for f in (of(form), form))
        name = of(one.name)
        return one.model_copy(update={"name": name, "aliases": [f for f in forms if f != name]})

    def thing(one: Thing) -> Thing:
        name = of(one.name)
        more = [] if name == one.name else [one.name]
        return one.model_copy(update={"name": name, "aliases": [*one.aliases, *more]})

    def event(one: Event) -> Event:
        participants = list(dict.fromkeys(map(of, one.participants)))
        update = {"name": of(one.name), "participants": participants, "location": of(one.location)}
        return one.model_copy(update=update)

    return found.model_copy(
        update={
            "characters": [person(x) for x in found.characters],
            "locations": [x.model_copy(update={"name": of(x.name)}) for x in found.locations],
            "organizations": [x.model_copy(update={"name": of(x.name)}) for x in found.organizations],
            "things": [thing(x) for x in found.things],
            "events": [event(x) for x in found.events],
            "relations": [
                x.model_copy(update={"source": of(x.source), "target": of(x.target)}) for x in found.relations
            ],
        }
    )


def _names(one: Glance) -> Iterator[str]:
    """Names and aliases of a chapter's people, places, groups and things."""
    yield from (name for name, (label, _) in one.known.items() if label != "Event")
    for claim in one.claims:
        yield from claim
    for group in one.groups:
        yield from group


def _untabled(table: _Table, glances: Sequence[Glance]) -> dict[str, str]:
    """Folded form → the form to show, for names that the table spells otherwise or not at all."""
    chapters: Counter[str] = Counter()
    for one in glances:
        chapters.update({name for name in _names(one) if not name.isascii()})
    forms: dict[str, set[str]] = {}
    for name in chapters:
        forms.setdefault(fold(name), set()).add(name)
    return {
        plain: table.forms.get(plain) or min(spelled, key=lambda f: (-chapters[f], f))
        for plain, spelled in forms.items()
        if spelled != {plain}
    }


# --- the table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Table:
    """A name table, its spellings looked up once for all chapters of a task."""

    forms: dict[str, str]  # folded form → the one that the table puts first
    traditional: dict[str, str]  # those of them that are no simplified ones
    entries: tuple[NameEntry, ...]


@lru_cache(maxsize=16)
def _table(entries: tuple[NameEntry, ...]) -> _Table:
    """First is an entry's name before an alias, and what has more mentions."""
    ranks: dict[str, tuple[bool, int, int, str]] = {}
    for entry in entries:
        for place, form in enumerate((entry.name, *entry.aliases)):
            if not form.isascii():
                plain, rank = fold(form), (place > 0, -entry.mentions, place, form)
                ranks[plain] = min(rank, ranks.get(plain, rank))
    forms = {plain: rank[-1] for plain, rank in ranks.items()}
    traditional = {plain: form for plain, form in forms.items() if plain != form}
    unified = tuple(_unified(entry, forms) for entry in entries)
    return _Table(forms, traditional, unified)


def _unified(entry: NameEntry, forms: dict[str, str]) -> NameEntry:
    def of(name: str) -> str:
        return forms.get(fold(name), name)

    name = of(entry.name)
    shown = dict.fromkeys(f for form in (entry.name, *entry.aliases) for f in (of(form), form))
    aliases = tuple(form for form in shown if form != name)
    same = name == entry.name and aliases == entry.aliases
    return entry if same else replace(entry, name=name, aliases=aliases)
