"""Facts about the persons of an English book: titles, gender, surnames, and whose names keep apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.co_occurrence import CoOccurrence
from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.conversations import Conversations
from kgnb.extract.en.names import (
    FIRST_NAMES,
    FIRST_PARTICLES,
    SAINTS,
    Candidate,
    NameClassifier,
    is_titled,
    place_share,
    usual_title,
)
from kgnb.extract.en.patronymics import is_given_and_patronymic, patronymic
from kgnb.extract.en.sentences import sentence_ends
from kgnb.extract.en.vocabulary import key
from kgnb.extract.name_clusters import NameClusters

# Not him nor "told her where": who is done something by the bearer is somebody else (binding principle B).
_BEHIND_OBJECT = (
    "to|that|what|how|where|when|why|who|if|and|or|but|with|in|at|on|by|for|from|an?|the|as|again"
)
_PRONOUN = re.compile(
    rf"[^\"\n]{{0,60}}?\b(he|his|himself|she|hers|herself|her(?= (?!(?:{_BEHIND_OBJECT})\b)[a-z]))\b",
    re.IGNORECASE,
)
# How many women's names end, and hardly any man's (Cassidy, Kelly and Sharoni 1999, J. Exp. Psych. 128).
_OF_WOMEN = re.compile("(?:ia|ina|ella|etta|ette|elle|issa|inda|anna|ora|ona|yne|een)$")
# Honorifics behind a name, and what is as good as one: Mori-san, Rao-ji, Anne-girl.
_SUFFIX = re.compile("(?<=..)-(?:san|sama|chan|kun|sensei|ji|sahib|saheb|bhai|didi|girl|boy)$")
_COURTESY = frozenset(("hon", "honourable", "honorable"))
"""Styles before a name that say nothing of sex or calling."""
_SURNAME_PARTICLES = frozenset(("Van", "Von", "La", "Le"))
_SLAVIC = re.compile(r"[a-z]{2}(?:([oe]va|skaya|skaia)|[oe]v|sky|skii)$")
MILITARY = words.RANKS & words.NEUTRAL
"""Ranks whose words show no gender, and which women seldom bear."""
KIN_TITLES = frozenset(
    (
        *("aunt", "uncle", "cousin", "brother", "sister", "father", "mother"),
        *("grandfather", "grandmother", "comrade", "citizen"),
    )
)
"""Titles that only some people give."""
_BEFORE_GIVEN_NAME = frozenset(
    ("sir", "aunt", "uncle", "cousin", "king", "queen", "prince", "princess", "sister")
)
_OF_STRANGERS = frozenset(("mr", "mrs", "miss", "dr", "professor"))
_OF_HEADS = frozenset(("mr", "mrs", "dr", "rev", "judge")) | MILITARY
PRONOUN_MENTIONS = 200
"""Occurrences of a name, at most, whose following pronouns vote on its bearer's gender."""
SURE_PRONOUNS = 10
"""Pronouns that say more than the list of first names."""
WINDOW = 1500
"""Characters of a co-occurrence window: about a page."""
FAR = 20 * WINDOW
"""Characters between the parts of a book in which namesakes are different people: about twenty pages."""
PASSING = 3
"""Mentions from which on somebody is more than named in passing."""
SURE_EXPECTED = 3.0
"""Expected shared sentences of which a doubtful pair of names must have hardly any: none has p = 0.05."""
APART = 0.6
"""Shared sentences for each that chance would give, under which two names may be one person's."""
MAX_NAMESAKES = 30
"""Names with one first or last word that others are compared with, at most: more than twice a novel's."""


@dataclass(frozen=True, slots=True)
class NameParts:
    """A name's titles, as the word lists hold them, and the words after them."""

    titles: tuple[str, ...]
    rest: tuple[str, ...]
    is_surname: bool = False
    """Whether what looks like a patronymic is the surname: Tom Petrovich, where there is a Mr. Petrovich."""

    @property
    def first(self) -> str:
        """The first word after the titles."""
        return self.rest[0] if self.rest else ""

    @property
    def last(self) -> str:
        """The last word; of Mr. Thorne of Brayton the one before the place, of the King of Brayton and Ivan
        Petrovich none."""
        if self.first == "of" or (self.has_patronymic and len(self.rest) == 2):
            return ""
        named = self.rest[: self.rest.index("of")] if "of" in self.rest[1:] else self.rest
        return named[-1] if named else ""

    @property
    def is_full(self) -> bool:
        """Whether there is more than one word besides the titles."""
        return len(self.rest) > 1

    @property
    def has_patronymic(self) -> bool:
        """Whether the first name and a patronymic begin the name: Ivan Petrovich Dolin."""
        return not self.is_surname and is_given_and_patronymic(self.rest)

    @property
    def has_initial(self) -> bool:
        """Whether a first name is only its letter: T. J. Finch."""
        return self.is_full and len(self.first) == 2 and self.first[1] == "."


