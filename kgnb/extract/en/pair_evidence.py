"""Evidence that two persons of an English book, each a set of names, are one person: see extract/weighing.py.

Each function takes a :class:`Pair` and returns 1.0 where its statement holds and None where it does not, or a
number on the scale that it names. The learnt weights decide for or against. The doctests' ``pair(names,
names, text)`` builds a pair; names are separated by commas.
"""

from __future__ import annotations

import math
from functools import cached_property

from kgnb.extract import pairs
from kgnb.extract.en.bare_ranks import DOMINANT
from kgnb.extract.en.candidates import FIRST_NAMES
from kgnb.extract.en.people import People, Person
from kgnb.extract.en.persons import KIN_TITLES, MILITARY, titles_clash
from kgnb.extract.en.vocabulary import key

FAR = 30_000
"""Characters between the places of two namesakes from which on they are different people: about
twenty pages."""
SLIPS = 0.02
"""Greatest share of the mentions of Miss Dale in sentences with the pair's other person that
counts as slips."""
MIN_EXPECTED = 0.5
"""Least number of shared sentences expected by chance, if their actual number is evidence."""


class Pair(pairs.Pair[Person, People]):
    """Two persons of an English book."""

    @cached_property
    def links(self) -> dict[str, tuple[float, str, str]]:
        """Kind of link → (value, name of the one, name of the other), as in :class:`kgnb.extract.pairs.Pair`.

        Without "surname" (Dale, Tom Dale) if there is "titled_surname" (Mr. Dale, Tom Dale), which says more.
        """
        found = dict(super().links)
        return found if "titled_surname" not in found else {k: v for k, v in found.items() if k != "surname"}

    def linked(self, *kinds: str) -> tuple[str, str] | None:
        """Return the two names that a link of the first of ``kinds`` that there is joins, the name of more
        words first; None if there is no such link."""
        parts = self.people.parts
        for _, one, other in (self.links[kind] for kind in kinds if kind in self.links):
            return (one, other) if len(parts[one].rest) >= len(parts[other].rest) else (other, one)
        return None

    @cached_property
    def coverage(self) -> float:
        """Share, 0 to 1, of the rarer person's pages on which, or next to which, the other occurs."""
        one, other = sorted((self.full, self.short), key=lambda p: (p.count, p.names))
        return self.people.index.coverage(one.names, other.names)


# --- other persons that may be meant ---


def stranger_of_first_name(pair: Pair) -> float | None:
    """Return 1.0 if a formal title (Mr., Mrs., Dr., a military rank) stands before the other's first name,
    else None.

    The word may be the surname of another person.

    >>> stranger_of_first_name(pair("Thomas Dale", "Mr. Thomas"))
    1.0
    """
    found = pair.linked("titled_first_name")
    titles = pair.people.person((found[1],)).titles if found else frozenset()
    return 1.0 if titles & (MILITARY | {"mr", "mrs", "dr"}) else None


def share_of_first_name(pair: Pair) -> float | None:
    """Return log(share of the full name among all bearers of its first name), -3 to 0; 0: no other bearer.

    None unless one person is called by the other's first name, with or without a title.

    >>> share_of_first_name(pair("Anne Dale", "Anne"))
    0.0
    """
    return _share(pair, "first_name", "titled_first_name")


def share_of_surname(pair: Pair) -> float | None:
    """Return log(share of the full name among all bearers of its surname), -3 to 0; 0: no other bearer.

    None unless one person is called by the other's surname alone.

    >>> share_of_surname(pair("Tom Dale", "Dale"))
    0.0
    """
    return _share(pair, "surname")


def share_of_title(pair: Pair) -> float | None:
    """Return log(share of the full name among all bearers of its surname whom the other's title fits), -3 to
    0; 0: no other bearer.

    None unless one person is called by a title and the other's surname.

    >>> share_of_title(pair("Tom Dale", "Mr. Dale", others="Anne Dale"))
    0.0
    """
    return _share(pair, "titled_surname")


