"""Chinese words for what one person is to another: kin, spouses, masters, pupils, servants, lovers, foes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from kgnb.extract.patterns import shaped, tie_tables
from kgnb.extract.zh.script import is_han


class Noun(NamedTuple):
    """A noun of relation: in 甲的弟弟乙, 乙 is its bearer and 甲 its possessor."""

    words: str
    """Regular expression."""
    type: str
    """From the possessor to the bearer."""
    inverted: bool = False
    """From the bearer to the possessor instead."""
    strangers: bool = False
    """Strangers are called so, too: without a possessor it takes a common surname."""
    owned: bool = False
    """It says whose only with a possessor: 他的男人, not 男人乙."""
    of: str = ""
    """Whose it always is: the speaker's (家父) or the hearer's (令尊)."""
    couple: bool = False
    """It is two spouses: 甲的父母乙和丙."""


SHAPES: Mapping[str, str] = tie_tables("zh")["shapes"]
DEAR, OF = (shaped(SHAPES[name], SHAPES) for name in ("dear", "of"))
"""What may stand before a noun and doesn't change what it means; what joins a noun to its possessor."""
KIN = tuple(Noun(**{**row, "words": shaped(row["words"], SHAPES)}) for row in tie_tables("zh")["nouns"])
"""The nouns of data/ties.toml."""
KIN_CHARS = frozenset(c for noun in KIN for c in noun.words if is_han(c))
"""Characters of which the nouns of ``KIN`` consist."""


@cache
def _kin_pattern() -> re.Pattern[str]:
    """Return the pattern of all kin nouns, with a group for each of ``KIN`` in its order; cached."""
    return re.compile(rf"(?:{'|'.join(f'({noun.words})' for noun in KIN)})\Z")


@cache
def _single() -> frozenset[str]:
    """Return the kin nouns of one character; cached."""
    return frozenset(filter(_kin_pattern().fullmatch, KIN_CHARS))


def last_kin_noun(text: str, begin: int, end: int) -> tuple[int, Noun] | None:
    """Return (offset, noun) of the longest kin noun that ends at ``end`` and begins at ``begin`` or later;
    None if there is none.

    何恭的父亲 with 0, 5 → (3, the noun of 父亲).
    """
    least, begin = begin, end
    while begin > least and text[begin - 1] in KIN_CHARS:
        begin -= 1
    if end - begin == 1 and text[begin] not in _single():  # most often: 把, 的
        return None
    match = _kin_pattern().search(text, begin, end)
    return (match.start(), KIN[match.lastindex - 1]) if match and match.lastindex else None


def kin_noun(text: str, begin: int, end: int) -> Noun | None:
    """Return the kin noun that is exactly ``text[begin:end]``; None if this is no kin noun."""
    match = _kin_pattern().match(text, begin, end)
    return KIN[match.lastindex - 1] if match and match.lastindex else None
