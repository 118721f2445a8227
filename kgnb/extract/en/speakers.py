"""Who says each speech of an English chapter, and to whom.

Who is named beside a verb of speech, or acts right behind a speech, says those of the paragraph; "he said",
or a speech alone, is who spoke before the last speaker, as two who talk take turns (Elson and McKeown 2010,
AAAI).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention, between

BY_TURN = 0.7
"""How sure it is that a speech without a name is who spoke before the last speaker."""
BY_PRONOUN = 0.8
"""How sure it is that "he said" is a man named before."""
IN_TURN = 0.7
"""How sure it is that who spoke before or speaks next is spoken to."""

_SPEAKS_NEXT = re.compile(r' \w+(?: \w+ly)?[,:] "')  # "Come." Then Tom said, "Go."
_HE = "(?:(?<=[Hh])e|(?<=[Ss])he)"
# A pattern that begins with one set of characters skips all others quickly.
_HE_SAYS = re.compile(
    rf'["HhSs](?:(?<=") (?:(?:[Hh]e|[Ss]he)(?= [a-z])|(?:{words.SPEECH_VERB}) (?:he|she)\b)'
    rf"|(?<=\n.){_HE}(?= [a-z])|(?<!\w.){_HE} (?:{words.SPEECH_VERB})\b)"
)
_TO = re.compile(
    rf"\b(?:{words.SPEECH_VERB}) (?:[^.,;:!?\"\n]{{1,40}} )?to (?:the |old |young |poor )?$|\btold $"
)
_I_SAY = re.compile(rf"\bI (?:{words.SPEECH_VERB})\b|\b(?:{words.SPEECH_VERB}) I\b")


class Referent(NamedTuple):
    """Who is meant, speaks or is spoken to; ``weight`` 0 to 1: how sure that is."""

    mention: Mention
    weight: float


class _Persons(Protocol):
    """What is asked of a chapter's persons: :class:`~kgnb.extract.en.chapter_persons.ChapterPersons`."""

    text: str
    people: Sequence[Mention]

    @property
    def paragraphs(self) -> Paragraphs: ...
    def narrator_at(self, offset: int) -> Mention | None: ...
    def between(self, start: int, end: int) -> Sequence[Mention]: ...
    def acts(self, mention: Mention) -> bool: ...
    def fits(self, entry: NameEntry, gender: str) -> bool: ...
    def gender(self, entry: NameEntry) -> str: ...


