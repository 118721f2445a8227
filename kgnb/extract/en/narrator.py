"""Who tells an English book, or a chapter of it, in the first person: the one who is called by name but never
named in what is told, or says so ("my name is Tom", "I, Tom Dale")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise

from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.writings import writings
from kgnb.extract.model import NameEntry
from kgnb.extract.narrator import (
    MIN_I,
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


def narrator(
    text: str, paragraphs: Paragraphs, mentions_of: Mapping[str, Sequence[Mention]]
) -> Mention | None:
    """Return a mention of who tells the chapter; None if it isn't told in the first person, or is unclear.

    ``mentions_of``: person → mentions.
    """
    if len(list(islice(_own(text, paragraphs), MIN_I))) < MIN_I:
        return None
    places = {name: [(m.start, m.end) for m in mentions] for name, mentions in mentions_of.items()}
    found = choose(_teller(text, paragraphs, name, at) for name, at in places.items())
    return mentions_of[found][0] if found else None


def _own(text: str, paragraphs: Paragraphs, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Offsets of "I" outside speech, between ``start`` and ``end``."""
    found = _I.finditer(text, start, len(text) if end is None else end)
    return (m.start() for m in found if not paragraphs.in_speech(m.start()))


def _teller(text: str, paragraphs: Paragraphs, name: str, places: Iterable[Place]) -> Teller:
    """How a person's names are used."""
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
    """How often a part of a text says "I" outside speech."""
    found = [*_SPEECH_OR_I.finditer(part)]
    return Share(sum(m["i"] is not None for m in found), len(part) - sum(len(m[0]) for m in found))


def of_book(
    text: str, starts: Sequence[int], persons: Iterable[tuple[str, Sequence[str], Sequence[int]]]
) -> Narrator | None:
    """Return who tells the whole book, with one "I" of each paragraph in which he does; None for nobody.

    ``starts``: where its chapters begin; ``persons``: name, all names, offsets of each.
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
    """Return the mentions, by "I" outside speech, of the first of ``tellers`` who may tell the chapter, up to
    the first journal or letter in it: with whose name it is headed, or who tells the book."""
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
    """Return the mentions, by "I" outside speech, of those whose journals and letters stand in a chapter.

    ``person``: name in a heading → who bears it.
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
    """How often a person is named outside speech in these mentions."""
    places = ((m.start, m.end) for m in people if m.entry.name == entry.name)
    return _teller(text, paragraphs, entry.name, places).told


def is_narrators(mention: Mention) -> bool:
    """Return whether a mention is the narrator's "I"."""
    return mention.form == "I"
