"""Facts that the words of English persons' names give: titles, gender, surnames, and titles that exclude each
other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.candidates import FIRST_PARTICLES, SAINTS, usual_title
from kgnb.extract.en.patronymics import is_given_and_patronymic, patronymic
from kgnb.extract.en.vocabulary import key

# Not "him", nor "told her where": the object of the bearer's action is another person (binding principle B).
_BEHIND_OBJECT = (
    "to|that|what|how|where|when|why|who|if|and|or|but|with|in|at|on|by|for|from|an?|the|as|again"
)
_PRONOUN = re.compile(
    rf"[^\"\n]{{0,60}}?\b(he|his|himself|she|hers|herself|her(?= (?!(?:{_BEHIND_OBJECT})\b)[a-z]))\b",
    re.IGNORECASE,
)
# How many women's names end, and hardly any man's (Cassidy, Kelly and Sharoni 1999, J. Exp. Psych. 128).
# Honorifics and like words behind a name: Mori-san, Rao-ji, Anne-girl.
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
        *("comrade", "citizen"),
    )
)
"""Titles that only relatives or members of a group give: aunt, brother, comrade."""
_BEFORE_GIVEN_NAME = frozenset(
    ("sir", "aunt", "uncle", "cousin", "king", "queen", "prince", "princess", "sister")
)
_OF_STRANGERS = frozenset(("mr", "mrs", "miss", "dr", "professor"))
_OF_HEADS = frozenset(("mr", "mrs", "dr", "rev", "judge")) | MILITARY
PRONOUN_MENTIONS = 200
"""Most occurrences of a name whose following pronouns are counted for the gender."""
SURE_PRONOUNS = 10
"""Least pronouns that overrule the gender of a common first name: a girl called George."""
APART = 0.6
"""Least ratio of shared sentences to those expected by chance, at which two names are of two persons."""
ON_PAGES = 0.4
"""Least share of the rarer one's pages on which the other occurs, if a woman may be Mrs. Dale, or a short and
a long first name one person's."""


@dataclass(frozen=True, slots=True)
class NameParts:
    """The parts of a name. ``titles``: in lower case, see :func:`usual_title`; ``rest``: the words behind
    them."""

    titles: tuple[str, ...]
    rest: tuple[str, ...]
    is_surname: bool = False
    """Whether a word like a patronymic is the surname: Tom Petrovich, in a book with a Mr. Petrovich."""

    @property
    def first(self) -> str:
        """The first word behind the titles; "" for a rank alone."""
        return self.rest[0] if self.rest else ""

    @property
    def last(self) -> str:
        """The last word, or the word before "of"; "" where there is no surname.

        Mr. Thorne of Brayton → "Thorne"; Mr. Dale → "Dale"; the King of Brayton, Ivan Petrovich → "".
        """
        if self.first == "of" or (self.has_patronymic and len(self.rest) == 2):
            return ""
        named = self.rest[: self.rest.index("of")] if "of" in self.rest[1:] else self.rest
        return named[-1] if named else ""

    @property
    def is_full(self) -> bool:
        """Whether at least two words are behind the titles."""
        return len(self.rest) > 1

    @property
    def place(self) -> str:
        """The word behind "of": Brayton of the Duke of Brayton and of Tom Thorne of Brayton; "" for other
        names."""
        return self.rest[-1] if "of" in self.rest[:-1] else ""

    @property
    def is_after_husband(self) -> bool:
        """Whether the first name is the husband's: Mrs. John Dale, not Mrs. Clara Dale."""
        return "mrs" in self.titles and self.is_full and key(self.first) not in words.FEMALE_NAMES

    @property
    def has_patronymic(self) -> bool:
        """Whether a first name and a patronymic begin the name: Ivan Petrovich Dolin."""
        return not self.is_surname and is_given_and_patronymic(self.rest)

    @property
    def has_initial(self) -> bool:
        """Whether the first name is one letter and a full stop: T. Finch."""
        return self.is_full and len(self.first) == 2 and self.first[1] == "."


@lru_cache(maxsize=4096)
def split_name(name: str) -> NameParts:
    """Return the titles and the other words of a name.

    "Captain Tom Dale" → ("captain",), ("Tom", "Dale"); "Admiral", a rank alone → ("admiral",), (); "St. John
    Rivers" → (), ("St. John", "Rivers"); "M. de la Tour" → ("mr",), ("Tour",).
    """
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
        rest[-2:] = [" ".join(rest[-2:])]  # Tom St. Clare and Mr. St. Clare have the same surname
    if "-" in rest[-1]:
        rest[-1] = _SUFFIX.sub("", rest[-1])
    while titles and len(rest) > 1 and rest[0] in FIRST_PARTICLES:  # M. de la Tour
        rest = rest[1:]
    if len(rest) > 1 and rest[-2] in _SURNAME_PARTICLES:
        rest[-2:] = [" ".join(rest[-2:])]  # Van Damm is one word, also in Anne Van Damm
    return NameParts(tuple(map(usual_title, titles)), tuple(rest))


