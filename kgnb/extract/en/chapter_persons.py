"""The persons of one English chapter: their gender and surnames, and whom a pronoun there may mean."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.names import key
from kgnb.extract.en.narrator import narrator
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.persons import NameFacts, likely_gender, name_facts, split_name
from kgnb.extract.en.speakers import Speakers
from kgnb.extract.en.writings import writings
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention

_ACTS = re.compile(
    rf"(?:, [^,.;:]{{1,60}},)? (?:(?:\w+ly|never|always|only|just|now|then|soon|also|still|again|who) )?"
    rf"(?:{'|'.join(sorted(words.PAST_VERBS | words.PREDICATES | words.SPEECH_VERBS))}|\w+ed|is|has|says)\b"
)
_CLAUSE = re.compile("[;:—]")
MAX_SENTENCE = 2_000
"""Characters after which a sentence ends anyway: bounds the work on a text without full stops."""
PRONOUN_MENTIONS = 40
"""Mentions of a person, at most, whose following pronouns vote on its gender."""


def fits_family(one: NameFacts, owner: NameFacts, role: str) -> bool | None:
    """Return whether the surnames say that ``one`` is ``owner``'s ``role``; None where they don't tell."""
    names = (
        owner.married if role in ("husband", "son", "daughter", "child") and owner.married else owner.surnames
    )
    match role:
        case "wife":
            mine, unlike = one.married, "miss" in one.titles
        case "husband":
            mine, names, unlike = one.surnames, owner.married, "miss" in owner.titles
        case "mother":
            mine, unlike = one.married, not one.titles.isdisjoint(("miss", "aunt"))
        case "father":
            mine = one.surnames if one.titles and not one.is_young else frozenset()
            unlike = not one.titles.isdisjoint(("master", "uncle"))
        case "brother" | "sister" | "son" | "daughter" | "child":
            mine, unlike = one.surnames, False
        case "uncle" | "aunt" | "cousin":
            return True if role in one.titles else None
        case _:
            return None
    if unlike or (names and mine):
        return not unlike and not names.isdisjoint(mine)
    return None


class ChapterPersons:
    """The mentions of persons in one chapter, by place, sentence and surname."""

    def __init__(
        self, text: str, people: Sequence[Mention], ends: Sequence[int], own: Sequence[Mention] = ()
    ) -> None:
        """``own``: where who tells the chapter, or a journal in it, says "I"."""
        self.text = text
        self.people = people
        self._own = own
        self._sentence_ends = ends
        self._starts = [m.start for m in people]
        self._by_end = {m.end: m for m in people}
        self._genders: dict[str, str] = {}
        self._common_words: dict[str, bool] = {}

    @cached_property
    def ends(self) -> list[int]:
        """Offsets of the characters that end sentences, one where a line break follows a full stop."""
        ends = [at for before, at in pairwise((-2, *self._sentence_ends)) if at != before + 1]
        gaps = pairwise((0, *ends, len(self.text)))
        return sorted([*ends, *(at for a, b in gaps for at in range(a + MAX_SENTENCE, b, MAX_SENTENCE))])

    @cached_property
    def paragraphs(self) -> Paragraphs:
        """The paragraphs of the chapter."""
        return Paragraphs(self.text)

    @cached_property
    def speakers(self) -> Speakers:
        """Who says each speech, and to whom."""
        return Speakers(self)

    def narrator_at(self, offset: int) -> Mention | None:
        """Return who tells the chapter, or the journal in it, in the first person at ``offset``."""
        return self._tellers.get(bisect_right(self._writings, offset))

    @cached_property
    def _writings(self) -> list[int]:
        """Where journals and letters in the chapter begin."""
        return [start for start, _ in writings(self.text)]

    @cached_property
    def _tellers(self) -> dict[int, Mention]:
        """Number of the journal or letter, 0 before the first → who tells it."""
        found: dict[int, Mention] = {}
        for mention in self._own:
            found.setdefault(bisect_right(self._writings, mention.start), mention)
        unclear = not (self._own or self._writings)
        if unclear and (teller := narrator(self.text, self.paragraphs, self.mentions_of)):
            found[0] = teller
        return found

    @cached_property
    def mentions_of(self) -> dict[str, list[Mention]]:
        """Person → mentions, in the order of the text."""
        found: dict[str, list[Mention]] = defaultdict(list)
        for mention in self.people:
            found[mention.entry.name].append(mention)
        return found

    @cached_property
    def by_surname(self) -> dict[str, list[NameEntry]]:
        """Surname → the chapter's persons who bear it."""
        found: dict[str, list[NameEntry]] = defaultdict(list)
        for mentions in self.mentions_of.values():
            entry = mentions[0].entry
            facts = self.facts(entry)
            for surname in facts.surnames | facts.married:
                found[surname].append(entry)
        return found

    def forms(self, entry: NameEntry) -> tuple[str, ...]:
        """Return all names of the person."""
        return (entry.name, *entry.aliases)

    def facts(self, entry: NameEntry) -> NameFacts:
        """Return what the person's names say."""
        return name_facts(self.forms(entry))

    def common_surname(self, one: NameEntry, other: NameEntry) -> str:
        """Return the surname that both bear; empty if it is a common word here: the Snow Queen's is none."""
        mine, theirs = self.facts(one), self.facts(other)
        common = (mine.surnames | mine.married) & (theirs.surnames | theirs.married)
        if not common or one.name == other.name or not self._firsts(one).isdisjoint(self._firsts(other)):
            return ""  # Mrs. Nora Harland may be Nora Harland
        return next((s for s in sorted(common) if self._is_surname(s, mine, theirs)), "")

    def _is_surname(self, word: str, *bearers: NameFacts) -> bool:
        """Whether the last word of these persons' names is a surname, no common word here, nor a title of
        persons who have neither another nor a known first name: the Red Queen, the White Queen."""
        if key(word) in words.HONORIFICS and not all(facts.titles or facts.gender for facts in bearers):
            return False
        return not self._is_common_word(word)

    def _firsts(self, entry: NameEntry) -> set[str]:
        return {parts.first for form in self.forms(entry) if (parts := split_name(form)).is_full}

    def are_couple(self, one: NameEntry, other: NameEntry, surname: str) -> bool:
        """Return whether one is Mr. and one Mrs. Dale, or the only Captain, and nobody else Mr. Dale."""
        heads = [self.facts(e).head for e in self.by_surname[surname]]
        mine, theirs = self.facts(one).head, self.facts(other).head
        unlike = {mine, theirs} == {"m", "f"} and self.gender(one) != self.gender(other)  # Dr. Dale, a woman
        return unlike and heads.count("m") == heads.count("f") == 1

    def _is_common_word(self, word: str) -> bool:
        if word not in self._common_words:
            lower = word.lower()
            found = lower in self.text and re.search(rf"\b{re.escape(lower)}\b", self.text)
            self._common_words[word] = bool(found)
        return self._common_words[word]

    def gender(self, entry: NameEntry) -> str:
        """Return "m", "f" or "" by the person's names, else by the pronouns that follow them here."""
        if entry.name not in self._genders:
            ends = (mention.end for mention in self.mentions_of.get(entry.name, [])[:PRONOUN_MENTIONS])
            self._genders[entry.name] = likely_gender(self.forms(entry), self.text, ends, least=2)
        return self._genders[entry.name]

    def fits(self, entry: NameEntry, gender: str) -> bool:
        """Return whether the person may be of this gender ("" fits all)."""
        return not gender or self.gender(entry) in ("", gender)

    def ending_at(self, offset: int) -> Mention | None:
        """Return the mention that ends at ``offset``."""
        return self._by_end.get(offset)

    def starting_at(self, offset: int) -> Mention | None:
        """Return the mention that starts at ``offset``."""
        i = bisect_left(self._starts, offset)
        return self.people[i] if i < len(self.people) and self._starts[i] == offset else None

    def between(self, start: int, end: int) -> Sequence[Mention]:
        """Return the mentions that start in ``start``-``end``."""
        return self.people[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def around(self, offset: int) -> Sequence[Mention]:
        """Return the mentions in the sentence at ``offset``, the two before and the one behind it."""
        return self.between(self.sentence(offset, 2)[0], self.sentence(offset, -1)[1])

    def acts(self, mention: Mention) -> bool:
        """Return whether a verb behind the name tells what its bearer does."""
        return _ACTS.match(self.text, mention.end) is not None

    def clauses_before(self, offset: int) -> Iterator[tuple[int, int]]:
        """Yield start and end of the clause up to ``offset``, then of those before it."""
        while offset > 0:
            start = self.sentence(offset)[0]
            marks = [m.end() for m in _CLAUSE.finditer(self.text, start, offset)]
            for begin in (*reversed(marks), start):
                if begin < offset:
                    yield begin, offset
                offset = begin
            offset = start - 1

    def sentence(self, offset: int, back: int = 0) -> tuple[int, int]:
        """Return start and end of the sentence at ``offset``, or of one ``back`` sentences before it."""
        k = bisect_left(self.ends, offset) - back
        if k < 0:
            return 0, 0
        k = min(k, len(self.ends))
        return (self.ends[k - 1] + 1 if k else 0), (self.ends[k] if k < len(self.ends) else len(self.text))
