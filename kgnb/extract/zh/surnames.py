"""Chinese: surname and given name of a full name."""

from __future__ import annotations

from functools import lru_cache

from kgnb.extract.zh import vocabulary as words

_ROLES = words.TITLES | {
    w for w in words.GENERIC | words.NAME_HEADS | words.TITLES_AFTER_SURNAME if len(w) > 1
}

_RANKED_TITLES = words.TITLES_AFTER_SURNAME - {"郎"}  # 武大郎 is a name


def surname_of(name: str) -> str:
    """Return the surname at the beginning of a word of at most three characters (four for a compound
    surname); "" if it has none.

    何恭 → 何; 司马懿 → 司马; 何公 → 何 (titles are not excluded); 老爷 → "".
    """
    if name[:2] in words.COMPOUND_SURNAMES and 3 <= len(name) <= 4:
        return name[:2]
    return name[0] if name[0] in words.SURNAMES and len(name) <= 3 else ""


def sure_surname(name: str) -> str:
    """Return the surname of a full name, "" for a name of two characters whose first is often no surname:
    仲谦 and 方正 may be given names. 何恭 gives 何, 方子安 gives 方.
    """
    surname = surname_of(name)
    return surname if surname in words.SURE_SURNAMES or len(name) > 2 else ""


def given_of(name: str) -> str:
    """Return the name without its surname: 何恭 → 恭; 子安, without a surname → 子安."""
    return name[len(surname_of(name)) :]


@lru_cache(16_384)  # as many candidates as a long book has: each is asked about again and again
def titled_surname(name: str) -> str:
    """Return the surname in a surname with a title (何公, 王太太, 王五爷, 顾大少爷) or with the province that
    its bearer governs (何豫州); "" for other words.
    """
    for size in (2, 1):
        head, tail = name[:size], name[size:]
        if head in words.COMPOUND_SURNAMES or head in words.SURNAMES:
            ranked = len(tail) > 1 and tail[0] in words.RANKED and tail[1:] in _RANKED_TITLES
            governs = len(tail) == 2 and tail[1] == "州" and head not in words.BEFORE_PLACE
            if ranked or governs or tail in words.TITLES_AFTER_SURNAME:
                return head
    return ""


@lru_cache(16_384)
def head_of(name: str) -> str:
    """Return the noun that ends the name, of one or two characters (大王 of 黑山大王); "" if there is none,
    or nothing before it.
    """
    return next((name[-n:] for n in (2, 1) if len(name) > n and name[-n:] in words.NAME_HEADS), "")


def title_of(name: str) -> str:
    """Return the title behind a surname: 公 of 何公; empty if there is none."""
    surname = titled_surname(name)
    return name[len(surname) :] if surname else ""


def called_by(name: str) -> str:
    """Return the surname in a form of address: 何公 → 何, 老周 → 周; "" for full names and other words."""
    familiar = name[1:] if name[0] in "老小" and name[1:] in words.COMMON_SURNAMES else ""
    return familiar or titled_surname(name)


def family_of(name: str) -> str:
    """Return the surname of a full name or of a form of address: 何恭, 何公, 老何 → 何; "" for none."""
    return called_by(name) or surname_of(name)


def is_full(name: str) -> bool:
    """Return whether a name is a surname and a given name: 何恭 → True; 何公 (title), 武二 (number), 子安 →
    False.
    """
    numbered = len(name) == 2 and name[1] in words.RANKED
    return bool(surname_of(name)) and not (called_by(name) or numbered)


def is_rank(name: str) -> bool:
    """Return whether the name ends in a ruler's rank without being a surname with a title: 吴侯, 汉中王.

    >>> is_rank("汉中王"), is_rank("何公")
    (True, False)
    """
    return name[-1] in words.RANK_ENDS and not titled_surname(name)


def is_titled_animal(name: str) -> bool:
    """Return whether the name is an animal with a title: 兔妈妈, 猫头鹰爷爷."""
    return name[-2:] in words.ANIMALS_TITLES and name[:-2] in words.ANIMALS


def is_wife(name: str) -> bool:
    """Return whether the name is a husband's full name with 家的, as wives of servants are called:
    何二旺家的.
    """
    return name.endswith("家的") and bool(surname_of(name[:-2]))


def is_role(word: str) -> bool:
    """Return whether the whole word is a title or another noun for a person: 老爷 → True; 何老爷 → False."""
    return word in _ROLES


def form_score(word: str) -> float:
    """Return how much a word's form speaks for a name: -1.0 (against) to 1.8 (何公); 0.7 for a common surname
    (何恭), -0.3 for two characters without a surname.
    """
    if word[:2] in words.COMPOUND_SURNAMES and len(word) >= 3:
        return 1.0
    if surname := titled_surname(word):
        return 1.8 if surname in words.SURE_SURNAMES else 0.6
    if is_titled_animal(word) or is_wife(word):
        return 1.8
    if word[0] in words.SURNAMES and word[1] in words.NUMERALS and len(word) == 2:
        return 0.8 if word[0] in words.COMMON_SURNAMES else 0.0
    if len(head_of(word)) == 2 and len(word) > 3:
        return 1.2
    if word[0] == "阿" and len(word) == 2:
        return 0.7
    if word[0] in words.FAMILIAR_PREFIXES:
        return 0.7 if word[1] in words.COMMON_SURNAMES and len(word) == 2 else 0.2
    if len(word) > 3:
        return -1.0
    if head_of(word):
        return 0.2
    if len(word) == 3 and word[0] not in words.SURNAMES:
        return 0.0 if word[-1] == "子" else -0.8  # 玄机子, a Daoist's name
    return 0.7 if word[0] in words.COMMON_SURNAMES else 0.0 if word[0] in words.SURNAMES else -0.3
