"""Index of a long text by its character bigrams: counted once, then searched for many words at once."""

from __future__ import annotations

import operator
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import compress, count

_UTF16 = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
_BEYOND_BMP = re.compile("[^\u0000-\uffff]")

BLOCK = 1 << 18
"""Characters whose bigrams are in memory at a time."""


def _encode(text: str) -> bytes:
    """Two bytes a character; a question mark for what has no such form (emoji, lone surrogates)."""
    code = text.encode(_UTF16, "replace")
    return code if len(code) == 2 * len(text) else _BEYOND_BMP.sub("?", text).encode(_UTF16, "replace")


def _codes(bigrams: Iterable[str]) -> array[int]:
    return array("I", _encode("".join(bigrams)))


class BigramIndex:
    """A text searched by its bigrams, as integers, which compare at a third of a string's cost.

    They are made anew a block at a time for each search of the whole text, which costs a tenth of the search:
    kept, they would take twice the text's memory.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._counts = Counter[int]()
        for _, codes in self._blocks():
            self._counts.update(codes)
        self._cached: set[int] = set()  # bigrams whose offsets are known: _cached_offsets, _cached_codes
        self._cached_offsets = self._cached_codes = array("I")

    def _blocks(self) -> Iterator[tuple[int, array[int]]]:
        """Yield (offset, the bigrams from there on) for each block of the text."""
        for start in range(0, len(self.text) - 1, BLOCK):
            code = memoryview(_encode(self.text[start : start + BLOCK + 1]))
            size = len(code) // 2 - 1
            codes = array("I", [0]) * size
            for first in (0, 1):
                pairs = array("I")
                pairs.frombytes(code[2 * first : 2 * first + (size + 1 - first) // 2 * 4])
                codes[first::2] = pairs
            yield start, codes

    def count(self, bigram: str) -> int:
        """Return how often ``bigram`` occurs in the text."""
        return self._counts.get(int.from_bytes(_encode(bigram), sys.byteorder), 0)

    def frequent(self, least: int) -> dict[str, int]:
        """Return the bigrams that occur ``least`` times → occurrences."""
        codes = array("I", (code for code, n in self._counts.items() if n >= least))
        chars = codes.tobytes().decode(_UTF16)
        bigrams = map(operator.add, chars[::2], chars[1::2])
        return dict(zip(bigrams, map(self._counts.__getitem__, codes), strict=True))

    def offsets(self, bigrams: Iterable[str]) -> array[int]:
        """Return the offsets at which one of ``bigrams`` occurs, ascending: in a text without sentences, at
        nearly all places."""
        wanted = set(_codes(bigrams))
        if wanted <= self._cached:
            return array("I", compress(self._cached_offsets, map(wanted.__contains__, self._cached_codes)))
        found = array("I")
        for start, codes in self._blocks():
            found.extend(compress(count(start), map(wanted.__contains__, codes)))
        return found

    def cache_offsets(self, bigrams: Iterable[str]) -> None:
        """Remember where ``bigrams`` occur: later searches for a subset of them skip the rest of the text."""
        wanted = set(_codes(bigrams))
        offsets, kept = array("I"), array("I")
        for start, codes in self._blocks():
            hits = bytes(map(wanted.__contains__, codes))
            offsets.extend(compress(count(start), hits))
            kept.extend(compress(codes, hits))
        self._cached, self._cached_offsets, self._cached_codes = wanted, offsets, kept

    def find_all(self, words: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield (offset, word) from the left: the longest word at each place, without overlaps.

        Words of one character are ignored. For thousands of words this is faster than a regular expression,
        which tries its branches one by one.
        """
        text, known = self.text, {w for w in words if len(w) >= 2}
        lengths = lengths_by_start(known)
        free = 0
        for at in self.offsets(lengths):
            if at >= free:
                for n in lengths.get(text[at : at + 2], ()):
                    word = text[at : at + n]
                    if word in known:
                        yield at, word
                        free = at + n
                        break


def lengths_by_start(words: Iterable[str]) -> dict[str, list[int]]:
    """Return first two characters → lengths of the words that begin with them, the longest first."""
    starts: dict[str, set[int]] = {}
    for word in words:
        starts.setdefault(word[:2], set()).add(len(word))
    return {start: sorted(lengths, reverse=True) for start, lengths in starts.items()}
