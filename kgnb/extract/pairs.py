"""Two persons that may be one, and the resolver that joins them: the same for both languages.

A language gives its names with their links (kind of a link → how good it is, up to 1), functions that look at
two persons (evidence), and what keeps two apart. Links and evidence alike have weights in data/weights.toml.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Generic, Protocol, TypeVar

from kgnb.core.labels import Lang
from kgnb.extract.clustering import Clusters, Names, cluster, reasons_from
from kgnb.extract.model import Reason
from kgnb.extract.name_index import NameIndex
from kgnb.extract.weighing import Evidence, Weighing, read_weights

Kinds = Mapping[str, float]
"""Kind of a link between two names → how good a link of that kind it is, up to 1."""


class PersonOf(Protocol):
    """Some names of a book, taken for one person's."""

    names: Names
    count: int

    @property
    def is_full(self) -> bool:
        """Whether one of the person's names is a full name, of first name and surname."""


_Person = TypeVar("_Person", bound=PersonOf)
_PersonOf = TypeVar("_PersonOf", bound=PersonOf, covariant=True)


class PeopleOf(Protocol[_PersonOf]):
    """A book's names."""

    @property
    def index(self) -> NameIndex:
        """The index of all offsets, sentences and passages of the names."""

    @property
    def person(self) -> Callable[[Names], _PersonOf]:
        """Function from the names of one person to that person's facts."""

    @property
    def links(self) -> Mapping[tuple[str, str], Kinds]:
        """Two names, sorted → kind of link → value, for every two names that are compared."""

    @property
    def candidates(self) -> Any:
        """All names of the book, as the keys of a mapping or as a sequence."""


_People = TypeVar("_People", bound=PeopleOf[Any])


class Pair(Generic[_Person, _People]):
    """Two persons: the ``full`` one is told in full, or more often, than the ``short`` one."""

    textual: frozenset[str] = frozenset()
    """Kinds of links that say more than any other."""

    def __init__(self, one: Names, other: Names, people: _People) -> None:
        both: list[_Person] = [people.person(one), people.person(other)]
        self.full, self.short = sorted(both, key=lambda p: (not p.is_full, -p.count, p.names))
        self.people = people

    @cached_property
    def links(self) -> dict[str, tuple[float, str, str]]:
        """Kind of link → (value, name of ``full``, name of ``short``): for each kind the link of the highest
        value between any two names of the persons.
        """
        found: dict[str, tuple[float, str, str]] = {}
        for one in self.full.names:
            for other in self.short.names:
                for kind, value in self.people.links.get((min(one, other), max(one, other)), {}).items():
                    if kind not in found or value > found[kind][0]:
                        found[kind] = (value, one, other)
        return found

    @property
    def best_link(self) -> tuple[str, tuple[str, str]]:
        """(kind, (name of ``full``, name of ``short``)) of the link to show as the reason.

        A kind in ``textual`` (stated by the text) comes first, then the highest value, then the most frequent
        names. Raises ValueError without any link.
        """

        def rank(kind: str) -> tuple[bool, float, int, str]:
            value, *names = self.links[kind]
            return kind not in self.textual, -value, -self.people.index.count(names), kind

        kind = min(self.links, key=rank)
        return kind, self.links[kind][1:]

    @cached_property
    def expected(self) -> float:
        """Number of sentences, 0.0 or more, that both persons would share by chance."""
        return self.people.index.expected(self.full.names, self.short.names)

    @cached_property
    def together(self) -> int:
        """Number of sentences that contain both persons, without those where a name of one directly follows a
        name of the other (铁臂熊王虎).
        """
        return self.people.index.together(self.full.names, self.short.names)


_Pair = TypeVar("_Pair", bound=Pair[Any, Any])


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person of a book: canonical name, all names (the most frequent first), and the reasons for joining
    each alias."""

    name: str
    names: list[str]
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Resolver(Generic[_Pair]):
    """Joins the names of a book into persons, by a language's evidence."""

    lang: Lang
    pair: Callable[[Names, Names, Any], _Pair]
    evidence: Sequence[Evidence[_Pair]]
    apart: Callable[[_Pair], bool]
    """Whether two must not be joined whatever the evidence."""
    own: Callable[[Any, Names], Sequence[str]]
    """People, cluster → those of its names that are shown as a person's; none for nobody in particular."""
    rank: Callable[[Any, str, Names], Any]
    """People, name, cluster → a key; the name with the greatest is the canonical one."""
    surety: Callable[[Any, str], float] = lambda *_: 0.0
    """People, name → how surely it is a person's; the surest come first, which breaks ties of mentions."""
    least: float = 0.0
    """Log odds above which two clusters are joined; above 0 where two persons shown as one mislead more than
    one shown as two."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Kind of link → reason that a user is shown, where that is not the kind itself."""

    def clusters(self, people: Any, log_odds: Callable[[_Pair], float] | None = None) -> Clusters:
        """Return the clusters of a book's names, each cluster the names of one person.

        ``log_odds``: function from a pair to the log odds that both are one person; None for the weights of
        data/weights.toml.
        """
        weigh = log_odds or Weighing(self.evidence, read_weights(self.lang, "pairs")).log_odds
        known = set(people.candidates)
        pair = cache(lambda one, other: self.pair(one, other, people))
        return cluster(
            people.candidates,
            [names for names in people.links if known.issuperset(names)],
            lambda one, other: weigh(pair(one, other)),
            apart=lambda one, other: self.apart(pair(one, other)),
            least=self.least,
        )

    def persons(self, people: Any, clusters: Clusters) -> list[Resolved]:
        """Return a person for each cluster that has a name of its own, the surest first.

        A person's ``name`` is its highest-ranked name, ``names`` all its names, the most frequent first, and
        ``reasons`` why they were joined: (alias, other name, reason, probability).
        """
        found, reasons, counts = [], self._reasons(people, clusters), people.index.counts
        for members in sorted(clusters.members):
            if names := sorted(self.own(people, members), key=lambda name: (-counts[name], name)):
                name = max(names, key=lambda name: self.rank(people, name, members))
                found.append(Resolved(name, names, reasons_from(name, reasons[members])))
        return sorted(found, key=lambda one: -max(self.surety(people, name) for name in one.names))

    def _reasons(self, people: Any, clusters: Clusters) -> dict[Names, list[Reason]]:
        """Return cluster → (name, other name, reason, log odds) for each join that made it."""
        found: dict[Names, list[Reason]] = defaultdict(list)
        for join in clusters.joins:
            kind, (one, other) = self.pair(join.one, join.other, people).best_link
            reason = self.reasons.get(kind, kind)
            joined = tuple(sorted((*join.one, *join.other)))
            found[joined] = [*found[join.one], *found[join.other], (one, other, reason, join.odds)]
        return found
