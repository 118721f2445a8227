"""Who is said to be no kin of whom in an English chapter: a surname in common may be chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import combinations

from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import DENIED, PatternMatch

_SURELY = "(?:(?:in fact|in any way|in the least|really|certainly|even|at all|closely) )?"
_NO_KIN = re.compile(
    rf"""(?:\b(?:am|is|are|was|were|be|been)|'(?:m|s|re)|[,(—"-]) ?{_SURELY}"""  # not: she had no relations
    r"[Nn](?:o (?:(?:blood|near|sort of|kind of) )?"
    r"(?:relations?|relatives?|kin|kins(?:man|woman|folk)|conne(?:x|ct)ions? of)"
    rf"|ot {_SURELY}(?:related|kin|of (?:the same|one) family))\b"
    r"|n't (?:even )?related\b|\bof (?:another|a different) family\b|\bunrelated\b"
)


def denied_families(persons: ChapterPersons) -> Iterator[PatternMatch]:
    """Yield the families that two of one surname are said not to be, with :data:`DENIED` as confidence.

    They are named in the sentence or in the one before, or say it; of whom no namesake is named there all in
    the chapter are meant.
    """
    for match in _NO_KIN.finditer(persons.text):
        start, end = persons.sentence(match.start(), 1)[0], persons.sentence(match.start())[1]
        near = {m.entry.name: m.entry for m in persons.between(start, end)}
        speech = persons.paragraphs.in_speech(match.start())
        if said := persons.speakers.speaker(match.start()) if speech else None:
            near.setdefault(said.mention.entry.name, said.mention.entry)
        pairs = list(_namesakes(combinations(near.values(), 2), persons))
        alone = ((one, other) for one in near.values() for other in _of_surname(one, persons))
        for one, other in pairs or _namesakes(alone, persons):
            yield PatternMatch(one.name, "FAMILY", other.name, match[0], start, end, DENIED)


def _namesakes(
    pairs: Iterable[tuple[NameEntry, NameEntry]], persons: ChapterPersons
) -> Iterator[tuple[NameEntry, NameEntry]]:
    return (pair for pair in pairs if persons.common_surname(*pair))


def _of_surname(one: NameEntry, persons: ChapterPersons) -> Iterator[NameEntry]:
    for surname in sorted(persons.facts(one).surnames):
        yield from persons.by_surname.get(surname, ())
