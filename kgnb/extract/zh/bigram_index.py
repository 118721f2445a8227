"""Index of a long text by its character bigrams: counted once, then searched for many words at once."""

from __future__ import annotations

import operator
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, compress, count, repeat

from kgnb.extract.word_search import lengths_by_start, start_pattern

_UTF16 = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")

BLOCK = 1 << 18
"""Characters whose bigrams are in memory at a time."""
MANY = 1_000
"""Most bigrams that are searched for by a pattern: one of more fits too often where none is."""


def _encode(text: str) -> bytes:
    """Return the text in UTF-16, two bytes for each character; "?" for characters beyond (emoji, lone
    surrogates).
    """
    code = text.encode(_UTF16, "replace")
    return code if len(code) == 2 * len(text) else _BEYOND_BMP.sub("?", text).encode(_UTF16, "replace")


class BigramIndex:
    """A text searched by its bigrams: each is looked for once, and its offsets are remembered."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._counts = Counter[int]()
        for _, codes in self._blocks():
            self._counts.update(codes)
        self._offsets: dict[str, array[int]] = {}

    def _blocks(self) -> Iterator[tuple[int, array[int]]]:
        """Yield an offset, and the bigrams from there on as integers, which compare at a third of a string's
        cost; a block at a time: all of a text's would take twice its memory."""
        for start in range(0, len(self.text) - 1, BLOCK):
            code = _encode(self.text[start : start + BLOCK + 1])
            evens, odds = (array("I", code[i : i + (len(code) - i) // 4 * 4]) for i in (0, 2))
            codes = evens + odds
            codes[::2], codes[1::2] = evens, odds
            yield start, codes

    def count(self, bigram: str) -> int:
        """Return the number of occurrences of ``bigram`` (two characters), overlapping ones included; 0 for
        none.
        """
        return self._counts.get(int.from_bytes(_encode(bigram), sys.byteorder), 0)

    def counts(self, bigrams: Iterable[str]) -> Iterator[int]:
        """Yield the number of occurrences of each of ``bigrams``, in their order; 0 for none."""
        return map(self._counts.get, array("I", _encode("".join(bigrams))), repeat(0))

    def frequent(self, least: int) -> dict[str, int]:
        """Return bigram → occurrences, for all bigrams with at least ``least`` occurrences, in no order."""
        found = {code: n for code, n in self._counts.items() if n >= least}
        chars = array("I", found).tobytes().decode(_UTF16)
        return dict(zip(map(operator.add, chars[::2], chars[1::2]), found.values(), strict=True))

    def characters(self) -> Counter[str]:
        """Return character → occurrences in the text: "abab" → {"a": 2, "b": 2}."""
        found = [0] * 0x10000
        for code in array("H", _encode(self.text[-1:])):
            found[code] = 1
        first = array("H", array("I", self._counts).tobytes())[::2]
        for code, n in zip(first, self._counts.values(), strict=True):
            found[code] += n
        return Counter({chr(code): n for code, n in enumerate(found) if n})

    def find(self, bigrams: Iterable[str]) -> dict[str, array[int]]:
        """Return bigram → its offsets, ascending, for each of ``bigrams``; an empty array for a bigram that
        does not occur.
        """
        wanted = set(bigrams)
        new = {bigram: array("I") for bigram in wanted.difference(self._offsets)}
        codes = _encode("".join(new))
        if len(new) > MANY and "?" not in codes.decode(_UTF16):
            self._add_by_codes(dict(zip(array("I", codes), new.values(), strict=True)))
        elif new:
            for match in start_pattern(new).finditer(self.text):
                at = match.start()
                if (offsets := new.get(self.text[at : at + 2])) is not None:
                    offsets.append(at)
        self._offsets |= new
        return {bigram: self._offsets[bigram] for bigram in wanted}

    def _add_by_codes(self, new: Mapping[int, array[int]]) -> None:
        """Add where the text has a bigram; what adds it is looked up by the bigram's code."""
        add = {code: offsets.append for code, offsets in new.items()}
        for start, codes in self._blocks():
            found = list(map(add.get, codes))
            for append, at in zip(filter(None, found), compress(count(start), found), strict=True):
                append(at)

    def offsets(self, bigrams: Iterable[str]) -> Iterator[int]:
        """Yield all offsets of ``bigrams``: those of one bigram ascending, then those of the next."""
        return chain.from_iterable(self.find(bigrams).values())

    def find_all(self, words: Iterable[str]) -> Iterator[tuple[int, str]]:
        """Yield (offset, word) from left to right: the longest of ``words`` at each place, without overlaps.

        Words of one character are ignored. "何子安来" with ["何子", "何子安"] → (0, "何子安").
        """
        text, known = self.text, {w for w in words if len(w) >= 2}
        lengths = lengths_by_start(known)
        found: dict[int, str] = {}
        for start, offsets in self.find(lengths).items():
            for n in reversed(lengths[start]):  # the longest last
                if n == 2:
                    found |= dict.fromkeys(offsets, start)
                else:
                    found |= {at: word for at in offsets if (word := text[at : at + n]) in known}
        free = 0
        for at in sorted(found):
            if at >= free:
                word = found[at]
                yield at, word
                free = at + len(word)