def _share(pair: Pair, *kinds: str) -> float | None:
    """Return log(share of the full name among all bearers of the shared word), -3 to 0; None without a link
    of ``kinds``.
    """
    if not (found := pair.linked(*kinds)):
        return None
    kind = next(kind for kind in kinds if kind in pair.links)
    parts, bearers = pair.people.parts[found[0]], pair.people.bearers(found[1], kind)
    mine = max(1, bearers.get(parts.last if "first_name" in kind else parts.first, 0))
    return max(-3.0, math.log(mine / max(mine, sum(bearers.values()))))


def dominates_rank(pair: Pair) -> float | None:
    """Return 1.0 if one name is a rank alone and the pair has at least 2.5 times the occurrences of all other
    bearers of the rank, else None.

    >>> dominates_rank(pair("Admiral Dale", "Admiral"))
    1.0
    """
    found = pair.linked("rank")
    if not found:
        return None
    bearers = pair.people.ranks[pair.people.parts[found[1]].titles[0]]
    both = {*pair.full.names, *pair.short.names}
    mine = sum(n for name, n in bearers.items() if name in both)
    return 1.0 if mine >= DOMINANT * (sum(bearers.values()) - mine) else None


def unlike_words(pair: Pair) -> float | None:
    """Return 1.0 if both persons have surnames, but none in common, else None.

    >>> unlike_words(pair("Anne Dale", "Anne Moss"))
    1.0
    """
    both = pair.full.surnames, pair.short.surnames
    return 1.0 if all(both) and both[0].isdisjoint(both[1]) else None


# --- sex and titles ---


def same_sex(pair: Pair) -> float | None:
    """Return 1.0 if both are known to be men, or both women, else None.

    >>> same_sex(pair("Tom Dale", "Mr. Dale"))
    1.0
    """
    return 1.0 if pair.full.sex and pair.full.sex == pair.short.sex else None


def other_title(pair: Pair) -> float | None:
    """Return 1.0 if their titles exclude each other (see ``persons.titles_clash``), else None.

    With a surname in common only the titles before it count. None for a pair of :func:`doctor_or_mister`.

    >>> other_title(pair("Captain Tom Dale", "Mr. Dale"))
    1.0
    """
    if doctor_or_mister(pair):
        return None
    one, other = pair.full.titles_of, pair.short.titles_of
    if shared := one.keys() & other.keys():
        return 1.0 if any(titles_clash(one[last], other[last]) for last in shared) else None
    return 1.0 if titles_clash(pair.full.titles, pair.short.titles) else None


def doctor_or_mister(pair: Pair) -> float | None:
    """Return 1.0 if one is Dr. Dale, the other Mr. Dale, and no name of the book has a first name before
    Dale, else None.

    >>> doctor_or_mister(pair("Mr. Dale", "Dr. Dale"))
    1.0
    """
    found = pair.linked("same_word")
    if not found or pair.people.families.get(pair.people.parts[found[0]].last):
        return None
    titles = pair.full.titles | pair.short.titles
    return 1.0 if titles <= {"mr", "dr", "comrade", "citizen"} and len(titles) > 1 else None


def same_title(pair: Pair) -> float | None:
    """Return 1.0 if both have the same title other than Mr., Mrs. and Miss, else None.

    >>> same_title(pair("Captain Tom Dale", "Captain Dale"))
    1.0
    """
    return 1.0 if (pair.full.titles & pair.short.titles) - {"mr", "mrs", "miss"} else None


def new_title_of_lady(pair: Pair) -> float | None:
    """Return 1.0 if one is Mrs. or Lady and a surname, and the other never has this title, else None.

    Where the other's sex is unknown, Miss counts as well.

    >>> new_title_of_lady(pair("Anne Dale", "Mrs. Dale")), new_title_of_lady(pair("Pip Dale", "Miss Dale"))
    (1.0, 1.0)
    """
    found = pair.linked("titled_surname")
    if not found:
        return None
    ladies = {"mrs", "lady"} if pair.full.sex else {"mrs", "lady", "miss"}
    titles = ladies & set(pair.people.parts[found[1]].titles)
    return 1.0 if titles and not titles & pair.full.titles else None