@lru_cache(maxsize=4096)
def split_name(name: str) -> NameParts:
    """Return the parts of a name; a rank alone (the Admiral) is a title, St. John one word."""
    parts = name.split(" ")
    n = 0
    while n < len(parts) - 1 and key(parts[n]) in words.HONORIFICS:
        n += 1
    if len(parts) == 1 and key(parts[0]) in words.RANKS:
        return NameParts((usual_title(parts[0]),), ())
    titles, rest = parts[:n], parts[n:]
    if len(titles) > 1 and key(titles[0]) == "mr":
        del titles[0]  # Mr. Justice Fenn
    titles = [title for title in titles if key(title) not in _COURTESY]
    if titles and key(titles[-1]) in SAINTS:
        rest[0] = f"{titles.pop()} {rest[0]}"
    if len(rest) > 2 and key(rest[-2]) in SAINTS:
        rest[-2:] = [" ".join(rest[-2:])]  # Tom St. Clare and Mr. St. Clare are of one surname
    if "-" in rest[-1]:
        rest[-1] = _SUFFIX.sub("", rest[-1])
    while titles and len(rest) > 1 and rest[0] in FIRST_PARTICLES:  # M. de la Tour
        rest = rest[1:]
    if len(rest) > 1 and rest[-2] in _SURNAME_PARTICLES:
        rest[-2:] = [" ".join(rest[-2:])]  # Van Damm is one word, as is that of Anne Van Damm
    return NameParts(tuple(map(usual_title, titles)), tuple(rest))


class NameFacts(NamedTuple):
    """What all names of a person say.

    ``gender``: "m", "f" or ""; ``surnames``: her or his own; ``married``: behind a wife's title; ``given``:
    whether there is a first name; ``head``: gender of who is called by title and surname alone as the head
    of a family or his wife is, "" for others; ``is_young``: whether called by title and first name alone, as
    sons and daughters are.
    """

    gender: str
    titles: frozenset[str]
    surnames: frozenset[str]
    married: frozenset[str]
    given: bool
    head: str
    is_young: bool


@lru_cache(maxsize=4096)
def name_facts(forms: tuple[str, ...]) -> NameFacts:
    """Return the facts of a person of these names."""
    titles: set[str] = set()
    surnames: set[str] = set()
    married: set[str] = set()
    firsts: set[str] = set()
    fathers: set[str] = set()
    lasts: set[str] = set()
    head, is_young = "", False
    parsed = [split_name(form) for form in forms]
    of_full = {parts.first for parts in parsed if parts.is_full}
    for parts in parsed:
        titles.update(parts.titles)
        lasts.add(parts.last)
        # Whether the one word that may follow the titles is a first name: Sir Hugh, and Mr. Tom of Tom Dale.
        given = not parts.titles or parts.titles[-1] in _BEFORE_GIVEN_NAME or parts.first in of_full
        alone = parts.titles[-1] if len(parts.rest) == 1 and parts.titles else ""
        is_young |= given and alone in ("mr", "master", "miss")
        if alone in _OF_HEADS and not given:
            head = "f" if alone in words.FEMALE else "m"
        if parts.last and (parts.is_full or not given):
            wife = "mrs" in parts.titles or (parts.titles[-1:] == ("lady",) and not parts.is_full)
            (married if wife else surnames).add(parts.last)
        if parts.is_full or given:
            firsts.add(parts.first.lower())
        if parts.has_patronymic and (named_after := patronymic(parts.rest[1])):
            fathers.add(named_after.gender)
    named = frozenset(titles)
    firsts -= {surname.lower() for surname in surnames | married}
    gender = fathers.pop() if len(fathers) == 1 else _gender(named, firsts) or _inflected(lasts)
    return NameFacts(gender, named, frozenset(surnames), frozenset(married), bool(firsts), head, is_young)


def _gender(titles: frozenset[str], firsts: set[str]) -> str:
    """By the titles, else by the first names; "" where either are of both or of none."""
    for found, female, male in (
        (titles, words.FEMALE, words.MALE),
        (firsts, words.FEMALE_NAMES, words.MALE_NAMES),
    ):
        if found.isdisjoint(female) != found.isdisjoint(male):
            return "m" if found.isdisjoint(female) else "f"
    return ""


