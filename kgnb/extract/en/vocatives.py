"""Who answers to a name: "Come, Henry," said she. Then, in the next paragraph: "I will," said Mr. Dale."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from kgnb.extract.binomial import binomial_tail
from kgnb.extract.en.paragraphs import Paragraphs

MAX_P = 0.02
"""Probability at most of so many answers if who speaks next had nothing to do with who is called."""
MIN_ANSWERS = 2
MIN_SHARE = 0.4
"""Least answers, and least share of all answers to the name, of one person."""
SURE_ANSWERS = 10
"""Answers from which on two names are one person's even if they are now and then in one sentence."""


def answering(
    paragraphs: Paragraphs, offsets: Mapping[str, Sequence[int]], person: Callable[[str], str]
) -> Iterator[tuple[str, str, bool]]:
    """Yield (person called, another person who answers to that name, whether so often that it is sure).

    ``person``: name → its person.

    A one-sided binomial test of who speaks in the next paragraph against the share of all speeches.
    """
    called: dict[int, set[str]] = defaultdict(set)
    speakers: dict[int, str] = {}
    for name, found in offsets.items():
        for at in found:
            paragraph, end = paragraphs.number(at), at + len(name)
            if paragraphs.is_called(at, end):
                called[paragraph].add(person(name))
            elif paragraphs.is_speaker(at, end):
                speakers[paragraph] = person(name)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for paragraph, names in called.items():
        if (answerer := speakers.get(paragraph + 1)) and answerer != speakers.get(paragraph):
            for name in sorted(names):
                answers[name][answerer] += 1
    speeches = Counter(speakers.values())
    for name, counts in answers.items():
        for answerer, n in counts.items():
            enough = n >= MIN_ANSWERS and n >= MIN_SHARE * counts.total()
            share = speeches[answerer] / len(speakers)
            if enough and name != answerer and binomial_tail(n, counts.total(), share) <= MAX_P:
                yield name, answerer, n >= SURE_ANSWERS
