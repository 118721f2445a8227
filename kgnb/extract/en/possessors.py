"""Owners of nouns of kin in an English chapter: the person whom "his", "her", "my" or "your" means.

A possessive pronoun means the only fitting person before it; where two fit equally it means nobody. "My"
means the speaker or narrator, "your" the person spoken to. Two who talk take turns (Elson and McKeown 2010,
AAAI).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.persons import likely_sex, pronoun_votes
from kgnb.extract.en.sentences import sentence_ends
from kgnb.extract.en.writings import writings
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import ALONE, LIKELY, NAMED, PERSON, MaskedText, Mention

BY_TURN = 0.45
"""Confidence in a speaker who is known only by turns."""
WINDOW = 60
"""Most characters before a noun that a frame may use."""
SENTENCES_BACK, DOUBT = 6, 0.85
"""Sentences before that of a pronoun in which its person is looked for; factor on the confidence for each of
them."""

_BESIDE = re.compile(f"{PERSON},? (?:and|with) $")
_GENDERS = {"his": "m", "her": "f", "he": "m", "she": "f", "him": "m"}
_PRONOUN = {
    gender: re.compile(rf"\b(?i:{pronoun})\b(?! (?:{words.SPEECH_VERB})\b)")
    for gender, pronoun in (("m", "he|him|his"), ("f", "she|her"))
}
_FIRST_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+ $")
"""A first name before a mention: in Ann Dale, where only Dale is known, the mention is of another person."""
_CITED = re.compile(rf"(?<![\w'{PERSON}])'(?=\w)(?:[^'\n]|(?<=[\w{PERSON}])'(?=\w))*$")
"""Single quotation mark that opens words of somebody else within a speech, up to the place that is cited."""
_HE_SAYS = re.compile(rf"\" (?:(?:{words.SPEECH_VERB}) )?(he|she)\b", re.IGNORECASE)


class Possessor(NamedTuple):
    """The owner of a noun; ``start``: offset at which a quote that shows this begins;
    ``confidence``: 0 to 1."""

    entry: NameEntry
    start: int
    confidence: float


class Possessors:
    """Finds the persons whom possessive pronouns and speeches of one masked chapter mean."""

    def __init__(self, masked: MaskedText) -> None:
        self._masked, self._text = masked, masked.text
        self.ends = [*sentence_ends(masked.text), len(masked.text)]
        """Offsets of the characters that end sentences, ascending; the last is the end of the text."""
        self.paragraphs = Paragraphs(masked.text)
        self._genders: dict[str, str] = {}

    def of(self, phrase: re.Match[str], bearers: set[str]) -> list[Possessor]:
        """Return the possessors in a phrase; [] if unknown or ``bearers`` (names).

        ``phrase``: a match with a group "named" that holds one person or several, or with a group "has" or
        "pronoun" that holds a person or a pronoun ("her").
        """
        group = next(group for group, words_ in phrase.groupdict().items() if words_)
        people = self._masked.within(*phrase.span(group))
        places = [(PERSON, m.start) for m in people] or [(phrase[group], phrase.start(group))]
        found = (self.meant(word, at, bearers) for word, at in places)
        return [one for one in found if one]

    def meant(self, word: str, at: int, others: set[str]) -> Possessor | None:
        """Return the person meant at offset ``at`` of the masked text; None if unknown or one of ``others``
        (names).

        ``word``: :data:`PERSON` for a name, else a pronoun: his, her, he, she, him; my, I, me (the speaker or
        narrator); your (the person spoken to).
        """
        if word == PERSON:
            known = not _FIRST_NAME.search(self._text, max(0, at - WINDOW), at)
            return Possessor(self._masked.at(at).entry, at, NAMED) if known else None
        pronoun = word.lower()
        if pronoun in _GENDERS:
            return self._antecedent(at, _GENDERS[pronoun], others)
        who = self._hearer(at) if pronoun == "your" else self._speaker(at)
        return who if who and who.entry.name not in others else None

    def _antecedent(self, at: int, gender: str, bearers: set[str]) -> Possessor | None:
        """Return the person whom a pronoun of ``gender`` at ``at`` means: looked for in its sentence, then in
        those before; None where two fit equally."""
        if beside := _BESIDE.search(self._text, max(0, at - WINDOW), at):
            one = self._masked.at(beside.start())
            if self.gender(one.entry) in ("", gender) and one.entry.name not in bearers:
                return Possessor(one.entry, one.start, ALONE)
        speech, end, doubt = self.paragraphs.in_speech(at), at, 1.0
        bound = self.paragraphs.speech(at)[1] if speech else self.paragraphs.start(at) if bearers else 0
        for _ in range(SENTENCES_BACK + 1):
            k = bisect_left(self.ends, end) - 1
            start = max(bound, self.ends[k] + 1 if k >= 0 else 0)
            pronoun = next((m.start() for m in _PRONOUN[gender].finditer(self._text, start, end)), end)
            fitting = [
                m
                for m in self._masked.within(start, pronoun)
                if m.entry.name not in bearers
                and self.gender(m.entry) in ("", gender)
                and self.paragraphs.in_speech(m.start) == speech
            ]
            if fitting:
                found = self._chosen(fitting, gender)
                return found._replace(confidence=found.confidence * doubt) if found else None
            if start <= bound:
                return None
            end, doubt = start - 1, doubt * DOUBT
        return None

    def _chosen(self, fitting: Sequence[Mention], gender: str) -> Possessor | None:
        """Return the only person among some mentions; None where two fit equally."""
        if len({m.entry.name for m in fitting}) != 1:
            return None
        last = fitting[-1]
        return Possessor(
            last.entry, last.start, ALONE if self.gender(last.entry) == gender else ALONE * LIKELY
        )

    def _speaker(self, at: int) -> Possessor | None:
        """Return the speaker of the speech at ``at``, outside speech the narrator; None if unknown."""
        if not self.paragraphs.in_speech(at):
            begin = max((start for start in self._writings if start <= at), default=0)
            own = next((m for m in reversed(self._masked.within(begin, at)) if m.form == "I"), None)
            return Possessor(own.entry, at, ALONE) if own else None
        before, start, end, behind = self.paragraphs.speech(at)
        if _CITED.search(self._text, start, at + 1):
            return None
        if behind - end <= 2 and self._text[behind : behind + 1] == '"':
            return None  # "…" "…," said Tom: two speakers in one paragraph
        for low, high, k in ((end, behind, 0), (before, start, -1)):  # "…" said Tom; Tom said, "…"
            if beside := [
                m for m in self._masked.within(low, high) if self.paragraphs.is_speaker(m.start, m.end)
            ]:
                return Possessor(beside[k].entry, min(beside[k].start, at), ALONE)
        return self._turns.get(self.paragraphs.number(at))

    def _hearer(self, at: int) -> Possessor | None:
        """Return the only person whom the speech at ``at`` calls by name, else the only other speaker right
        before or after it; None if unknown."""
        k, paragraphs, speaker = self.paragraphs.number(at), self.paragraphs, self._speaker(at)
        if not paragraphs.in_speech(at):
            return None
        _, start, end, _ = paragraphs.speech(at)
        called = [m for m in self._masked.within(start, end) if paragraphs.is_called(m.start, m.end)]
        near = [self._turns[i] for i in (k - 1, k + 1) if i in self._turns]
        found = {m.entry.name: m for m in (called or near) if m.entry != (speaker and speaker.entry)}
        if len(found) != 1:
            return None
        (hearer,) = found.values()
        sure = LIKELY if called else LIKELY * ALONE
        return Possessor(hearer.entry, min(hearer.start, at), sure)

    @cached_property
    def _writings(self) -> list[int]:
        """Offsets of the journals and letters in the chapter, ascending."""
        return [start for start, _ in writings(self._text)]

    @cached_property
    def _turns(self) -> dict[int, Possessor]:
        """Number of a paragraph → its speaker: the only one named there, else the speaker before the last, or
        the meaning of its "he said"."""
        turns: dict[int, Possessor] = {}
        for k, start, end in self.paragraphs.with_speech():
            said = [m for m in self._masked.within(start, end) if self.paragraphs.is_speaker(m.start, m.end)]
            before, last, he = turns.get(k - 2), turns.get(k - 1), _HE_SAYS.search(self._text, start, end)
            if len({m.entry.name for m in said}) == 1:
                turns[k] = Possessor(said[0].entry, said[0].start, ALONE)
            elif not said and before and last and before.entry.name != last.entry.name:
                if not he or self.gender(before.entry) == _GENDERS[he[1].lower()]:
                    turns[k] = Possessor(before.entry, before.start, BY_TURN)
            elif not said and he and (one := self._antecedent(start, _GENDERS[he[1].lower()], set())):
                turns[k] = one
        return turns

    def gender(self, entry: NameEntry) -> str:
        """Return the gender of a person, "m", "f" or "" for unknown: by the names, else by following pronouns
        in this chapter."""
        if entry.name not in self._genders:
            ends = (m.end for m in self.mentions[entry.name])
            votes = pronoun_votes(self._text, ends)
            self._genders[entry.name] = likely_sex((entry.name, *entry.aliases), votes, least=2)
        return self._genders[entry.name]

    @cached_property
    def mentions(self) -> dict[str, list[Mention]]:
        """Person's name → mentions in the chapter, in order."""
        found = defaultdict[str, list[Mention]](list)
        for mention in self._masked.people:
            found[mention.entry.name].append(mention)
        return found
