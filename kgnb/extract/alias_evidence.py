"""Names joined into persons, and the statistics of where they stand that say whether two may be one."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


class People:
    """The names of one book, joined step by step into persons. The first name of a join stays the root."""

    def __init__(self, names: Iterable[str]) -> None:
        self._root = {n: n for n in names}
        self.members = {n: [n] for n in self._root}
        self.reasons: dict[tuple[str, str], str] = {}

    def root(self, name: str) -> str:
        """The representative of the person that bears ``name``."""
        if name not in self._root:
            self._root[name] = name
            self.members[name] = [name]
        return self._root[name]

    def join(self, one: str, other: str, reason: str) -> None:
        """Makes both names one person's."""
        a, b = self.root(one), self.root(other)
        if a == b:
            return
        for name in self.members[b]:
            self._root[name] = a
        self.members[a] += self.members.pop(b)
        self.reasons[(one, other)] = reason

    def why(self, name: str, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """(alias, name that it was joined with, reason) for those of ``names`` that joins lead to from
        ``name``, in the order of the joins."""
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

    def names_of(self, name: str) -> list[str]:
        """All names of the person that bears ``name``."""
        return self.members[self.root(name)]


Who = str | tuple[str, ...]
"""A person by any of its names, or exactly these names."""


class Stands:
    """Where names stand: in which sentences and windows of the text.

    ``at``: name → character offsets; ``ends``: offsets of sentence ends; ``window``: characters.
    """

    def __init__(
        self, people: People, at: Mapping[str, Sequence[int]], ends: Sequence[int], window: int
    ) -> None:
        self._people = people
        self._at = at
        self._sentences = {n: Counter(bisect_left(ends, a) for a in places) for n, places in at.items()}
        self._windows = {n: Counter(a // window for a in places) for n, places in at.items()}
        length = ends[-1] if ends else 1
        self._per_window = max(1.0, len(ends) * window / max(length, 1))
        self._kept: dict[tuple[str, ...], tuple[Counter[int], Counter[int]]] = {}

    def _of(self, who: Who) -> tuple[Counter[int], Counter[int]]:
        names = tuple(self._people.names_of(who)) if isinstance(who, str) else who
        if names not in self._kept:
            sentences: Counter[int] = Counter()
            windows: Counter[int] = Counter()
            for one in names:
                sentences.update(self._sentences.get(one, {}))
                windows.update(self._windows.get(one, {}))
            self._kept[names] = sentences, windows
        return self._kept[names]

    def expected(self, one: Who, other: Who) -> float:
        """Sentences that both would share if each were strewn at random over its windows."""
        windows, windows2 = self._of(one)[1], self._of(other)[1]
        return sum(windows[w] * windows2[w] for w in windows.keys() & windows2.keys()) / self._per_window

    def ratio(self, one: Who, other: Who, unsure: float = 9.0, least: float = 1.0) -> float:
        """Sentences that both stand in, over those expected; ``unsure`` where fewer than ``least`` are."""
        expected = self.expected(one, other)
        if expected < least:
            return unsure
        return len(self._of(one)[0].keys() & self._of(other)[0].keys()) / expected

    def reach(self, one: Who, other: Who) -> float:
        """Share of ``one``'s windows in which, or next to which, ``other`` stands too."""
        windows, windows2 = self._of(one)[1], self._of(other)[1]
        near = {w + d for w in windows2 for d in (-1, 0, 1)}
        return len(windows.keys() & near) / (len(windows) or 1)

    def nearest(self, names: Iterable[str], others: Iterable[str], within: int) -> tuple[str, float]:
        """Of the persons ``others`` the one that most often stands next to ``names``, and its share.

        Next to: the least distance from a place of ``names`` to a place of the person, at most ``within``.
        """
        places = [p for n in names for p in self._at.get(n, ())]
        bearers = sorted(
            (p, r) for r in others for n in self._people.names_of(r) for p in self._at.get(n, ())
        )
        votes: Counter[str] = Counter()
        for place in places:
            k = bisect_left(bearers, (place, ""))
            near = min(bearers[max(0, k - 1) : k + 1], key=lambda b: abs(b[0] - place), default=None)
            if near and abs(near[0] - place) <= within:
                votes[near[1]] += 1
        if not votes:
            return "", 0.0
        best, n = min(votes.items(), key=lambda v: (-v[1], v[0]))
        return best, n / len(places)