def _inflected(lasts: Iterable[str]) -> str:
    """By the endings of Slavic surnames: Dolinova is a woman's; Dolinov, with nothing else known, a man's."""
    found = {"f" if m[1] else "m" for last in lasts if (m := _SLAVIC.search(last))}
    return found.pop() if len(found) == 1 else ""


class BookPersons:
    """The persons' names of one book and what is known of them. Base of :class:`~.aliases.AliasResolver`."""

    def __init__(self, text: str, classifier: NameClassifier) -> None:
        persons = classifier.persons()
        beside = _beside_places(persons, classifier.candidates)
        beside |= {n.partition(" ")[2] for n in beside}
        lasts = {n.split(" ")[-1] for n in persons}
        self.text = text
        self.paragraphs = classifier.paragraphs
        self.lower = classifier.lower
        self.candidates = {
            n: c
            for n, c in persons.items()
            if not (n in beside or _is_family(c, lasts, persons) or _is_kind(n, c, classifier.candidates))
        }
        self.counts = {n: c.count for n, c in self.candidates.items()}
        self.parts = _with_surnames({n: split_name(n) for n in self.candidates})
        self.clusters = NameClusters(self.candidates)
        self.offsets = {n: c.offsets for n, c in self.candidates.items()}
        self.co_occurrence = CoOccurrence(self.clusters, self.offsets, sentence_ends(text), WINDOW)
        self.conversations = Conversations(self.paragraphs, self.offsets)
        self.by_count = sorted(self.counts, key=lambda n: (-self.counts[n], n))
        self._gender: dict[tuple[str, ...], str] = {}
        self.dropped: set[str] = set()
        self._by_first: dict[str, list[str]] = defaultdict(list)  # first word after the titles → names
        self._by_last: dict[str, list[str]] = defaultdict(list)  # last word → names
        for name in self.by_count:
            parts = self.parts[name]
            if parts.first == "of" or (parts.has_initial and self.counts[name] < PASSING):
                continue  # Mr. J. A. Dent of one newspaper makes no second Dent
            for bearers, word in ((self._by_first, parts.first), (self._by_last, parts.last)):
                if word and len(bearers[word]) < MAX_NAMESAKES:
                    bearers[word].append(name)

    def _roots(self, names: Iterable[str], name: str) -> list[str]:
        """The persons of ``names`` other than ``name``'s own whose gender does not contradict it and who are
        not in another part of the book."""
        names = list(names)
        if len(names) >= MAX_NAMESAKES:
            return []  # any of them
        roots = dict.fromkeys(self.clusters.root(n) for n in names)
        return [
            r
            for r in roots
            if r != self.clusters.root(name) and self._same_gender(name, r) and not self._is_far(name, r)
        ]

    def _is_far(self, name: str, person: str) -> bool:
        """Whether a name of one word and the person are in parts of the book that lie further apart than the
        name is ever away: Joe of the first story is not Joe Fenn of the last."""
        if self.parts[name].titles or self.parts[name].is_full:
            return False  # few bear one surname
        mine = self.offsets[name]
        theirs = [self.offsets[n] for n in self.clusters.names_of(person)]
        away = max(mine[0] - max(at[-1] for at in theirs), min(at[0] for at in theirs) - mine[-1])
        return away > FAR and away > max((b - a for a, b in pairwise(mine)), default=away)

    def _exclusive_person(
        self, name: str, roots: list[str], *, strict: bool = False, unsure: float = 0.0, least: float = 1.0
    ) -> str:
        """The person hardly ever in a sentence with ``name``, so that both may be one; empty if unclear.

        ``unsure``, ``least``: as :meth:`.CoOccurrence.ratio` has them.
        """
        if not roots:
            return ""
        if len(roots) == 1:
            return roots[0] if self.co_occurrence.ratio(name, roots[0], unsure, least) < APART else ""
        judged = sorted(
            (self.co_occurrence.ratio(name, r, max(0.2, unsure), least), i, r) for i, r in enumerate(roots)
        )
        if judged[0][0] < 0.3 and (not strict or judged[1][0] > 0.3):
            return judged[0][2]
        return ""

    def _are_two(self, one: str, other: str) -> bool:
        """Whether who is called by first name alone and who is called by surname are two people of one
        family, as they answer each other, or look at each other in a sentence: Mr. Dale and Tom (Dale)."""
        both = *self._parts_of(one), *self._parts_of(other)
        lasts = {p.last for p in both if p.is_full}
        for person, relation in ((one, other), (other, one)):
            own, theirs = self.clusters.names_of(person), self.clusters.names_of(relation)
            firsts = self._said_alone({self.parts[n].first for n in own} - lasts)
            called = [n for n in theirs if len(self.parts[n].rest) == 1 and self.parts[n].first in lasts]
            if not firsts or not called:
                continue
            alone = self._said_alone({self.parts[n].first for n in called})
            # Not the Dale who is known to be Miss Dale's father.
            surnames = tuple(
                {*called, *(w for w in alone if w in theirs or len(self.clusters.names_of(w)) < 2)}
            )
            apart = self.co_occurrence.ratio(firsts, surnames, least=SURE_EXPECTED) < APART
            if not apart and self.conversations.are_two(firsts, surnames):
                return True
            titled = tuple(n for n in called if set(self.parts[n].titles) - {"miss"})
            few = titled and self.co_occurrence.expected(firsts, titled) < 1
            if few and self.co_occurrence.together(firsts, titled):
                return True
        return False

    def _said_alone(self, words: Iterable[str]) -> tuple[str, ...]:
        """Those of the words that are names by themselves."""
        return tuple(sorted(w for w in words if w in self.candidates))

    def _same_surname(self, one: str, other: str, *, unsure: bool) -> bool:
        """Whether both have a surname in common; ``unsure`` where either has none."""
        lasts = [{p.last for p in self._parts_of(w) if p.is_full and p.last} for w in (one, other)]
        return bool(lasts[0] & lasts[1]) if all(lasts) else unsure

    def _is_surname(self, word: str, name: str) -> bool:
        """Whether persons other than ``name``'s have ``word`` as their last name."""
        others = [n for n in self._by_last.get(word, ()) if self.clusters.root(n) != self.clusters.root(name)]
        least = PASSING if key(word) in FIRST_NAMES else 1  # not in August Anne
        return any(
            (self.parts[n].is_full and self.counts[n] >= least) or {"mr", "mrs"} & set(self.parts[n].titles)
            for n in others
        )

    def _count(self, name: str) -> int:
        """Occurrences of all names of the person."""
        return sum(self.counts[n] for n in self.clusters.names_of(name))

    def _titles(self, name: str) -> frozenset[str]:
        """Titles of the person."""
        return name_facts(tuple(self.clusters.names_of(name))).titles

    def _same_gender(self, one: str, other: str) -> bool:
        """Whether both persons' genders agree, as far as they are known."""
        a, b = self.gender(one), self.gender(other)
        return not a or not b or a == b

    def gender(self, name: str) -> str:
        """Return "m", "f" or "" by title or first name, else by the pronouns that follow the names."""
        names = tuple(self.clusters.names_of(name))
        if names not in self._gender:
            firsts = self._said_alone({self.parts[n].first for n in names if self.parts[n].is_full})
            self._gender[names] = likely_gender(names, self.text, self._ends({*names, *firsts}), least=4)
        return self._gender[names]

    def _ends(self, names: Iterable[str]) -> Iterator[int]:
        """The offsets behind the names at which pronouns are looked for."""
        return (at + len(n) for n in names for at in self.offsets[n][:PRONOUN_MENTIONS])

    @cached_property
    def mentions(self) -> list[tuple[int, str]]:
        """(offset, name) of all names, in the order of the text."""
        return sorted((at, name) for name, offsets in self.offsets.items() for at in offsets)

    def _first_dominates(self, roots: list[str]) -> bool:
        """Whether the first is the only one or mentioned far more than the second: Tobias, not Edgar."""
        return len(roots) < 2 or self._count(roots[0]) >= 4 * self._count(roots[1])

    def _may_be_lady(self, name: str) -> bool:
        """Whether the person is a woman, or one pronoun at least says so: Pip is not Miss Thorne."""
        ends = self._ends(self.clusters.names_of(name))
        return (self.gender(name) or _majority_gender(self.text, ends, least=1)) == "f"

    def _parts_of(self, name: str) -> list[NameParts]:
        """The parts of all names of the person."""
        return [self.parts[n] for n in self.clusters.names_of(name)]

    def _first_names(self, person: str) -> set[str]:
        """The first words of the person's full names."""
        return {p.first for p in self._parts_of(person) if p.is_full}


