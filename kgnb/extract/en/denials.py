"""Who is said to be no kin of whom in an English chapter: a surname in common may be chance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import combinations

from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import DENIED, PatternMatch
from kgnb.extract.word_search import occurrences

_NO_KIN = re.compile(
    r"""(?:\b(?:am|is|are|was|were|be|been)|'(?:m|s|re)|[,(—"-]) ?"""  # not: she had no relations
    r"[Nn](?:o (?:(?:blood|near) )?(?:relations?|relatives?|kin|kins(?:man|woman|folk))|ot related)\b"
    r"|n't related\b|\bunrelated\b"
)
_SIGNS = ("relat", " kin")
"""Words one of which stands in everything that the pattern matches."""
_REACH = 40
"""Longest match, in characters."""


def denied_families(persons: ChapterPersons) -> Iterator[PatternMatch]:
    """Yield the families that two of one surname are said not to be, with :data:`DENIED` as confidence.

    They are named in the sentence or in the one before, or say it; of whom no namesake is named there all in
    the chapter are meant.
    """
    namesakes = any(len(bearers) > 1 for bearers in persons.by_surname.values())
    signs = sorted(occurrences(persons.text, _SIGNS)) if namesakes else ()
    matches = (_NO_KIN.search(persons.text, max(0, at - _REACH), at + _REACH) for at in signs)
    for match in {found.start(): found for found in matches if found}.values():
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
