"""Evidence from the parts of two names that they are one person's: Elizabeth Moss and Lizzy Moss share
two.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise, product

from kgnb.extract.en.vocabulary import EPITHETS, HONORIFICS, NICKNAMES, key
from kgnb.extract.generic_words import is_generic

SHARED_PART = math.log(12)
"""Weight (logarithm of a likelihood ratio) of a distinctive part that both have. So do half of the Chinese
and most of the English pairs of one person's names, and one in twenty of two persons'."""
OTHERS_PART = -math.log(3)
"""Weight where a name of a third person has a part of the alias that the two do not share."""
MAX_BEARERS = 8
"""A part of more names than this (a title, a family's name) is not distinctive."""
_PITYING = frozenset({"poor", "dear"})
_PARTICLES = frozenset({"the", "and", "with", "from", "von", "van", "des", "del", "der", "den"})


@lru_cache(maxsize=16_384)
def parts(name: str) -> frozenset[str]:
    """Return a name's distinctive parts: words in lower case, or pairs of adjacent characters of a Chinese
    name.

    A nickname also gives the full names that it stands for: "Lizzy Moss" gives elizabeth, lizzy, moss.
    Titles, particles, generic words and words of one or two letters are left out: "Mr. Moss" gives moss,
    张将军 gives 张将.
    """
    if _is_chinese(name):
        return frozenset(two for two in map("".join, pairwise(name)) if not is_generic(two))
    words = {word.strip(".,'’").casefold() for word in name.replace("-", " ").split()} - _PARTICLES
    words.update(*(NICKNAMES.get(word, ()) for word in words))
    return frozenset(w for w in words if len(w) > 2 and w not in HONORIFICS and not is_generic(w))


def without_epithet(name: str) -> str:
    """Return the full name behind an epithet: "Ann Peel" for "Young Ann Peel"; else "".

    "Young Peel" and "Old Mr. Peel" give "": no first name follows the epithet.
    """
    epithet, _, full = name.partition(" ")
    first, _, last = full.partition(" ")
    is_full = last and first[:1].isupper() and key(first) not in HONORIFICS
    return full if is_full and epithet.lower() in EPITHETS else ""


def tell_apart(names: Iterable[str]) -> bool:
    """Return whether names of one full name have different epithets: True for Old Ann Peel, Young Ann Peel.

    "Poor" and "Dear" don't count, as they say nothing about which of two persons is meant.
    """
    return len({name.partition(" ")[0].lower() for name in names} - _PITYING) > 1


def is_short_form(short: str, name: str) -> bool:
    """Return whether a Chinese name is another name with characters left out, in order: 熊王 for 熊魔王."""
    rest = iter(name)
    return _is_chinese(short) and 2 <= len(short) < len(name) and all(char in rest for char in short)


def _has_short_form(names: Iterable[str], others: Iterable[str]) -> bool:
    mine, theirs = list(filter(_is_chinese, names)), list(filter(_is_chinese, others))
    return any(is_short_form(*sorted(two, key=len)) for two in product(mine, theirs))


def _is_chinese(name: str) -> bool:
    """Return whether a name begins with a Chinese character and has no blank."""
    return name[:1] > "\u2e7f" and " " not in name


class NameParts:
    """The parts of all names of a book."""

    def __init__(self, names: Iterable[str]) -> None:
        self._bearers: dict[str, set[str]] = defaultdict(set)
        for name in names:
            for part in parts(name):
                self._bearers[part].add(name)
        self._common = {part for part, of in self._bearers.items() if len(of) > MAX_BEARERS}

    def weight(self, names: Iterable[str], others: Iterable[str]) -> float:
        """Return the log likelihood ratio, from the parts of the names, that both sets of names are one
        person's.

        ``SHARED_PART`` (positive) for a shared distinctive part or a short form, plus ``OTHERS_PART``
        (negative) where other names of the book have a part that is not shared; 0.0 for neither.
        """
        names, others = frozenset(names), frozenset(others)
        mine, theirs = self._distinctive(names), self._distinctive(others)
        shared, both = mine & theirs, names | others
        rest = (mine if len(names) < len(others) else theirs) - shared
        of_others = any(self._bearers.get(part, both) - both for part in rest)
        if (shared and not of_others) or _has_short_form(names, others):
            return SHARED_PART
        return (SHARED_PART if shared else 0.0) + (OTHERS_PART if of_others else 0.0)

    def are_exclusive(self, names: Iterable[str], others: Iterable[str]) -> bool:
        """Return whether no other name of the book has a part of ``names``; names in ``others`` may
        have them.
        """
        both = {*names, *others}
        return all(self._bearers.get(part, both) <= both for name in names for part in parts(name))

    def _distinctive(self, names: Iterable[str]) -> frozenset[str]:
        """Return the parts of the names without those that many names have."""
        return frozenset[str]().union(*[parts(name) - self._common for name in names])
