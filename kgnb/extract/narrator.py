"""Rules to find a book's first-person narrator, common to both languages: called by name in speeches, but
hardly named outside them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention

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
    """Return the sum of the counts of several parts."""
    return Share(sum(p.own for p in parts), sum(p.told for p in parts))


class Told:
    """A text with its speeches and its narrator's "I".

    ``own``: offsets of "I" outside speech.
    """

    def __init__(
        self,
        text: str,
        speech_or_i: re.Pattern[str],
        says: Callable[[int, int, bool], bool],
        called: Callable[[int, int], bool],
    ) -> None:
        """``speech_or_i``: matches a speech, or "I" as group "i".

        ``says(start, end, in_speech)``: whether the words before a name state it as the narrator's;
        ``called(start, end)``: whether a name in a speech calls its bearer.
        """
        self.text, self.own, self.says, self._called = text, list[int](), says, called
        self._starts, self._ends = list[int](), list[int]()
        for match in speech_or_i.finditer(text):
            if match["i"]:
                self.own.append(match.start())
            else:
                self._starts.append(match.start())
                self._ends.append(match.end())

    def in_speech(self, at: int) -> bool:
        """Return whether an offset is in a speech."""
        k = bisect_right(self._starts, at) - 1
        return k >= 0 and at < self._ends[k]

    def share(self, begin: int = 0, end: int | None = None) -> Share:
        """Return the counts of a part of the text; ``end``: None for the end of the text."""
        end = len(self.text) if end is None else end
        own = bisect_left(self.own, end) - bisect_left(self.own, begin)
        i, k = bisect_left(self._starts, begin), bisect_left(self._starts, end)
        return Share(own, end - begin - sum(self._ends[i:k]) + sum(self._starts[i:k]))

    def teller(self, name: str, places: Iterable[Place]) -> Teller:
        """Return how a person's names are used; ``places``: start and end of each."""
        named = told = called = says = 0
        for start, end in places:
            named += 1
            if self.says(start, end, speech := self.in_speech(start)):
                says += 1
            elif speech:
                called += self._called(start, end)
            else:
                told += 1
        return Teller(name, named, told, called, says)

    def may_tell(self, entry: NameEntry, people: Iterable[Mention], share: Share) -> bool:
        """Return whether a person may be the narrator of a part; ``people``, ``share``: mentions and counts
        of the part."""
        places = ((m.start, m.end) for m in people if m.entry.name == entry.name)
        return share.tells(entry, self.teller(entry.name, places).told)


def of_book(
    text: str,
    starts: Sequence[int],
    persons: Iterable[tuple[str, Sequence[str], Sequence[int]]],
    read: Callable[[str], Told],
    addresses: Callable[[Told, str, Mapping[str, Sequence[Place]]], Sequence[str]] = lambda *_: (),
) -> Narrator | None:
    """Return the narrator of a whole book, with the first "I" of each paragraph that has it outside speech;
    None for a book in the third person or without a clear narrator.

    ``starts``: offsets at which chapters begin; ``persons``: (name, all names of the person, offsets of
    these); ``addresses``: function from the text, the narrator and all persons' places to
    :attr:`Narrator.also`.
    """
    if not may_be_first_person([read(part).share() for part in samples(text, starts)]):
        return None
    told = read(text)
    if not is_first_person([told.share(*span) for span in spans(text, starts)]):
        return None
    places = {name: list(places_of(text, names, at)) for name, names, at in persons}
    found = choose((told.teller(name, at) for name, at in places.items()), len(starts))
    return Narrator(found, one_a_line(text, told.own), addresses(told, found, places)) if found else None


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
