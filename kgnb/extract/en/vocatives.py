"""Who answers to a name: "Come, Henry," said she. Then, in the next paragraph: "I will," said Mr. Dale."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from kgnb.extract.binomial import binomial_tail
from kgnb.extract.en import vocabulary as words

MAX_P = 0.02
"""Probability at most of so many answers if who speaks next had nothing to do with who is called."""
MIN_ANSWERS = 2
MIN_SHARE = 0.4
"""Least answers, and least share of all answers to the name, of one person."""

_BEFORE = re.compile(rf"\b(?:{words.SPEECH_VERB}) $")
_AFTER = re.compile(rf" (?:{words.SPEECH_VERB})\b")
_CALLED = re.compile(r"(?:, |\"|\bdear )$")


class Answers:
    """Names called in speech, and the speakers of the next paragraphs.

    ``person``: name → its person. Whether a person answers to a name is a one-sided binomial test against the
    person's share of all speeches.
    """

    def __init__(self, text: str, offsets: Mapping[str, Sequence[int]], person: Callable[[str], str]) -> None:
        self._text = text
        self._paragraph_ends = [m.start() for m in re.finditer("\n", text)]
        self._quotes = [m.start() for m in re.finditer('"', text)]
        called: dict[int, set[str]] = {}
        speakers: dict[int, str] = {}
        for name, found in offsets.items():
            for at in found:
                paragraph, in_speech = self._place(at)
                if in_speech and self._is_called(name, at):
                    called.setdefault(paragraph, set()).add(person(name))
                elif not in_speech and self._speaks(name, at):
                    speakers[paragraph] = person(name)
        self._speeches = Counter(speakers.values())
        self._answers: dict[str, Counter[str]] = {}
        for paragraph, names in called.items():
            answerer = speakers.get(paragraph + 1)
            if answerer and answerer != speakers.get(paragraph):
                for name in sorted(names):
                    self._answers.setdefault(name, Counter())[answerer] += 1

    def _place(self, at: int) -> tuple[int, bool]:
        """The paragraph's number, and whether ``at`` is within quotation marks."""
        k = bisect_right(self._paragraph_ends, at)
        start = self._paragraph_ends[k - 1] + 1 if k else 0
        return k, (bisect_left(self._quotes, at) - bisect_left(self._quotes, start)) % 2 == 1

    def _is_called(self, name: str, at: int) -> bool:
        end = at + len(name)
        return self._text[end : end + 1] in {",", "!", "?", "."} and bool(
            _CALLED.search(self._text, max(0, at - 6), at)
        )

    def _speaks(self, name: str, at: int) -> bool:
        before = _BEFORE.search(self._text, max(0, at - 16), at)
        return bool(before or _AFTER.match(self._text, at + len(name)))

    def answering(self) -> Iterator[tuple[str, str]]:
        """Yield (person called, another person who answers to that name)."""
        total = self._speeches.total()
        for called, answers in self._answers.items():
            for answerer, n in answers.items():
                enough = n >= MIN_ANSWERS and n >= MIN_SHARE * answers.total()
                share = self._speeches[answerer] / total
                if enough and called != answerer and binomial_tail(n, answers.total(), share) <= MAX_P:
                    yield called, answerer
