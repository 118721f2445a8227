"""The first-person narrator of an English book or chapter.

A narrator is called by name in speeches, but not named outside speech, or says the name: "my name is Tom",
"I, Tom Dale". Rules and thresholds common to both languages are in extract/narrator.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.writings import writings
from kgnb.extract.model import NameEntry
from kgnb.extract.narrator import (
    NAMED,
    Narrator,
    Place,
    Share,
    Teller,
    choose,
    is_first_person,
    may_be_first_person,
    one_a_line,
    places_of,
    samples,
    spans,
)
from kgnb.extract.patterns import Mention, between

_I = re.compile(r"I(?<!\w.)(?!\w|\.\s)")
_SPEECH_OR_I = re.compile(rf'"[^"\n]*"?|(?P<i>{_I.pattern})')
_SELF = re.compile(
    r"\b(?:[Mm]y name(?: is|'s| was)|I,|I(?:'m| am| was)(?: called| named| christened)?"
    r"|(?:[Cc]all|called|named|christened) me|called myself|came to be called) $"
)


def _own(text: str, paragraphs: Paragraphs, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Yield the offsets of "I" outside quotation marks between ``start`` and ``end`` (None: to the end of the
    text)."""
    found = _I.finditer(text, start, len(text) if end is None else end)
    return (m.start() for m in found if not paragraphs.in_speech(m.start()))


def _teller(text: str, paragraphs: Paragraphs, name: str, places: Iterable[Place]) -> Teller:
    """Return the counts of a person's names by use; ``places``: (start, end) of each name."""
    named = told = called = says = 0
    for start, end in places:
        named += 1
        if paragraphs.in_speech(start):
            called += paragraphs.is_called(start, end)
        elif not text.startswith("'", end) and _SELF.search(text, max(0, start - 24), start):
            says += 1
        else:
            told += 1
    return Teller(name, named, told, called, says)


def _share(part: str) -> Share:
    """Return the number of "I" outside quotation marks in a part of a text, and the characters
    outside them."""
    found = [*_SPEECH_OR_I.finditer(part)]
    return Share(sum(m["i"] is not None for m in found), len(part) - sum(len(m[0]) for m in found))


def of_book(
    text: str, starts: Sequence[int], persons: Iterable[tuple[str, Sequence[str], Sequence[int]]]
) -> Narrator | None:
    """Return the narrator of a whole book, with the first "I" of each paragraph that has it outside speech;
    None for a book in the third person or without a clear narrator.

    ``starts``: offsets at which chapters begin; ``persons``: (name, all names of the person, offsets of
    these).
    """
    chapters = [text[begin:end] for begin, end in spans(text, starts)]
    if not may_be_first_person([*map(_share, samples(text, starts))]):
        return None
    if not is_first_person([*map(_share, chapters)]):
        return None
    paragraphs = Paragraphs(text)
    tellers = (_teller(text, paragraphs, name, places_of(text, names, at)) for name, names, at in persons)
    found = choose(tellers, len(starts))
    return Narrator(found, one_a_line(text, _own(text, paragraphs))) if found else None


def own_mentions(text: str, people: Sequence[Mention], tellers: Sequence[NameEntry]) -> list[Mention]:
    """Return a mention for each "I" outside speech in a chapter, of the first of ``tellers`` who may be its
    narrator; [] if none may.

    Only the text before the first journal or letter in the chapter counts. ``people``: mentions of persons in
    order; ``tellers``: persons to try, such as the bearer of the name in the heading, then the book's
    narrator.
    """
    if not tellers:
        return []
    end = next((start for start, _ in writings(text)), len(text))
    share, paragraphs = _share(text[:end]), Paragraphs(text)
    for entry in tellers:
        if share.tells(entry, _told(text, paragraphs, entry, between(people, 0, end))):
            return [Mention(entry, "I", at, at + 1) for at in _own(text, paragraphs, 0, end)]
    return []


def writers_mentions(
    text: str, people: Sequence[Mention], person: Callable[[str], NameEntry | None]
) -> list[Mention]:
    """Return a mention for each "I" outside speech in the journals and letters of a chapter, of their
    writers.

    ``people``: mentions of persons in order; ``person``: function from the name in a heading ("Ann's Diary")
    to the person; None for an unknown name, whose writing gives no mentions.
    """
    if not (written := writings(text)):
        return []
    paragraphs, found = Paragraphs(text), list[Mention]()
    for (start, name), (end, _) in pairwise([*written, (len(text), "")]):
        if entry := person(name) if name else None:
            own = list(_own(text, paragraphs, start, end))
            if _told(text, paragraphs, entry, between(people, start, end)) <= NAMED * len(own):
                found += (Mention(entry, "I", at, at + 1) for at in own)
    return found


def _told(text: str, paragraphs: Paragraphs, entry: NameEntry, people: Iterable[Mention]) -> int:
    """Return how often ``people``, mentions in a part of a text, name the person outside speech."""
    places = ((m.start, m.end) for m in people if m.entry.name == entry.name)
    return _teller(text, paragraphs, entry.name, places).told


def is_narrators(mention: Mention) -> bool:
    """Return whether the form of a mention is "I"."""
    return mention.form == "I"
