"""The places of a book's names, for evidence about them. Built once per book, never changed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

WINDOW = 1500
"""Characters of a window: about a page."""


class Presence(NamedTuple):
    """The places of some names: numbers of sentences; number of a window → occurrences; numbers of these
    windows and their neighbours."""

    sentences: frozenset[int]
    windows: Counter[int]
    near: frozenset[int]


class NameIndex:
    """The places of a book's names, by sentence and window.

    ``offsets``: name → character offsets, ascending; ``sentence_ends``: offsets of sentence ends, ascending;
    ``window``: characters. The methods take a person as a tuple of names.
    """

    def __init__(
        self, offsets: Mapping[str, Sequence[int]], sentence_ends: Sequence[int], window: int = WINDOW
    ) -> None:
        self.offsets = offsets
        self.counts = {name: len(found) for name, found in offsets.items()}
        self._sentence_ends = sentence_ends
        self._window = window
        length = sentence_ends[-1] if sentence_ends else 1
        self._sentences_per_window = max(1.0, len(sentence_ends) * window / max(length, 1))
        self._presence: dict[tuple[str, ...], Presence] = {}

    @cached_property
    def mentions(self) -> list[tuple[int, str]]:
        """(offset, name) of each occurrence of each name, in the order of the text."""
        return sorted((at, name) for name, offsets in self.offsets.items() for at in offsets)

    def count(self, names: Iterable[str]) -> int:
        """Return the total number of occurrences of the names."""
        return sum(self.counts[name] for name in names)

    def presence(self, names: tuple[str, ...]) -> Presence:
        """Return the sentences and windows of the names; cached."""
        found = self._presence.get(names)
        if found is None:
            found = self._presence[names] = self._find(names)
        return found

    def _find(self, names: tuple[str, ...]) -> Presence:
        """Return the sentences and windows of the names, without cache."""
        if len(names) > 1:  # each name is looked up once
            parts = [self.presence((name,)) for name in names]
            windows = sum((part.windows for part in parts[1:]), parts[0].windows)
            sentences = frozenset[int]().union(*(part.sentences for part in parts))
            return Presence(sentences, windows, frozenset[int]().union(*(part.near for part in parts)))
        at = self.offsets.get(names[0], ()) if names else ()
        windows = Counter(a // self._window for a in at)
        near = frozenset(w + d for w in windows for d in (-1, 0, 1))
        return Presence(frozenset(bisect_left(self._sentence_ends, a) for a in at), windows, near)

    def together(self, one: tuple[str, ...], other: tuple[str, ...]) -> int:
        """Return the number of sentences that contain both persons, without those where a name of one
        directly follows a name of the other."""
        shared = len(self.presence(one).sentences & self.presence(other).sentences)
        return max(0, shared - self._apposed(one, other)) if shared else 0

    def _apposed(self, one: tuple[str, ...], other: tuple[str, ...]) -> int:
        """Return how often a name of one directly follows a name of the other without a gap: 铁臂熊王虎 is
        one person."""
        return sum(self._adjacent(a, b) + self._adjacent(b, a) for a, b in product(one, other))

    def _adjacent(self, left: str, right: str) -> int:
        """Return how often ``right`` begins exactly where ``left`` ends."""
        size, lefts, rights = len(left), self.offsets.get(left, ()), self.offsets.get(right, ())
        if len(lefts) <= len(rights):
            return sum(_contains(rights, at + size) for at in lefts)
        return sum(_contains(lefts, at - size) for at in rights)

    def expected(self, one: tuple[str, ...], other: tuple[str, ...]) -> float:
        """Return the number of sentences that both persons would share if each occurred at random within its
        windows."""
        windows, others = self.presence(one).windows, self.presence(other).windows
        shared = windows.keys() & others.keys()
        return sum(windows[w] * others[w] for w in shared) / self._sentences_per_window

    def coverage(self, one: tuple[str, ...], other: tuple[str, ...]) -> float:
        """Return the share, 0 to 1, of the windows of ``one`` in which, or next to which,
        ``other`` occurs."""
        windows = self.presence(one).windows
        return len(windows.keys() & self.presence(other).near) / (len(windows) or 1)


def _contains(offsets: Sequence[int], at: int) -> bool:
    """Return whether ``at`` is among ``offsets``, which are ascending."""
    found = bisect_left(offsets, at)
    return found < len(offsets) and offsets[found] == at
