"""Rules to find a book's first-person narrator, common to both languages: called by name in speeches, but
hardly named outside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.model import NameEntry

MAX_TOLD = 0.1
"""Greatest share of a narrator's names that stand outside speech; in novels it is at most 0.01, but a short
text may mention a namesake."""
MIN_CALLED, CHAPTERS_TO_CALL = 2, 5
"""Least calls of a narrator by name, and chapters for each required call, unless the narrator states the
name: in a long book with a nameless narrator, a minor character may be called twice and never named
otherwise."""
LEADS = 2
"""Least ratio of a narrator's likelihood to that of the next candidate."""
SAYS = 10
"""Factor on the likelihood of a candidate who states the name as the narrator's (我叫小顺), which may be a
speech without quotation marks."""
MIN_SHARE, MIN_SHARE_OF_CHAPTER = 0.002, 0.001
"""Least share of "I" among the characters outside speech in a first-person book, and in most of its chapters;
third-person novels have 0.0001 (with few quotation marks 0.001)."""
MOST_CHAPTERS = 0.6
"""Least share of chapters in the first person in a first-person book."""
MIN_I = 5
"""Least number of "I" outside speech in a chapter judged by itself."""
NAMED, NAMED_OF_CHAPTER = 0.1, 0.02
"""Greatest ratio of a chapter narrator's names outside speech to the "I" there: for the narrator of the whole
book, and for others. The second is lower, as a chapter headed by a name may also be about its bearer in the
third person."""
SAMPLED, SAMPLE = 24, 4_000
"""Number of chapters, and characters of each, that are read first to exclude third-person books."""

Place = tuple[int, int]
"""Start and end of a name."""


class Teller(NamedTuple):
    """A candidate for the narrator: counts of the person's names by use.

    ``named``: all names; ``called``: those by which a speech addresses the person; ``says``: those outside
    speech that the narrator states as own ("my name is Tom"); ``told``: the others outside speech.
    """

    name: str
    named: int
    told: int
    called: int
    says: int


def choose(tellers: Iterable[Teller], chapters: int = 1) -> str | None:
    """Return the name of the narrator among the candidates; None if no candidate or several are likely.

    A narrator is called often and hardly named outside speech; ``chapters``: number of chapters that the text
    has. Teller("Tom", named=4, told=0, called=4, says=0) and Teller("Ann", 50, 48, 2, 0) → "Tom"; Ann alone →
    None.
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
    """Return the first 4,000 characters of up to 47 chapters, spread evenly over the book; ``starts``:
    offsets of all chapters."""
    step = max(1, len(starts) // SAMPLED)
    return [text[begin : min(end, begin + SAMPLE)] for begin, end in spans(text, starts)[::step]]


def spans(text: str, starts: Sequence[int]) -> list[tuple[int, int]]:
    """Return (start, end) of each chapter; ``starts``: offsets of the chapters. "abcdef" with [0, 3] → [(0,
    3), (3, 6)]."""
    return list(pairwise((*starts, len(text))))


class Narrator(NamedTuple):
    """The narrator of a book. ``name``: canonical name; ``own``: offsets of "I"; ``also``: names of entries
    that are only forms of address of the narrator."""

    name: str
    own: Sequence[int]
    also: Sequence[str] = ()


class Share(NamedTuple):
    """Counts in a part of a text. ``own``: "I" outside speech; ``told``: characters outside speech."""

    own: int
    told: int

    def is_high(self, least: float) -> bool:
        """Return whether there is an "I", and "I" per character is at least ``least``: Share(3, 1000) at
        0.002 → True."""
        return self.own > 0 and self.own >= least * self.told

    def tells(self, entry: NameEntry, told: int) -> bool:
        """Return whether a person with ``told`` names outside speech may be the narrator of this chapter.

        The limits are lower for the narrator of the whole book (``entry.narrator``).
        """
        if entry.narrator:
            return self.is_high(MIN_SHARE_OF_CHAPTER) and told <= NAMED * self.own
        return self.is_high(MIN_SHARE) and self.own >= MIN_I and told <= NAMED_OF_CHAPTER * self.own


def may_be_first_person(samples: Sequence[Share]) -> bool:
    """Return whether the samples together have "I" for at least 0.001 of the characters outside speech.

    False excludes the first person; True needs :func:`is_first_person` to confirm it. [Share(3, 1000)] →
    True.
    """
    return _whole(samples).is_high(MIN_SHARE_OF_CHAPTER)


def is_first_person(chapters: Sequence[Share]) -> bool:
    """Return whether a book is in the first person, by counts of all its chapters.

    "I" must be at least 0.002 of all characters outside speech, and at least 0.001 in 60 % of the chapters.
    """
    most = sum(c.is_high(MIN_SHARE_OF_CHAPTER) for c in chapters) >= MOST_CHAPTERS * len(chapters)
    return most and _whole(chapters).is_high(MIN_SHARE)


def _whole(parts: Sequence[Share]) -> Share:
    return Share(sum(p.own for p in parts), sum(p.told for p in parts))


def places_of(text: str, names: Sequence[str], offsets: Iterable[int]) -> Iterator[Place]:
    """Yield (start, end) of the longest of ``names`` that stands at each offset; one character where none
    does.

    "Tom Dale sat" with ["Tom", "Tom Dale"] at [0] → (0, 8).
    """
    for at in offsets:
        yield at, at + max((len(n) for n in names if text.startswith(n, at)), default=1)


def one_a_line(text: str, offsets: Iterable[int]) -> list[int]:
    """Return the first offset of each line of ``text``: "I" then counts once per paragraph, about as often as
    a name.

    "I a I⏎b I" with [0, 4, 8] → [0, 8] (⏎: line break).
    """
    first: list[int] = []
    end = 0
    for at in offsets:
        if at >= end:
            first.append(at)
            end = text.find("\n", at) + 1 or len(text)
    return first
