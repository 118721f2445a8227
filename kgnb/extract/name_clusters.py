"""Names of one book joined into clusters, one a person (union-find), with the reason of each join."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


class NameClusters:
    """Disjoint sets of names. The first name of a join stays the cluster's root."""

    def __init__(self, names: Iterable[str]) -> None:
        self._root = {n: n for n in names}
        self.members = {n: [n] for n in self._root}
        self.reasons: dict[tuple[str, str], str] = {}

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
        self.reasons[(one, other)] = reason

    def reasons_for(self, name: str, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """Return (alias, name it was joined with, reason) for those of ``names`` that a chain of joins within
        ``names`` links to ``name``, nearest joins first."""
        wanted, found, reached = set(names), [], {name}
        joins = [(pair, reason) for pair, reason in self.reasons.items() if wanted.issuperset(pair)]
        grown = True
        while grown:
            grown = False
            for pair, reason in joins:
                for known, alias in (pair, pair[::-1]):
                    if known in reached and alias not in reached:
                        found.append((alias, known, reason))
                        reached.add(alias)
                        grown = True
        return found

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
