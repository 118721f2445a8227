"""Co-occurrence statistics of names: two names of one person share passages but hardly ever a sentence."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from kgnb.extract.name_clusters import NameClusters

Who = str | tuple[str, ...]
"""A person by any of its names (all names of its cluster count), or exactly these names."""


class CoOccurrence:
    """Sentences and windows in which the names of one book occur.

    ``offsets``: name → character offsets; ``sentence_ends``: character offsets; ``window``: characters.
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
        self._known_edges: dict[tuple[str, ...], tuple[set[int], set[int]]] = {}
        self._known_counts: dict[tuple[str, ...], tuple[set[int], Counter[int]]] = {}

    def _counts(self, who: Who) -> tuple[set[int], Counter[int]]:
        """Sentences, and window → occurrences, of all names; found when first asked for: few are compared."""
        names = tuple(self._clusters.names_of(who)) if isinstance(who, str) else who
        if names not in self._known_counts:
            at = [a for n in names for a in self._offsets.get(n, ())]
            sentences = {bisect_left(self._sentence_ends, a) for a in at}
            self._known_counts[names] = sentences, Counter(a // self._window for a in at)
        return self._known_counts[names]

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

    def together(self, one: Who, other: Who) -> int:
        """Return how many sentences hold both, but for those in which one stands right beside the other."""
        shared = len(self._counts(one)[0] & self._counts(other)[0])
        return max(0, shared - self._apposed(one, other))

    def _apposed(self, one: Who, other: Who) -> int:
        """How often a name of one stands right beside a name of the other: 铁臂熊王虎 is one person."""
        (starts, ends), (others, other_ends) = self._edges(one), self._edges(other)
        return len(ends & others) + len(starts & other_ends)

    def _edges(self, who: Who) -> tuple[set[int], set[int]]:
        """Offsets at which the names of ``who`` begin and end."""
        names = tuple(self._clusters.names_of(who)) if isinstance(who, str) else who
        if names not in self._known_edges:
            at = [(a, a + len(n)) for n in names for a in self._offsets.get(n, ())]
            self._known_edges[names] = {start for start, _ in at}, {end for _, end in at}
        return self._known_edges[names]

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
