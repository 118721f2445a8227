"""Persons who answer to a name: ``"Come, Henry," said she.`` and, in the next paragraph, ``"I will," said Mr.
Dale.``"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from kgnb.extract.binomial import binomial_tail
from kgnb.extract.en.paragraphs import Paragraphs

MAX_P = 0.02
"""Greatest probability of as many answers by chance."""
MIN_ANSWERS = 2
MIN_SHARE = 0.4
"""Least answers of one person, and least share of all answers to the name."""
SURE_ANSWERS = 10
"""Least answers that make two names one person's even if some sentences contain both."""


def answering(
    paragraphs: Paragraphs, offsets: Mapping[str, Sequence[int]], person: Callable[[str], str]
) -> Iterator[tuple[str, str, bool]]:
    """Yield (person called, person who answers, is sure) for each two whose names may be one person's.

    A call is a name called in a speech; its answer is the named speaker of the next paragraph, if that person
    does not speak in the paragraph of the call. One person must give at least 2 answers, 40 % of all answers
    to the name, and more than the person's share of all speeches explains (one-sided binomial test). ``is
    sure``: at least :data:`SURE_ANSWERS` answers.

    ``offsets``: name → its offsets; ``person``: function from a name to a key of its person.
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
