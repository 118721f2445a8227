"""The first-person narrator of an English book or chapter.

A narrator is called by name in speeches, but not named outside speech, or says the name: "my name is Tom",
"I, Tom Dale". Rules and thresholds common to both languages are in extract/narrator.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from kgnb.extract import narrator
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.writings import writings
from kgnb.extract.model import NameEntry
from kgnb.extract.narrator import NAMED, Narrator, Told
from kgnb.extract.patterns import Mention, between

_I = re.compile(r"I(?<!\w.)(?!\w|\.\s)")
_SPEECH_OR_I = re.compile(rf'"[^"\n]*"?|(?P<i>{_I.pattern})')
_SELF = re.compile(
    r"\b(?:[Mm]y name(?: is|'s| was)|I,|I(?:'m| am| was)(?: called| named| christened)?"
    r"|(?:[Cc]all|called|named|christened) me|called myself|came to be called) $"
)


def read(text: str) -> Told:
    """Return the text with the offsets of its speeches and of each "I" outside them.

    '"I sat," I said.' → one speech, 0 to 8, and an "I" at 9.
    """

    def says(start: int, end: int, speech: bool) -> bool:
        own = not speech and not text.startswith("'", end)
        return own and _SELF.search(text, max(0, start - 24), start) is not None

    return Told(text, _SPEECH_OR_I, says, Paragraphs(text).is_called)


def of_book(
    text: str, starts: Sequence[int], persons: Iterable[tuple[str, Sequence[str], Sequence[int]]]
) -> Narrator | None:
    """Return the narrator of a whole English book; None for a book in the third person.

    Arguments and result: :func:`kgnb.extract.narrator.of_book`.
    """
    return narrator.of_book(text, starts, persons, read)


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
    told = read(text)
    for entry in tellers:
        if told.may_tell(entry, between(people, 0, end), told.share(0, end)):
            return [Mention(entry, "I", at, at + 1) for at in told.own if at < end]
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
    told, found = read(text), list[Mention]()
    for (start, name), (end, _) in pairwise([*written, (len(text), "")]):
        if entry := person(name) if name else None:
            own = [at for at in told.own if start <= at < end]
            named = ((m.start, m.end) for m in between(people, start, end) if m.entry.name == entry.name)
            if told.teller(entry.name, named).told <= NAMED * len(own):
                found += (Mention(entry, "I", at, at + 1) for at in own)
    return found


def is_narrators(mention: Mention) -> bool:
    """Return whether the form of a mention is "I"."""
    return mention.form == "I"
