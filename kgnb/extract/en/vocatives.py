"""Who answers to a name: "Come, Henry," said she. Then, in the next paragraph: "I will," said Mr. Dale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from kgnb.extract.binomial import binomial_tail
from kgnb.extract.en.paragraphs import Paragraphs

MAX_P = 0.02
"""Probability at most of so many answers if who speaks next had nothing to do with who is called."""
MIN_ANSWERS = 2
MIN_SHARE = 0.4
"""Least answers, and least share of all answers to the name, of one person."""


class Answers:
    """Names called in speech, and the speakers of the next paragraphs.

    ``person``: name → its person. Whether a person answers to a name is a one-sided binomial test against the
    person's share of all speeches.
    """

    def __init__(self, text: str, offsets: Mapping[str, Sequence[int]], person: Callable[[str], str]) -> None:
        paragraphs = Paragraphs(text)
        called: dict[int, set[str]] = {}
        speakers: dict[int, str] = {}
        for name, found in offsets.items():
            for at in found:
                paragraph, end = paragraphs.number(at), at + len(name)
                if paragraphs.is_called(at, end):
                    called.setdefault(paragraph, set()).add(person(name))
                elif paragraphs.is_speaker(at, end):
                    speakers[paragraph] = person(name)
        self._speeches = Counter(speakers.values())
        self._answers: dict[str, Counter[str]] = {}
        for paragraph, names in called.items():
            answerer = speakers.get(paragraph + 1)
            if answerer and answerer != speakers.get(paragraph):
                for name in sorted(names):
                    self._answers.setdefault(name, Counter())[answerer] += 1

    def answering(self) -> Iterator[tuple[str, str]]:
        """Yield (person called, another person who answers to that name)."""
        total = self._speeches.total()
        for called, answers in self._answers.items():
            for answerer, n in answers.items():
                enough = n >= MIN_ANSWERS and n >= MIN_SHARE * answers.total()
                share = self._speeches[answerer] / total
                if enough and called != answerer and binomial_tail(n, answers.total(), share) <= MAX_P:
                    yield called, answerer
