"""Whom "his", "her", "my" and "your" mean in an English chapter.

A small part of centering (Grosz, Joshi and Weinstein 1995, Computational Linguistics 21:2) and of Hobbs's
naive algorithm (1978, Lingua 44): the subject of the sentence before the others, then that of a sentence
before it, of fitting gender. In speech "my" means who speaks and "your" who is spoken to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice

from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.en.speakers import Referent
from kgnb.extract.patterns import Mention

MAX_CLAUSES_BACK = 12
"""Clauses before a pronoun, with its own, in which its antecedent is looked for."""
MAX_REACH = 800
"""Characters before a pronoun within which such a clause ends."""
SENTENCE_DOUBT = 0.4
CLAUSE_DOUBT = 0.1
"""What each clause between adds to the doubt, less where its subject is a pronoun of the same gender."""
FROM_SPEECH = 0.35
"""How sure it is that "your" means who is spoken to."""
TELLS = 0.8
"""How sure it is that "my" outside speech means who is taken to tell the chapter."""

_GENDERS = {"his": "m", "her": "f", "he": "m", "she": "f", "him": "m"}
_SUBJECTS = frozenset(("he", "she"))
_SUBJECT = re.compile(r"\b(?i:(he|she))\b")


def antecedent_of(pronoun: str, offset: int, persons: ChapterPersons, but: str = "") -> Referent | None:
    """Return whom a personal or possessive pronoun at ``offset`` means, not the person ``but``; None where
    that is unclear.

    "He" is nobody whom the rest of its sentence names: "He loved Ann, and was jealous of Tom" (principle C of
    binding theory, Chomsky 1981).
    """
    word = pronoun.lower()
    if word in _GENDERS:
        behind = persons.between(offset, persons.sentence(offset)[1]) if word in _SUBJECTS else ()
        return _third_person(_GENDERS[word], offset, persons, {but, *(m.entry.name for m in behind)})
    if not persons.paragraphs.in_speech(offset):
        narrator = persons.narrator_at(offset)
        return Referent(narrator, TELLS) if narrator and word != "your" else None
    if word != "your":
        return persons.speakers.speaker(offset)
    said = persons.speakers.addressee(offset)
    return said._replace(weight=said.weight * FROM_SPEECH) if said else None


def subject_before(gender: str, offset: int, persons: ChapterPersons) -> Referent | None:
    """Return whom the first "he" or "she" of this gender means in the sentence before ``offset``."""
    at = _subject_pronoun(gender, persons.sentence(offset)[0], offset, persons) if gender else None
    return None if at is None else antecedent_of("he" if gender == "m" else "she", at, persons)


def _third_person(
    gender: str, offset: int, persons: ChapterPersons, others: Collection[str]
) -> Referent | None:
    paragraph = persons.paragraphs.start(offset)
    speech = persons.paragraphs.in_speech(offset)
    doubt = 1.0
    for start, end in islice(persons.clauses_before(offset), MAX_CLAUSES_BACK):
        if (speech and start < paragraph) or offset - end > MAX_REACH:
            break
        fitting = [
            m
            for m in persons.between(start, end)
            if persons.fits(m.entry, gender)
            and m.entry.name not in others
            and persons.paragraphs.in_speech(m.start) == speech
        ]
        pronoun = _subject_pronoun(gender, start, end, persons)
        likely = [m for m in fitting if persons.gender(m.entry) == gender] or fitting
        acting = [m for m in likely if persons.acts(m)]
        best = acting[-1] if acting else likely[0] if likely else None
        if best and (acting or pronoun is None or best.start < pronoun):
            return Referent(best, _certainty(fitting, gender, persons) / doubt)
        doubt += CLAUSE_DOUBT if pronoun is not None else SENTENCE_DOUBT
    return None


def _subject_pronoun(gender: str, start: int, end: int, persons: ChapterPersons) -> int | None:
    """Offset of the first subject pronoun: in "She saw Jane … her" she was named in a clause before."""
    found = _SUBJECT.finditer(persons.text, start, end)
    return next((m.start() for m in found if _GENDERS[m[1].lower()] == gender), None)


def _certainty(fitting: Sequence[Mention], gender: str, persons: ChapterPersons) -> float:
    """1 for the only person of known gender, less where another fits too or the gender is only possible."""
    names = {m.entry.name for m in fitting}
    known = {m.entry.name for m in fitting if persons.gender(m.entry) == gender}
    return 1.0 if len(names) == 1 and known else 0.6 if known else 0.4