class NameFacts(NamedTuple):
    """The facts that all names of a person give together.

    ``gender``: "m", "f" or ""; ``surnames``: those by birth, or a man's; ``married``: those behind Mrs. or
    Lady; ``given``: whether there is a first name; ``head``: "m" or "f" of a person called by title and
    surname alone as head of a house or as a head's wife (Mr. Dale, Mrs. Dale), else ""; ``is_young``: whether
    the person is called by Mr., Master or Miss and first name alone.
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
    """Return the facts of a person with the names ``forms``.

    ("Tom Dale", "Mr. Dale") → gender "m", titles {"mr"}, surnames {"Dale"}, married {}, given True, head "m",
    is_young False. ("Mrs. Dale",) → gender "f", surnames {}, married {"Dale"}, given False, head "f".
    """
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
    """Return "m" or "f" by the titles, else by the first names; "" where these are of both genders or of
    none."""
    for found, female, male in (
        (titles, words.FEMALE, words.MALE),
        (firsts, words.FEMALE_NAMES, words.MALE_NAMES),
    ):
        if found.isdisjoint(female) != found.isdisjoint(male):
            return "m" if found.isdisjoint(female) else "f"
    return ""


def _inflected(lasts: Iterable[str]) -> str:
    """Return "f" for Slavic surnames of women (Dolinova), "m" for those of men (Dolinov), "" for others or
    both."""
    found = {"f" if m[1] else "m" for last in lasts if (m := _SLAVIC.search(last))}
    return found.pop() if len(found) == 1 else ""


def with_surnames(parts: dict[str, NameParts]) -> dict[str, NameParts]:
    """Return ``parts`` (name → parts) with ``is_surname`` set for full names whose second word is a surname.

    A word is a surname if another name has it alone behind Mr., Mrs., Miss, Dr. or Professor: with Mr.
    Petrovich in the book, the second word of Tom Petrovich is no patronymic.
    """
    surnames = {
        p.first for p in parts.values() if len(p.rest) == 1 and not _OF_STRANGERS.isdisjoint(p.titles)
    }
    behind = {n for n, p in parts.items() if p.is_full and p.rest[1] in surnames}
    return {n: replace(p, is_surname=True) if n in behind else p for n, p in parts.items()}


def likely_sex(forms: tuple[str, ...], votes: Counter[str], least: int) -> str:
    """Return the gender of a person, "m", "f" or "" for unknown, from counted pronouns.

    Order: titles; pronouns (``votes``: "m" and "f" → count), if at least ``least``, or 10 against a common
    first name, of which 70 % agree; a common first name.
    ("Pip",) with {"m": 4, "f": 1} and ``least`` 4 → "m"; ("Anne",) with {"m": 3} → "f".
    """
    facts = name_facts(forms)
    if facts.gender and not facts.titles.isdisjoint(words.MALE | words.FEMALE):
        return facts.gender
    told = _majority(votes, SURE_PRONOUNS if facts.gender else least)  # a girl called George
    return told or facts.gender


def pronoun_votes(text: str, ends: Iterable[int]) -> Counter[str]:
    """Return "m" and "f" → how many names have such a pronoun (he, his, she, her, …) first behind them.

    ``ends``: offsets at which the names end. Only pronouns within about 60 characters, before a quotation
    mark or the paragraph's end, count. "Tom sat. He rose." with [3] → {"m": 1}.
    """
    found = (_PRONOUN.match(text, end, end + 90) for end in ends)
    return Counter("f" if m[1].lower().startswith(("she", "her")) else "m" for m in found if m)


def _majority(votes: Counter[str], least: int) -> str:
    """Return the gender with at least 70 % of the votes; "" if there is none or fewer than
    ``least`` votes."""
    (best, n), *_ = votes.most_common(1) or [("", 0)]
    return best if n >= 0.7 * votes.total() and votes.total() >= least else ""


def titles_clash(one: Iterable[str], other: Iterable[str]) -> bool:
    """Return whether no person would bear titles of both sets.

    {"captain"} and {"mr"}, {"mrs"} and {"miss"} → True. Titles of kin (aunt) never clash, nor does an empty
    set. {"rev"} and {"mr"} → False, since a clergyman is also called Mr. or Dr.; likewise an office of
    data/words.toml's list ``civil`` and Mr.
    """
    a, b = _of_strangers(one), _of_strangers(other)
    divine = {"rev", "dr"} <= {*one, *other}
    return bool(a and b and not a & b) and not divine


def _of_strangers(titles: Iterable[str]) -> set[str]:
    """Return the titles without those of kin; Mr. or Mrs. in place of civil offices, Dr. of Professor."""
    return {words.CIVIL.get(title, title) for title in titles} - KIN_TITLES
