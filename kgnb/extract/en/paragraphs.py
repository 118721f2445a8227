"""Paragraphs of an English text: which parts are speech, who speaks, whom a speech calls by name.

A paragraph is a line; speech stands in straight double quotation marks (see sentences.normalise).
"""

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
    """The lines and quotation marks of one text. Paragraphs are numbered from 0; offsets are characters."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [m.start() for m in re.finditer("\n", text)]
        self._quotes = [m.start() for m in re.finditer('"', text)]

    def number(self, offset: int) -> int:
        """Return the number of the paragraph at ``offset``, 0 for the first; its line break belongs to it."""
        return bisect_left(self._ends, offset)

    def start(self, offset: int, back: int = 0) -> int:
        """Return the offset at which the paragraph at ``offset`` begins, or the paragraph ``back`` paragraphs
        before it; 0 if there are not so many."""
        return self.start_of(self.number(offset) - back)

    def start_of(self, k: int) -> int:
        """Return the offset at which paragraph number ``k`` begins; 0 for a ``k`` of 0 or less."""
        return self._ends[k - 1] + 1 if k > 0 else 0

    def end_of(self, k: int) -> int:
        """Return the offset at which paragraph number ``k`` ends, that of its line break; the length of the
        text for the last."""
        return self._ends[k] if k < len(self._ends) else len(self._text)

    def with_speech(self) -> Iterator[tuple[int, int, int]]:
        """Yield (number, start, end) of each paragraph that contains a quotation mark, in order."""
        for k in dict.fromkeys(map(self.number, self._quotes)):
            yield k, self.start_of(k), self.end_of(k)

    def in_speech(self, offset: int) -> bool:
        """Return whether ``offset`` is within quotation marks: an odd number of marks precede it in its
        paragraph."""
        return (bisect_left(self._quotes, offset) - bisect_left(self._quotes, self.start(offset))) % 2 == 1

    def speech(self, offset: int) -> tuple[int, int, int, int]:
        """Return four offsets of quotation marks around ``offset``, which is within a speech: the end of the
        speech before, start and end of this speech, the start of the next.

        A mark that the paragraph does not have is replaced by the offset before the paragraph (-1 in the
        first), or by the paragraph's end. ``"Come, Henry," said Tom.`` at 1 → (-1, 0, 13, 24).
        """
        k, n = self.number(offset), bisect_left(self._quotes, offset)
        low, high = self.start_of(k) - 1, self.end_of(k)

        def mark(i: int, edge: int) -> int:
            return self._quotes[i] if 0 <= i < len(self._quotes) and low < self._quotes[i] < high else edge

        return mark(n - 2, low), mark(n - 1, low), mark(n, high), mark(n + 1, high)

    def is_called(self, start: int, end: int) -> bool:
        """Return whether a speech calls the name at ``start``-``end``: the name is in quotation marks, behind
        a comma, "dear" or the like, and before one of ``, ! ? .``

        Henry in ``"Come, Henry," said Tom.`` → True; Tom → False.
        """
        called = self._text[end : end + 1] in {",", "!", "?", "."} and self.in_speech(start)
        return called and bool(_CALLED.search(self._text, max(0, start - 6), start))

    def is_speaker(self, start: int, end: int) -> bool:
        """Return whether a verb of speech beside the name at ``start``-``end`` makes its bearer a speaker.

        True for Henry in ``"Come," said Henry.`` and in ``Henry said`` outside quotation marks.
        """
        if _VERB_BEFORE.search(self._text, max(0, start - 40), start):
            return True
        return bool(_VERB_AFTER.match(self._text, end)) and not self.in_speech(start)

    def is_answer(self, start: int, end: int) -> bool:
        """Return whether the name at ``start``-``end`` is that of the speaker of its paragraph, right beside
        the speech.

        True for Henry in ``"Come," said Henry.``, ``"Come," Henry said.`` and ``Henry said, "Come."`` at the
        start of a paragraph; stricter than :meth:`is_speaker`, which needs no speech beside the name.
        """
        if _VERB_BEFORE.search(self._text, max(0, start - 40), start):
            return True
        verb = _VERB_AFTER.match(self._text, end)
        if not verb or self.in_speech(start):
            return False
        if start == self.start(start):
            return bool(_QUOTE_BEHIND.match(self._text, verb.end()))
        return self._text.endswith('" ', 0, start)