def _with_surnames(parts: dict[str, NameParts]) -> dict[str, NameParts]:
    """The parts of the names, where a word right behind a title like Mr. is a surname."""
    surnames = {
        p.first for p in parts.values() if len(p.rest) == 1 and not _OF_STRANGERS.isdisjoint(p.titles)
    }
    behind = {n for n, p in parts.items() if p.is_full and p.rest[1] in surnames}
    return {n: replace(p, is_surname=True) if n in behind else p for n, p in parts.items()}


def likely_gender(forms: tuple[str, ...], text: str, ends: Iterable[int], least: int) -> str:
    """Return "m", "f" or "" of a person by the titles, by many pronouns behind the names, by the first name,
    else by few pronouns, else by how a first name ends.

    ``forms``: all names; ``ends``: offsets at which they end in the text; ``least``: pronouns that decide.
    """
    facts = name_facts(forms)
    if facts.gender and not facts.titles.isdisjoint(words.MALE | words.FEMALE):
        return facts.gender
    told = _majority_gender(text, ends, SURE_PRONOUNS if facts.gender else least)  # a girl called George
    return told or facts.gender or _gender_by_ending(forms)


def _majority_gender(text: str, ends: Iterable[int], least: int) -> str:
    """By a vote of the first pronouns within 60 characters behind the names, before any quotation mark or
    the end of the paragraph; "" where fewer than ``least`` vote or no 70 % of them agree."""
    found = (_PRONOUN.match(text, end, end + 90) for end in ends)
    votes = Counter("f" if m[1].lower().startswith(("she", "her")) else "m" for m in found if m)
    (best, n), *_ = votes.most_common(1) or [("", 0)]
    return best if n >= 0.7 * votes.total() and votes.total() >= least else ""


