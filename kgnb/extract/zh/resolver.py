"""Which names of a Chinese book are one person's: its evidence, clustered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kgnb.extract.clustering import Clusters, Names, cluster, reasons_from
from kgnb.extract.model import Reason
from kgnb.extract.weighing import Weighing, read_weights
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.pair_evidence import PAIR_EVIDENCE, Pair, are_apart
from kgnb.extract.zh.people import People
from kgnb.extract.zh.surnames import given_of, is_role, surname_of, titled_surname


@dataclass(frozen=True, slots=True)
class Resolved:
    """One person of a book: canonical name, all names, the most frequent first, and why they are one's."""

    name: str
    names: list[str]
    reasons: list[Reason]


def people_of(text: str) -> People:
    """Return the persons' names of a book's text in its normal form."""
    return People(text, NameClassifier(text))


def clusters_of(people: People, log_odds: Callable[[Pair], float] | None = None) -> Clusters:
    """Return the clusters of a book's names; ``log_odds``: other weights than the learnt ones."""
    weigh = log_odds or Weighing(PAIR_EVIDENCE, read_weights("zh", "pairs")).log_odds
    known = set(people.candidates)
    return cluster(
        people.candidates,
        [pair for pair in people.links if known.issuperset(pair)],
        lambda one, other: weigh(Pair(one, other, people)),
        apart=lambda one, other: are_apart(Pair(one, other, people)),
    )


def persons_of(people: People, clusters: Clusters) -> Iterator[Resolved]:
    """Yield the persons whom the clusters are: of no cluster are all names only forms of address, or titles
    of several."""
    reasons, counts = _reasons(people, clusters), people.index.counts
    persons = people.accepted.keys() - people.titles_of_many
    for members in sorted(clusters.members):
        if not persons.isdisjoint(members):
            own = [name for name in members if name not in people.titles_of_many]
            names = sorted(own, key=lambda name: (-counts[name], name))
            name = max(names, key=lambda name: _canonical_rank(people, name, members))
            yield Resolved(name, names, reasons_from(name, reasons[members]))


def _reasons(people: People, clusters: Clusters) -> dict[Names, list[Reason]]:
    """Cluster → (one name, another, kind of link, log odds) of its joins."""
    found: dict[Names, list[Reason]] = defaultdict(list)
    for join in clusters.joins:
        kind, (one, other) = Pair(join.one, join.other, people).best_link
        joined = tuple(sorted((*join.one, *join.other)))
        found[joined] = [*found[join.one], *found[join.other], (one, other, kind, join.odds)]
    return found


def _canonical_rank(people: People, name: str, names: Names) -> tuple[bool, bool, bool, bool, int, str]:
    """Full names first, those that are no surname + courtesy name or title; then the more frequent."""
    titled = titled_surname(name) or given_of(name) in words.TITLES_AFTER_GIVEN
    full = bool(surname_of(name)) and not titled
    given = given_of(name) not in people.courtesy and name not in people.courtesy
    whole = name not in map(given_of, names)  # 辛 is a surname, but 辛岚 is 顾辛岚
    return not is_role(name), full, given, whole, people.index.counts[name], name
