"""Russian patronymics in English spelling: Ivan Petrovich, Anna Fominichna, Pavel Fomitch, Lev Ivanych.

Behind a first name they belong to no other use, and both together call one person as a title and surname do
(Wade 2020, A Comprehensive Russian Grammar; the spellings are those of its translators).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from kgnb.extract.en import vocabulary as words

_MALE = re.compile(
    r"([A-Z]\w+?)[oe]vit?ch"
    r"|([A-Z]\w+(?:a[nlr]|e|el|il|on|uk|[fmtv])|Il)(?:[iy]|yi)t?ch"  # as people say it
    r"|([A-Z]\w{2,})yt?ch"
)
_FEMALE = re.compile(r"([A-Z]\w+?)(?:[oe]v(?:na|ishna)|(?:in)?i(?:ch|sh)na)")


class Patronymic(NamedTuple):
    """``father``: how the father's first name begins, in all spellings alike; ``gender``: "m" or "f"."""

    father: str
    gender: str


@lru_cache(maxsize=1 << 14)
def patronymic(word: str) -> Patronymic | None:
    """Return what a patronymic says, None of another word."""
    for pattern, gender in ((_MALE, "m"), (_FEMALE, "f")):
        if match := pattern.fullmatch(word):
            return Patronymic(next(filter(None, match.groups())).rstrip("iy"), gender)
    return None


def is_given_and_patronymic(parts: Sequence[str]) -> bool:
    """Return whether a name's second word is a patronymic: Ivan Petrovich Dolin, not Petrovich, nor the
    surname of Miriam Petrovich."""
    named_after = patronymic(parts[1]) if len(parts) > 1 else None
    if named_after is None:
        return False
    first = parts[0].lower()
    return named_after.gender == "f" or first in words.MALE_NAMES or first not in words.FEMALE_NAMES
