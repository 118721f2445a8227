"""Who tells a book in the first person: one who is called by name, but never named in what is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.model import NameEntry

MAX_TOLD = 0.1
"""Greatest share of a narrator's names that stand outside speech: at most 0.01 in novels, of short texts' few
names one may be another's."""
MIN_CALLED, CHAPTERS_TO_CALL = 2, 5
"""Least number of times that a narrator is called by name, and most chapters for each, unless he says who he
is: in a long book whose narrator has no name somebody else may be called twice and never named otherwise."""
LEADS = 2
"""How many times as likely as anybody else."""
SAYS = 10
"""How many times as likely is one who says that it is he, though he may only seem to: 我叫小顺，…."""
MIN_SHARE, MIN_SHARE_OF_CHAPTER = 0.002, 0.001
"""Least share of the word for "I" among the characters outside speech in a book told in the first person, and
in most of its chapters; third-person novels have 0.0001 (those of few quotation marks 0.001)."""
MOST_CHAPTERS = 0.6
"""Least share of such chapters."""
MIN_I = 5
"""Least number of the word in a chapter by itself."""
NAMED, NAMED_OF_CHAPTER = 0.1, 0.02
"""Most names of a chapter's narrator outside speech, for each such word there, if he tells the book, and
if not: a chapter headed by a name may also tell of its bearer, mostly as she."""
SAMPLED, SAMPLE = 24, 4_000
"""Chapters, and characters of each, from which it is seen whether a book may be told so at all."""

Place = tuple[int, int]
"""Start and end of a name."""


class Teller(NamedTuple):
    """How a person's names are used where a text is told in the first person.

    ``named``: all his names; ``told``: those outside speech, but for ``says``, where the narrator says that
    it is he; ``called``: where somebody is addressed so.
    """

    name: str
    named: int
    told: int
    called: int
    says: int


def choose(tellers: Iterable[Teller], chapters: int = 1) -> str | None:
    """Return who tells so many chapters; None where nobody does, or several may.

    Likely is who is called often, and seldom named otherwise: others are spoken of, too.
    """
    least = max(MIN_CALLED, chapters / CHAPTERS_TO_CALL)
    likely = [t for t in tellers if t.told <= MAX_TOLD * t.named and (t.says or t.called >= least)]
    ranked = sorted(
        (((t.says + t.called) ** 2 / t.named * (SAYS if t.says else 1), t.name) for t in likely), reverse=True
    )
    if not ranked or (len(ranked) > 1 and ranked[0][0] < LEADS * ranked[1][0]):
        return None
    return ranked[0][1]


def samples(text: str, starts: Sequence[int]) -> list[str]:
    """Return parts of some of a book's chapters, which begin at ``starts``."""
    step = max(1, len(starts) // SAMPLED)
    return [text[begin : min(end, begin + SAMPLE)] for begin, end in spans(text, starts)[::step]]


def spans(text: str, starts: Sequence[int]) -> list[tuple[int, int]]:
    """Return start and end of each of a book's chapters."""
    return list(pairwise((*starts, len(text))))


class Narrator(NamedTuple):
    """Who tells a book: by which name, at which offsets he says so, and whose entries are his, too."""

    name: str
    own: Sequence[int]
    also: Sequence[str] = ()


class Share(NamedTuple):
    """How often a part of a text says "I" outside speech, and how many characters stand there."""

    own: int
    told: int

    def is_high(self, least: float) -> bool:
        """Whether the word's share of the characters is at least this."""
        return self.own > 0 and self.own >= least * self.told

    def tells(self, entry: NameEntry, told: int) -> bool:
        """Whether one of so many names outside speech may tell this chapter, rather if he tells the book."""
        if entry.narrator:
            return self.is_high(MIN_SHARE_OF_CHAPTER) and told <= NAMED * self.own
        return self.is_high(MIN_SHARE) and self.own >= MIN_I and told <= NAMED_OF_CHAPTER * self.own


def may_be_first_person(samples: Sequence[Share]) -> bool:
    """Return whether a book may be told in the first person, by parts: chapters may begin with speech."""
    return _whole(samples).is_high(MIN_SHARE_OF_CHAPTER)


def is_first_person(chapters: Sequence[Share]) -> bool:
    """Return whether a book of these chapters is told in the first person."""
    most = sum(c.is_high(MIN_SHARE_OF_CHAPTER) for c in chapters) >= MOST_CHAPTERS * len(chapters)
    return most and _whole(chapters).is_high(MIN_SHARE)


def _whole(parts: Sequence[Share]) -> Share:
    return Share(sum(p.own for p in parts), sum(p.told for p in parts))


def places_of(text: str, names: Sequence[str], offsets: Iterable[int]) -> Iterator[Place]:
    """Return start and end of each of a person's names, of the longest at each offset."""
    for at in offsets:
        yield at, at + max((len(n) for n in names if text.startswith(n, at)), default=1)


def one_a_line(text: str, offsets: Iterable[int]) -> list[int]:
    """Return the first of each line: one is named about once in a paragraph, and then meant by pronouns."""
    first: list[int] = []
    end = 0
    for at in offsets:
        if at >= end:
            first.append(at)
            end = text.find("\n", at) + 1 or len(text)
    return first
