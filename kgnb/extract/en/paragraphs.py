"""The paragraphs of an English text: what is speech there, who speaks and who is called by name."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from kgnb.extract.en import vocabulary as words

_SPEAK = words.SPEECH_VERB
_EPITHETS = "|".join(sorted(words.EPITHETS))
_VERB_BEFORE = re.compile(rf'"[^"\n]{{0,4}}\b(?:{_SPEAK}) (?:(?:the|{_EPITHETS}) )*$')
_VERB_AFTER = re.compile(rf"(?: \w+ly)?,? (?:{_SPEAK})\b")
_QUOTE_BEHIND = re.compile(r'[^"\n]{0,40}[,:] "')
_CALLED = re.compile(r'(?:, |"|\b(?:dear|Oh|oh) |\. )$')


class Paragraphs:
    """The paragraphs of one text, by offset."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self._quotes = [m.start() for m in re.finditer('"', text)]

    def number(self, offset: int) -> int:
        """Return the number of the paragraph at ``offset``."""
        return bisect_left(self._ends, offset)

    def start(self, offset: int, back: int = 0) -> int:
        """Return the start of the paragraph at ``offset``, or of the one ``back`` paragraphs before it."""
        return self.start_of(self.number(offset) - back)

    def start_of(self, k: int) -> int:
        """Return the start of a paragraph by its number."""
        return self._ends[k - 1] + 1 if k > 0 else 0

    def end_of(self, k: int) -> int:
        """Return the end of a paragraph by its number."""
        return self._ends[k] if k < len(self._ends) else len(self._text)

    def with_speech(self) -> Iterator[tuple[int, int, int]]:
        """Yield number, start and end of each paragraph in which a quotation mark stands."""
        for k in dict.fromkeys(map(self.number, self._quotes)):
            yield k, self.start_of(k), self.end_of(k)

    def in_speech(self, offset: int) -> bool:
        """Return whether ``offset`` is within quotation marks."""
        return (bisect_left(self._quotes, offset) - bisect_left(self._quotes, self.start(offset))) % 2 == 1

    def speech(self, offset: int) -> tuple[int, int, int, int]:
        """Return the end of the speech before, start and end of that at ``offset`` and the start of the next,
        within the paragraph."""
        k, n = self.number(offset), bisect_left(self._quotes, offset)
        low, high = self.start_of(k) - 1, self.end_of(k)

        def mark(i: int, edge: int) -> int:
            return self._quotes[i] if 0 <= i < len(self._quotes) and low < self._quotes[i] < high else edge

        return mark(n - 2, low), mark(n - 1, low), mark(n, high), mark(n + 1, high)

    def is_called(self, start: int, end: int) -> bool:
        """Return whether the name at ``start``-``end`` is called in speech: "Come, Henry," said she."""
        called = self._text[end : end + 1] in {",", "!", "?", "."} and self.in_speech(start)
        return called and bool(_CALLED.search(self._text, max(0, start - 6), start))

    def is_speaker(self, start: int, end: int) -> bool:
        """Return whether the bearer of the name at ``start``-``end`` says something: "Come," said Henry."""
        if _VERB_BEFORE.search(self._text, max(0, start - 40), start):
            return True
        return bool(_VERB_AFTER.match(self._text, end)) and not self.in_speech(start)

    def is_answer(self, start: int, end: int) -> bool:
        """Return whether the paragraph is a speech, and the name at ``start``-``end`` right beside it tells
        whose: "Come," Henry said. Henry said, "Come."."""
        if _VERB_BEFORE.search(self._text, max(0, start - 40), start):
            return True
        verb = _VERB_AFTER.match(self._text, end)
        if not verb or self.in_speech(start):
            return False
        if start == self.start(start):
            return bool(_QUOTE_BEHIND.match(self._text, verb.end()))
        return self._text.endswith('" ', 0, start)
