"""A long text by the pairs of its neighbouring characters: counted once, searched for many words at once."""

from __future__ import annotations

import operator
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, count

_UTF16 = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
_WIDE = re.compile("[^\u0000-\uffff]")


def _encode(text: str) -> bytes:
    """Two bytes a character; what has no such form (emoji, broken surrogates) becomes a question mark."""
    code = text.encode(_UTF16, "replace")
    return code if len(code) == 2 * len(text) else _WIDE.sub("?", text).encode(_UTF16, "replace")


def _numbers(pairs: Iterable[str]) -> set[int]:
    return set(array("I", b"".join(_encode(p) for p in pairs)))


class BigramIndex:
    """One text and its pairs as numbers: four bytes a character, a third of what looking at strings costs."""

    def __init__(self, text: str) -> None:
        self.text = text
        code = memoryview(_encode(text))
        size = max(0, len(text) - 1)
        self._codes = array("I", bytes(4 * size))
        for first in (0, 1):
            pairs = code[2 * first : 2 * first + (len(code) // 2 - first) // 2 * 4]
            self._codes[first::2] = array("I", pairs.cast("I"))
        self.pairs = self._count()
        self._looked: set[int] = set()
        self._at = self._near = array("I")

    def _count(self) -> Counter[str]:
        """Pair of characters → how often it stands in the text."""
        counts = Counter(self._codes)
        chars = array("I", counts).tobytes().decode(_UTF16)
        found: Counter[str] = Counter()
        found.update(dict(zip(map(operator.add, chars[::2], chars[1::2]), counts.values(), strict=True)))
        return found

    def places(self, heads: Iterable[str]) -> list[int]:
        """Offsets at which one of these pairs of characters stands, ascending."""
        wanted = _numbers(heads)
        if wanted <= self._looked:
            return list(compress(self._at, map(wanted.__contains__, self._near)))
        return list(compress(count(), map(wanted.__contains__, self._codes)))

    def look_for(self, heads: Iterable[str]) -> None:
        """Notes where these pairs stand: what is asked later of some of them need not go through all."""
        self._at = array("I", self.places(heads))
        self._near = array("I", map(self._codes.__getitem__, self._at))
        self._looked = _numbers(heads)

    def find_all(self, words: Iterable[str]) -> Iterator[tuple[int, str]]:
        """(offset, word) of words in the text, from the left, the longest at each place, never overlapping.

        For thousands of words of two characters or more (shorter ones are left out): an expression tries its
        branches one by one, this looks the first two characters up.
        """
        text, known = self.text, {w for w in words if len(w) >= 2}
        lengths = by_head(known)
        free = 0
        for at in self.places(lengths):
            if at >= free:
                for n in lengths.get(text[at : at + 2], ()):
                    word = text[at : at + n]
                    if word in known:
                        yield at, word
                        free = at + n
                        break

    def count_all(self, words: Iterable[str]) -> Counter[str]:
        """Word → how often it stands in the text, overlaps included, for words of two characters or more."""
        text, known = self.text, {w for w in words if len(w) >= 2}
        lengths = by_head(known)
        at = self.places(lengths)
        found = Counter(text[a : a + n] for a in at for n in lengths.get(text[a : a + 2], ()))
        return Counter({w: n for w, n in found.items() if w in known})


def by_head(words: Iterable[str]) -> dict[str, list[int]]:
    """The first two characters → lengths of the words that begin so, the longest first."""
    heads: dict[str, set[int]] = {}
    for word in words:
        heads.setdefault(word[:2], set()).add(len(word))
    return {head: sorted(lengths, reverse=True) for head, lengths in heads.items()}