class Speakers:
    """The speeches of one chapter."""

    def __init__(self, persons: _Persons) -> None:
        self._persons = persons
        self._paragraphs = persons.paragraphs
        self._named: dict[int, list[Mention]] = defaultdict(list)
        self._called: dict[int, list[Mention]] = defaultdict(list)
        for mention in persons.people:
            span = mention.start, mention.end
            if self._paragraphs.is_speaker(*span):
                self._named[self._paragraphs.number(mention.start)].append(mention)
            elif self._paragraphs.is_called(*span):
                self._called[self._paragraphs.number(mention.start)].append(mention)
        self._several = {k for k, found in self._named.items() if len({m.entry.name for m in found}) > 1}
        self._turns = self._in_turn()

    def _in_turn(self) -> dict[int, Referent]:
        """Paragraph → its only speaker."""
        turns: dict[int, Referent] = {}
        for k, start, end in self._paragraphs.with_speech():
            if k not in self._several and (
                said := self._told(k, start, end) or self._by_turn(k, start, end, turns)
            ):
                turns[k] = said
        return turns

    def _told(self, paragraph: int, start: int, end: int) -> Referent | None:
        """Who is named beside a verb of speech, else acts between speeches."""
        if named := self._named.get(paragraph):
            return Referent(named[0], 1.0)
        text = self._persons.text
        for mention in self._persons.between(start, end):
            beat = text[max(0, mention.start - 2) : mention.start] == '" '  # "Come." Tom rose. "Go."
            if beat and not self._paragraphs.in_speech(mention.start) and self._persons.acts(mention):
                return Referent(mention, BY_PRONOUN)
        narrator = self._persons.narrator_at(start)
        said = _I_SAY.finditer(text, start, end) if narrator else ()
        mine = any(not self._paragraphs.in_speech(m.start()) for m in said)
        return Referent(narrator, BY_PRONOUN) if narrator and mine else None

    def _by_turn(self, paragraph: int, start: int, end: int, turns: dict[int, Referent]) -> Referent | None:
        """Who spoke before the last speaker, or is the only one of the gender of "he said" named above."""
        text, last, before = self._persons.text, turns.get(paragraph - 1), turns.get(paragraph - 2)
        other = last.mention.entry.name if last else ""
        gender = self._gender_told(start, end)
        fits = (
            before and before.mention.entry.name != other and self._persons.fits(before.mention.entry, gender)
        )
        if before and fits and (gender or (last and text[start] == '"')):
            return Referent(before.mention, before.weight * (BY_PRONOUN if gender else BY_TURN))
        above = self._persons.between(self._paragraphs.start(start, 2), start) if gender else ()
        named = [
            m
            for m in above
            if m.entry.name != other
            and self._persons.gender(m.entry) == gender
            and not self._paragraphs.in_speech(m.start)
        ]
        return Referent(named[-1], BY_PRONOUN) if len({m.entry.name for m in named}) == 1 else None

    def _gender_told(self, start: int, end: int) -> str:
        """That of the pronoun beside a verb of speech, or behind a speech, of the paragraph; "" without."""
        for match in _HE_SAYS.finditer(self._persons.text, start, end):
            if not self._paragraphs.in_speech(match.end()):
                return "f" if "she" in match[0].lower().split() else "m"
        return ""

    def speaker(self, offset: int) -> Referent | None:
        """Return who says the speech at ``offset``: the only speaker of its paragraph, of several the one
        named between it and its neighbours."""
        paragraph = self._paragraphs.number(offset)
        if paragraph not in self._several:
            return self._turns.get(paragraph)
        mentions = self._named[paragraph]
        begin, start, end, stop = self._paragraphs.speech(offset)
        behind = (
            m for m in between(mentions, end, stop) if not _SPEAKS_NEXT.match(self._persons.text, m.end)
        )
        found = next(behind, None) or next(reversed(between(mentions, begin, start)), None)
        return Referent(found, 1.0) if found else None

    def called(self, offset: int) -> Mention | None:
        """Return who is called by name in the speech at ``offset``, or in its paragraph of one speaker."""
        paragraph = self._paragraphs.number(offset)
        mentions: Sequence[Mention] = self._called.get(paragraph, [])
        if paragraph in self._several:
            _, start, end, _ = self._paragraphs.speech(offset)
            mentions = between(mentions, start, end)
        return mentions[0] if mentions else None

    def addressee(self, offset: int) -> Referent | None:
        """Return who is spoken to at ``offset``: is called by name, else spoke before or speaks next; never
        the speaker."""
        paragraph = self._paragraphs.number(offset)
        mine = self.speaker(offset)
        name = mine.mention.entry.name if mine else ""
        if called := self.called(offset) or self._told_to(paragraph):
            return Referent(called, 1.0) if called.entry.name != name else None
        near = (self._turns.get(k) for k in (paragraph - 1, paragraph + 1)) if mine else ()
        for said in near:
            if said and said.mention.entry.name != name:
                return Referent(said.mention, said.weight * IN_TURN)
        return None

    def _told_to(self, paragraph: int) -> Mention | None:
        """Who is named as the hearer of a paragraph of one speaker: "Come," said Tom to Ann."""
        text, start = self._persons.text, self._paragraphs.start_of(paragraph)
        for mention in self._persons.between(start, self._paragraphs.end_of(paragraph)):
            told = _TO.search(text, max(start, mention.start - 60), mention.start)
            if told and paragraph not in self._several and not self._paragraphs.in_speech(mention.start):
                return mention
        return None

    def answerer(self, offset: int, gender: str) -> Referent | None:
        """Return who of the gender spoke before the speech at ``offset`` or speaks next, if it is one."""
        paragraph = self._paragraphs.number(offset)
        near = [self._turns.get(k) for k in (paragraph - 1, paragraph + 1)]
        fitting = [s for s in near if s and self._persons.gender(s.mention.entry) == gender]
        if len({s.mention.entry.name for s in fitting}) != 1:
            return None
        return Referent(fitting[0].mention, fitting[0].weight * IN_TURN)