def lady_by_surname(pair: Pair) -> float | None:
    """Return 1.0 if one is called by a surname alone and one of the two is a woman without a military rank,
    else None.

    None as well if the word is a common first name, if a first name links the two, or if a woman has a title
    of kin.

    >>> lady_by_surname(pair("Anne Dale", "Dale")), lady_by_surname(pair("Mrs. Dale", "Dale"))
    (1.0, 1.0)
    """
    found = pair.linked("surname", "bare_word")
    by_first = not {"first_name", "titled_first_name"}.isdisjoint(pair.links)
    if not found or by_first or key(pair.people.parts[found[1]].first) in FIRST_NAMES:
        return None
    ladies = [p for p in (pair.full, pair.short) if p.sex == "f" and MILITARY.isdisjoint(p.titles)]
    return 1.0 if ladies and not any(p.titles & KIN_TITLES for p in ladies) else None


def rank_of_lady(pair: Pair) -> float | None:
    """Return 1.0 if only one has a military rank, is not known to be a woman, and the other is one, else
    None.

    >>> rank_of_lady(pair("Anne Dale", "General Dale"))
    1.0
    """
    ranked = [p for p in (pair.full, pair.short) if p.titles & MILITARY]
    other = pair.short if ranked == [pair.full] else pair.full
    return 1.0 if len(ranked) == 1 and other.sex == "f" != ranked[0].sex else None


def has_own_form(pair: Pair) -> float | None:
    """Return 1.0 if the full name's person is also called Miss Lucy, or Mr. Tom Dale, as younger children
    are, while the other is Miss Dale or Mr. Dale; else None.

    >>> has_own_form(pair("Lucy Dale, Miss Lucy", "Miss Dale", others="Jane Dale"))
    1.0
    """
    found = pair.linked("titled_surname")
    if not found:
        return None
    people, alone = pair.people, pair.people.parts[found[1]]
    miss, counts = "miss" in alone.titles, people.index.counts
    if alone.titles not in (("miss",), ("mr",)):
        return None
    family = people.fitting(alone.last, people.person((found[1],)).sex)
    only = len({*family, *pair.full.firsts}) < 2 and (miss or not people.titled[alone.last]["mrs"])
    if only and pair.together <= SLIPS * counts[found[1]]:
        return None  # nobody else can be Miss Dale
    own = 0.0
    for first in pair.full.firsts:
        own += 2.0 * sum(counts.get(f"{title} {first}", 0) for title in _written(found[1]))
        own += (
            0 if miss else sum(counts.get(f"{title} {first} {alone.last}", 0) for title in _written(found[1]))
        )
    return 1.0 if own > max(1.0, 0.08 * counts[found[1]]) else None


def _written(name: str) -> list[str]:
    """Return the title of a name as it may be written, without and with a full stop: ["Mr", "Mr."]."""
    title = name.partition(" ")[0].rstrip(".")
    return [title, title + "."]


def other_bears_title(pair: Pair) -> float | None:
    """Return 1.0 if one is Sir John, the other John Dale without that title, and the book has a Sir John
    Moss, else None.

    >>> other_bears_title(pair("John Dale", "Sir John", others="Sir John Moss"))
    1.0
    """
    for kind in ("titled_first_name", "titled_surname"):
        if found := pair.linked(kind):
            titles = pair.people.person((found[1],)).titles - {"mr", "mrs", "miss"}
            others = (pair.people.parts[n] for n in pair.people.linked(found[1], kind))
            called = any(titles & {*p.titles} and p.rest != pair.people.parts[found[0]].rest for p in others)
            if called and not titles & (
                pair.full.titles if found[1] in pair.short.names else pair.short.titles
            ):
                return 1.0
    return None


def may_be_father(pair: Pair) -> float | None:
    """Return 1.0 if one is Mr. Dale or Dale, there is a Mrs. Dale, and the other is mostly
    called by first name, as a son is; else None.

    >>> may_be_father(pair("Tom Dale, Tom", "Mr. Dale", "Tom Dale, Tom, Tom.", others="Mrs. Dale"))
    1.0
    """
    found = pair.linked("titled_surname", "surname")
    if not found:
        return None
    parts = pair.people.parts[found[0]]
    family = pair.people.titled[parts.last]["mrs"] > 0
    return 1.0 if family and pair.full.by_first_name >= 0.5 and pair.short.titles <= {"mr"} else None


