"""Persons whom an English book only cites, but never shows: painters, gods, authors, heroes of
other books."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.candidates import FIRST_NAMES, Candidate, is_titled
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.roles import ROLES
from kgnb.extract.en.vocabulary import key

CITED = 4
"""Least occurrences of a name that can be found to be only cited; rarer names never are."""
MET_REACH = 24
"""Characters before a name that are searched for a verb or noun of kin whose object is the person ("met ",
"sister of ")."""

_KIN = "|".join(sorted(ROLES))
_DID = "|".join(sorted(words.PAST_VERBS | words.PREDICATES))
_IS_SAID = "is|isn't|has|hasn't|does|doesn't|will|won't|can|can't|cannot|may|shall|wants"  # in speech
_ADVERB = r"\w+ly|never|always|only|just|now|then|soon|also|too|still|again|who|at last|no longer"
_ACTS = re.compile(
    rf",? (?:(?:{_ADVERB}) )?(?:{_DID}|\w+ed|{_IS_SAID}|himself|herself)\b"
    rf"|'(?:d|ll|s (?:not|been|gone|\w+ing|{_KIN}))\b"  # Zadie's gone, Zadie's brother
    r"|,? the [a-z]|, (?:an?|my|his|her|our|their|your|whose|whom|with|for|\w+ing)\b"  # Dale, her cousin
    r"| and the [a-z]|,? and (?:I|he|she|his|her|my)\b"  # Dale and his wife
)
_IS_MET = re.compile(rf"\b(?:{'|'.join(sorted(words.BEFORE_PRESENT))}|(?:{_KIN}) of) $")


def is_only_cited(candidate: Candidate, text: str, paragraphs: Paragraphs, lower: Mapping[str, int]) -> bool:
    """Return whether a candidate is mentioned by the book, but never acts, speaks, is met or is called.

    True only if the book is in the past tense, no occurrence of the name stands beside a word that shows the
    bearer in the story ("Dale rose", "met Dale", "Dale, her cousin"), and no speech calls the name. False for
    names with a title or a common first name, for speakers, and for fewer than :data:`CITED` (4) occurrences.

    ``lower``: word without a capital → occurrences in the book; it tells the tense ("was" against "is").
    """
    name = candidate.name
    told = lower["was"] + lower["had"] + lower["said"] > lower["is"] + lower["has"] + lower["says"]
    known = candidate.speaks or is_titled(name) or key(name.split(" ")[0]) in FIRST_NAMES
    if not told or known or candidate.count < CITED:
        return False
    ends = ((at, at + len(name)) for at in candidate.offsets)
    return not any(_is_in_story(text, at, end) or paragraphs.is_called(at, end) for at, end in ends)


def _is_in_story(text: str, start: int, end: int) -> bool:
    """Return whether words beside the name at ``start``-``end`` show its bearer in the story: acting or met
    by somebody."""
    met = _IS_MET.search(text, max(0, start - MET_REACH), start)
    return bool(met or _ACTS.match(text, end))
