"""Constrained clustering: groups the names of a book into persons by the odds of pairs, best first.

The two clusters of the greatest odds are joined; the new cluster is compared with the neighbours of both;
this repeats until no odds exceed the limit (agglomerative clustering with cannot-links; Ng and Cardie 2002,
ACL, for best first). Ties are broken by the names, so the order of the input changes nothing.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from kgnb.extract.weighing import probability

_Why = TypeVar("_Why")

Names = tuple[str, ...]
"""The names of one person, sorted."""


@dataclass(frozen=True, slots=True)
class Join:
    """Two clusters that were joined, and the log odds (natural logarithm) of being one person; infinite for a
    must-link."""

    one: Names
    other: Names
    odds: float


@dataclass(slots=True)
class Clusters:
    """The clusters found. ``members``: all clusters; ``of``: name → its cluster; ``joins``: in the order in
    which they were made."""

    members: set[Names] = field(default_factory=set)
    of: dict[str, Names] = field(default_factory=dict)
    joins: list[Join] = field(default_factory=list)


def cluster(
    names: Iterable[str],
    pairs: Iterable[tuple[str, str]],
    odds: Callable[[Names, Names], float | None],
    *,
    apart: Callable[[Names, Names], bool] = lambda *_: False,
    joined: Iterable[tuple[str, str]] = (),
    least: float = 0.0,
) -> Clusters:
    """Return the clusters of ``names``, each cluster the sorted names of one person.

    Args:
        names: all names, each once.
        pairs: two names whose clusters are compared, each pair at most once in either order.
        odds: function from two clusters to their log odds of being one person's; None where nothing is known.
        apart: function from two clusters to whether they must not be joined (cannot-link).
        joined: pairs of names that are one person's whatever the evidence (must-link).
        least: log odds above which two clusters are joined.

    >>> odds = {("Ann", "Miss Peel"): 1.0, ("Ann", "Ann Peel"): 3.0}
    >>> def mean(a, b):
    ...     return sum(odds.get((x, y), odds.get((y, x), 0.0)) for x in a for y in b) / len(a) / len(b)
    >>> sorted(cluster(["Ann", "Ann Peel", "Miss Peel"], odds, mean, least=2.0).members)
    [('Ann', 'Ann Peel'), ('Miss Peel',)]
    """
    work = _Work(names, pairs, odds, apart, least)
    for one, other in sorted(joined):
        if (of := work.found.of)[one] != of[other]:
            work.join(of[one], of[other], float("inf"))
    work.run()
    return work.found


class _Work:
    def __init__(
        self,
        names: Iterable[str],
        pairs: Iterable[tuple[str, str]],
        odds: Callable[[Names, Names], float | None],
        apart: Callable[[Names, Names], bool],
        least: float,
    ) -> None:
        alone: dict[str, Names] = {name: (name,) for name in names}
        self.found = Clusters(set(alone.values()), alone)
        self._odds, self._apart, self._least = odds, apart, least
        self._near: dict[Names, set[Names]] = defaultdict(set)
        self._queue: list[tuple[float, Names, Names]] = []
        for one, other in pairs:
            self._near[one,].add((other,))
            self._near[other,].add((one,))

    def run(self) -> None:
        for one, others in list(self._near.items()):
            for other in others:
                if one < other:
                    self._compare(one, other)
        live = self.found.members
        while self._queue:
            odds, one, other = heapq.heappop(self._queue)
            if one in live and other in live:
                joined = self.join(one, other, -odds)
                for near in self._near[joined]:
                    self._compare(*sorted((joined, near)))

    def _compare(self, one: Names, other: Names) -> None:
        if self._apart(one, other):
            return
        odds = self._odds(one, other)
        if odds is not None and odds > self._least:
            heapq.heappush(self._queue, (-odds, one, other))

    def join(self, one: Names, other: Names, odds: float) -> Names:
        """Join two clusters and note the join; return the joined cluster, its names sorted."""
        joined = tuple(sorted((*one, *other)))
        self.found.members -= {one, other}
        self.found.members.add(joined)
        self.found.joins.append(Join(one, other, odds))
        self.found.of.update(dict.fromkeys(joined, joined))
        near = (self._near.pop(one, set()) | self._near.pop(other, set())) - {one, other}
        for third in near:
            self._near[third] -= {one, other}
            self._near[third].add(joined)
        self._near[joined] = near
        return joined


def joined_from(name: str, joins: Iterable[tuple[str, str, _Why]]) -> list[tuple[str, str, _Why]]:
    """Return (alias, name it was joined with, why) for each name that a chain of joins links to ``name``;
    nearest first.

    ``joins``: (one, other, why). For "Ann" and [("Ann", "Annie", "x"), ("Annie", "Nan", "y"), ("Tom",
    "Tommy", "z")] → [("Annie", "Ann", "x"), ("Nan", "Annie", "y")].
    """
    links: dict[str, list[tuple[str, _Why]]] = defaultdict(list)
    for one, other, why in joins:
        links[one].append((other, why))
        links[other].append((one, why))
    found: list[tuple[str, str, _Why]] = []
    seen, near = {name}, [name]
    for known in near:  # grows while it is iterated
        for alias, why in links[known]:
            if alias not in seen:
                seen.add(alias)
                near.append(alias)
                found.append((alias, known, why))
    return found


def reasons_from(
    name: str, joins: Iterable[tuple[str, str, str, float]]
) -> list[tuple[str, str, str, float]]:
    """Return (alias, name it was joined with, reason, probability) for each name that a chain of joins links
    to ``name``; nearest first, each alias once; [] if nothing was joined with ``name``.

    ``joins``: (one, other, reason, log odds). For "Ann" and [("Ann", "Annie", "nickname", 3.0)] → [("Annie",
    "Ann", "nickname", 0.9526)].
    """
    each = ((one, other, (reason, odds)) for one, other, reason, odds in joins)
    return [
        (alias, known, reason, probability(odds)) for alias, known, (reason, odds) in joined_from(name, each)
    ]
