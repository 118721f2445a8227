"""What keeps two persons of an English book apart whatever the evidence (cannot-links).

The doctests' ``pair(names, names, text)`` builds a pair, as those of pair_evidence.py.
"""

from __future__ import annotations

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.pair_evidence import Pair
from kgnb.extract.en.persons import APART, ON_PAGES


def are_apart(pair: Pair) -> bool:
    """Return whether two persons must not be joined whatever the evidence (a cannot-link).

    They are kept apart by different sex, first names or surnames. A stated alias overrules a different sex;
    alias or marriage overrules surnames.

    >>> are_apart(pair("Tom Dale", "Mrs. Dale")), are_apart(pair("Ann Dale", "Jane Dale"))
    (True, True)
    >>> are_apart(pair("Ann Dale", "Annie Dale"))
    False
    >>> are_apart(pair("Tom Dale, Tom", "Tom Moss"))
    True
    >>> are_apart(pair("Mrs. Tom Dale", "Mrs. Dale", others="Ann Dale"))
    True
    >>> are_apart(pair("Admiral, Admiral Dale", "Admiral Moss"))
    True
    """
    one, other = pair.full, pair.short
    if one.sex and other.sex and one.sex != other.sex:
        return "stated" not in pair.links
    if one.lasts & other.lasts and not any(one_first_name(a, b) for a in one.firsts for b in other.firsts):
        return bool(one.firsts and other.firsts)
    if not {"stated", "married", "wife"}.isdisjoint(pair.links):
        return False
    if one.lasts and other.lasts and one.surnames.isdisjoint(other.surnames):
        return True
    return _other_words(pair) or _is_elsewhere(pair) or after_husband(pair) is not None


def _is_elsewhere(pair: Pair) -> bool:
    """Return whether a short and a long first name, without a surname in common, are on different pages or
    often in one sentence."""
    if not pair.links.keys() <= {"nickname"} or pair.full.surnames & pair.short.surnames:
        return False
    return pair.coverage < ON_PAGES or (pair.together > 0 and pair.together >= APART * pair.expected)


def _other_words(pair: Pair) -> bool:
    """Return whether two persons of different surnames or places are linked only by a rank or a
    single word."""
    one, other = pair.full, pair.short
    both = [(one.surnames, other.surnames), (one.places, other.places)]
    unlike = any(mine and theirs and mine.isdisjoint(theirs) for mine, theirs in both)
    return unlike and pair.links.keys() <= {"rank", "bare_word", "same_word"}


def one_first_name(one: str, other: str) -> bool:
    """Return whether two first names may be forms of the same one: Ann, A., Annie.

    >>> one_first_name("Ann", "A."), one_first_name("Lizzy", "Elizabeth"), one_first_name("Ann", "Jane")
    (True, True, False)
    """
    a, b = one.lower(), other.lower()
    if a == b or (a[0] == b[0] and "." in (a[1:2], b[1:2])):
        return True
    longs = [{w, *words.NICKNAMES.get(w, ())} for w in (a, b)]
    stems = [w.removesuffix("y").removesuffix("ie") for w in (a, b)]
    begins = min(map(len, stems)) >= 3 and (a.startswith(stems[1]) or b.startswith(stems[0]))
    return not longs[0].isdisjoint(longs[1]) or begins


def after_husband(pair: Pair) -> float | None:
    """Return 1.0 if one is Mrs. John Dale, the other Mrs. Dale, and the book has another Mrs. … Dale or a
    first name with Dale that a woman may bear, else None.

    >>> after_husband(pair("Mrs. John Dale", "Mrs. Dale", others="Mrs. Hugh Dale"))
    1.0
    """
    found = pair.linked("titled_surname")
    if not found or not pair.people.parts[found[0]].is_after_husband:
        return None
    last = pair.people.parts[found[0]].last
    others = {p.first for p in pair.people.parts.values() if p.is_after_husband and p.last == last}
    return 1.0 if len(others) > 1 or pair.people.fitting(last, "f") else None