def bears_rank(pair: Pair) -> float | None:
    """Return 1.0 if one is Captain Dale, and the other has the name Captain Tom Dale, else None.

    >>> bears_rank(pair("Captain Tom Dale", "Captain Dale"))
    1.0
    """
    found = pair.linked("titled_surname")
    if not found:
        return None
    titles, last = pair.people.parts[found[1]].titles, pair.people.parts[found[1]].last
    person = pair.short if found[1] in pair.full.names else pair.full
    bears = any(p.is_full and p.last == last and p.titles == titles for p in person.parts)
    return 1.0 if bears and titles not in (("mr",), ("mrs",), ("miss",)) else None


# --- where they stand ---


def company(pair: Pair) -> float | None:
    """Return log(sentences shared / sentences shared by chance), -2 to 2; None if they share no sentence and
    chance alone would give fewer than :data:`MIN_EXPECTED` (0.5).

    >>> company(pair("Anne Dale", "Anne", "Anne Dale sat. Anne stood. " * 40)) < -1
    True
    """
    if pair.expected < MIN_EXPECTED and not pair.together:
        return None
    return max(-2.0, min(2.0, math.log((pair.together + 0.5) / (pair.expected + 0.5))))


def on_its_pages(pair: Pair) -> float | None:
    """Return the share, 0 to 1, of the rarer person's pages on which, or next to which, the other occurs.

    >>> on_its_pages(pair("Anne Dale", "Anne", "Anne Dale sat. Anne stood."))
    1.0
    """
    return pair.coverage


def is_far(pair: Pair) -> float | None:
    """Return 1.0 if all occurrences of one are far behind all of the other, else None: Joe of the first
    story, Joe Fenn of the last.

    >>> is_far(pair("Joe Fenn", "Joe", "Joe sat." + "He said no. " * 4000 + "Joe Fenn stood."))
    1.0
    """
    away = max(pair.full.begin - pair.short.end, pair.short.begin - pair.full.end)
    return 1.0 if away > FAR else None


def talk_together(pair: Pair) -> float | None:
    """Return 1.0 if the two speak in turns, as two different persons do, else None (see conversations.py).

    >>> text = '"Come," said Tom.\\n"No," said Mr. Dale.\\n' * 4
    >>> talk_together(pair("Mr. Dale", "Tom", text))
    1.0
    """
    return 1.0 if pair.people.conversations.are_two(pair.full.names, pair.short.names) else None


def is_rare(pair: Pair) -> float | None:
    """Return log(occurrences of the full name's person / occurrences of the other) / 2, clipped to -2 and 2.

    >>> is_rare(pair("Anne Dale", "Anne", "Anne Dale. Anne."))
    0.0
    """
    return max(-2.0, min(2.0, math.log(pair.full.count / pair.short.count) / 2))


def is_little(pair: Pair) -> float | None:
    """Return 1.0 if one is Mr. Dale and the other is called little Tom Dale, a child, else None.

    >>> is_little(pair("Tom Dale", "Mr. Dale", "The little Tom Dale. Mr. Dale."))
    1.0
    """
    if "mr" not in pair.short.titles:
        return None
    little = sum(pair.people.candidates[n].before["little"] for n in pair.full.names)
    return 1.0 if little >= 0.1 * pair.full.count else None


PAIR_EVIDENCE = (
    stranger_of_first_name,
    share_of_first_name,
    share_of_surname,
    share_of_title,
    dominates_rank,
    unlike_words,
    same_sex,
    other_title,
    doctor_or_mister,
    same_title,
    new_title_of_lady,
    lady_by_surname,
    rank_of_lady,
    has_own_form,
    other_bears_title,
    may_be_father,
    bears_rank,
    company,
    on_its_pages,
    is_far,
    talk_together,
    is_rare,
    is_little,
)
"""All evidence about a pair; the weights are in data/weights.toml."""
