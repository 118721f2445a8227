"""Which names of a Chinese book are one person's: its evidence, clustered."""

from __future__ import annotations

from kgnb.extract.clustering import Names
from kgnb.extract.pairs import Resolver
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.pair_evidence import PAIR_EVIDENCE, Pair, are_apart
from kgnb.extract.zh.people import People
from kgnb.extract.zh.surnames import given_of, is_role, surname_of, titled_surname


def people_of(text: str) -> People:
    """Return the persons' names of a book. ``text``: in the normal form of sentences.normalise."""
    return People(text, NameClassifier(text))


def _own_names(people: People, members: Names) -> list[str]:
    """Return the names of a cluster without titles of several people; [] if all are only forms of address."""
    persons = people.accepted.keys() - people.titles_of_many
    return [] if persons.isdisjoint(members) else [n for n in members if n not in people.titles_of_many]


def _canonical_rank(people: People, name: str, names: Names) -> tuple[bool, bool, bool, bool, int, str]:
    """Return a sort key for the name to show: full names highest, then the more frequent."""
    titled = titled_surname(name) or given_of(name) in words.TITLES_AFTER_GIVEN
    full = bool(surname_of(name)) and not titled
    given = given_of(name) not in people.courtesy and name not in people.courtesy
    whole = name not in map(given_of, names)  # 辛 is a surname, but 辛岚 is 顾辛岚
    return not is_role(name), full, given, whole, people.index.counts[name], name


RESOLVER = Resolver("zh", Pair, PAIR_EVIDENCE, are_apart, _own_names, _canonical_rank)
