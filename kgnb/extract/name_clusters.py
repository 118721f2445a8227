"""Names of one book joined into clusters, one a person (union-find), with the reason of each join."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

_Reason = TypeVar("_Reason")


class NameClusters:
    """Disjoint sets of names. The first name of a join stays the cluster's root."""

    def __init__(self, names: Iterable[str]) -> None:
        self._root = {n: n for n in names}
        self.members = {n: [n] for n in self._root}
        self._joins: dict[str, list[tuple[str, str, str]]] = {}  # root → (one, other, reason)

    def root(self, name: str) -> str:
        """Return the representative of the cluster of ``name``, which is added if it is new."""
        if name not in self._root:
            self._root[name] = name
            self.members[name] = [name]
        return self._root[name]

    def join(self, one: str, other: str, reason: str) -> None:
        """Unite the clusters of both names."""
        a, b = self.root(one), self.root(other)
        if a == b:
            return
        for name in self.members[b]:
            self._root[name] = a
        self.members[a] += self.members.pop(b)
        self._joins[a] = [*self._joins.pop(a, ()), *self._joins.pop(b, ()), (one, other, reason)]

    def reasons_for(self, name: str, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return :func:`joined_from` ``name`` by joins within ``names``."""
        joins, within = self._joins.get(self.root(name), ()), {name, *names}
        return joined_from(name, (join for join in joins if within.issuperset(join[:2])))

    def persons(self, counts: Mapping[str, int], rank: Callable[[str], Any]) -> dict[str, list[str]]:
        """Return canonical name (of the highest ``rank``) → the person's names, the most frequent first.

        ``counts``: name → occurrences; a name without any is left out.
        """
        found = {}
        for members in self.members.values():
            names = sorted((n for n in members if n in counts), key=lambda n: (-counts[n], n))
            if names:
                found[max(names, key=rank)] = names
        return found

    def names_of(self, name: str) -> list[str]:
        """Return all names in the cluster of ``name``."""
        return self.members[self.root(name)]


def joined_from(name: str, joins: Iterable[tuple[str, str, _Reason]]) -> list[tuple[str, str, _Reason]]:
    """Return (alias, name it was joined with, reason) for all that a chain of joins links to ``name``.

    The nearest first (breadth-first search); a join is (one, other, reason).
    """
    links: dict[str, list[tuple[str, _Reason]]] = defaultdict(list)
    for one, other, reason in joins:
        links[one].append((other, reason))
        links[other].append((one, reason))
    found: list[tuple[str, str, _Reason]] = []
    seen, near = {name}, [name]
    for known in near:  # grows while it is iterated
        for alias, reason in links[known]:
            if alias not in seen:
                seen.add(alias)
                near.append(alias)
                found.append((alias, known, reason))
    return found