def _gender_by_ending(forms: Iterable[str]) -> str:
    """By how a first name ends: as women's do ("f"), or not ("")."""
    firsts = (parts.first for form in forms if (parts := split_name(form)).is_full or not parts.titles)
    of_woman = any(_OF_WOMEN.search(first) for first in firsts if key(first) not in words.MALE_NAMES)
    return "f" if of_woman else ""


def titles_clash(one: Iterable[str], other: Iterable[str]) -> bool:
    """Return whether one person would not bear both: Captain and Mr, Mrs and Miss; a clergyman is also Mr. or
    Dr., and who has a civil office is Mr."""
    a, b = _of_strangers(one), _of_strangers(other)
    divine = {"rev", "dr"} <= {*one, *other}
    return bool(a and b and not a & b) and not divine


def titles_agree(one: Iterable[str], other: Iterable[str]) -> bool:
    """Return whether one person would bear one of each, whoever gives them; Master Dale may be the son of
    Mr. Dale."""
    return "master" not in {*one, *other} and not _of_strangers(one).isdisjoint(_of_strangers(other))


def _of_strangers(titles: Iterable[str]) -> set[str]:
    """The titles that everybody gives, Mr. or Mrs. for those of callings."""
    return {words.CIVIL.get(title, title) for title in titles} - KIN_TITLES


def _is_family(candidate: Candidate, lasts: set[str], persons: Mapping[str, Candidate]) -> bool:
    """The Marlows, the Penroses, the two Miss Marlows: a family, not a person."""
    last = candidate.name.split(" ")[-1]
    if not last.endswith("s"):
        return False
    one = persons.get(candidate.name[:-1])
    if one and is_titled(one.name) and one.count > candidate.count:
        return True
    of_one = last[:-1] in lasts or last[:-2] in lasts
    return of_one and candidate.articles >= 0.4 * candidate.count


def _is_kind(name: str, candidate: Candidate, found: Mapping[str, Candidate]) -> bool:
    """The Islanders, the Grey Whales: many of what the book calls an Islander, a Grey Whale."""
    one = found.get(name.removesuffix("s"))
    if one is None or one is candidate or candidate.speaks or is_titled(name):
        return False
    return one.articles >= 0.4 * one.count


def _beside_places(persons: Iterable[str], found: Mapping[str, Candidate]) -> set[str]:
    """The names that are a person and then a place named far more often: He showed Anne Stone House."""
    surnames = {name.rpartition(" ")[2] for name in found if is_titled(name)}
    beside = ((name, name.partition(" ")[2]) for name in persons if not is_titled(name))
    return {
        name
        for name, rest in beside
        if rest in found
        and rest not in surnames
        and _is_place(found[rest])
        and found[rest].count > 10 * found[name].count
    }


def _is_place(candidate: Candidate) -> bool:
    """Whether a candidate follows prepositions of place and hardly ever speaks."""
    return candidate.speaks * 20 <= candidate.count and place_share(candidate) >= 0.2
