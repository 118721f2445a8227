"""Co-occurrence statistics of names: two names of one person share passages but hardly ever a sentence."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, product

from kgnb.extract.name_clusters import NameClusters

Who = str | tuple[str, ...]
"""A person by any of its names (all names of its cluster count), or exactly these names."""


class CoOccurrence:
    """Sentences and windows in which the names of one book occur.

    ``offsets``: name → character offsets, ascending; ``sentence_ends``: likewise; ``window``: characters.
    """

    def __init__(
        self,
        clusters: NameClusters,
        offsets: Mapping[str, Sequence[int]],
        sentence_ends: Sequence[int],
        window: int,
    ) -> None:
        self._clusters = clusters
        self._offsets = offsets
        self._sentence_ends = sentence_ends
        self._window = window
        length = sentence_ends[-1] if sentence_ends else 1
        self._sentences_per_window = max(1.0, len(sentence_ends) * window / max(length, 1))
        self._known_counts: dict[str, tuple[tuple[str, ...], set[int], Counter[int]]] = {}

    def _names(self, who: Who) -> tuple[str, ...]:
        return tuple(self._clusters.names_of(who)) if isinstance(who, str) else who

    def _counts(self, who: Who) -> tuple[set[int], Counter[int]]:
        """Sentences, and window → occurrences, of all names; kept until a join adds some."""
        names = self._names(who)
        known, sentences, windows = self._known_counts.get(names[0], ((), set(), Counter()))
        if known != names:
            at = [a for n in names for a in self._offsets.get(n, ())]
            sentences = {bisect_left(self._sentence_ends, a) for a in at}
            windows = Counter(a // self._window for a in at)
            self._known_counts[names[0]] = names, sentences, windows
        return sentences, windows

    def expected(self, one: Who, other: Who) -> float:
        """Return how many sentences both would share if each occurred at random within its windows."""
        windows, others = self._counts(one)[1], self._counts(other)[1]
        shared = windows.keys() & others.keys()
        return sum(windows[w] * others[w] for w in shared) / self._sentences_per_window

    def ratio(self, one: Who, other: Who, unsure: float = 9.0, least: float = 1.0) -> float:
        """Return observed over expected shared sentences; ``unsure`` where fewer than ``least`` are expected.

        Under 1: they keep apart, as two names of one person do. Over 1: they keep company, so they are two.
        """
        expected = self.expected(one, other)
        if expected < least:
            return unsure
        return self.together(one, other) / expected

    def chance(self, one: Who, other: Who) -> float:
        """Return the probability that both share so few sentences by chance (lower tail of a Poisson)."""
        expected, shared = self.expected(one, other), self.together(one, other)
        terms = accumulate(
            range(1, shared + 1), lambda term, k: term * expected / k, initial=math.exp(-expected)
        )
        return 1.0 if shared >= expected else sum(terms)

    def together(self, one: Who, other: Who) -> int:
        """Return how many sentences hold both, but for those in which one stands right beside the other."""
        shared = len(self._counts(one)[0] & self._counts(other)[0])
        return max(0, shared - self._apposed(one, other))

    def _apposed(self, one: Who, other: Who) -> int:
        """How often a name of one stands right beside a name of the other: 铁臂熊王虎 is one person."""
        pairs = product(self._names(one), self._names(other))
        return sum(self._adjacent(a, b) + self._adjacent(b, a) for a, b in pairs)

    def _adjacent(self, left: str, right: str) -> int:
        """How often ``right`` begins where ``left`` ends: the rarer one's offsets are looked for."""
        size, lefts, rights = len(left), self._offsets.get(left, ()), self._offsets.get(right, ())
        if len(lefts) <= len(rights):
            return sum(_contains(rights, at + size) for at in lefts)
        return sum(_contains(lefts, at - size) for at in rights)

    def coverage(self, one: Who, other: Who) -> float:
        """Return the share of ``one``'s windows in which, or next to which, ``other`` occurs too."""
        windows, others = self._counts(one)[1], self._counts(other)[1]
        near = {w + d for w in others for d in (-1, 0, 1)}
        return len(windows.keys() & near) / (len(windows) or 1)

    def nearest_votes(
        self, names: Iterable[str], others: Iterable[str], within: int
    ) -> tuple[Counter[str], int]:
        """Return person of ``others`` → occurrences of ``names`` nearest to it, and all occurrences.

        Only a person within ``within`` characters counts as near.
        """
        places = [p for n in names for p in self._offsets.get(n, ())]
        bearers = sorted(
            (p, r) for r in others for n in self._clusters.names_of(r) for p in self._offsets.get(n, ())
        )
        votes: Counter[str] = Counter()
        for place in places:
            k = bisect_left(bearers, (place, ""))
            near = min(bearers[max(0, k - 1) : k + 1], key=lambda b: abs(b[0] - place), default=None)
            if near and abs(near[0] - place) <= within:
                votes[near[1]] += 1
        return votes, len(places)


def _contains(offsets: Sequence[int], at: int) -> bool:
    """Whether an offset is among ascending ones."""
    found = bisect_left(offsets, at)
    return found < len(offsets) and offsets[found] == at
