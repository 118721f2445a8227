"""Russian patronymics in English spelling: Ivan Petrovich, Anna Fominichna, Pavel Fomitch, Lev Ivanych.

First name and patronymic together call a person as title and surname do (Wade 2020, A Comprehensive Russian
Grammar; the spellings are those of translators).
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
    """The meaning of a patronymic. ``father``: beginning of the father's first name, the same for all
    spellings; ``gender`` of the bearer: "m" or "f"."""

    father: str
    gender: str


@lru_cache(maxsize=1 << 14)
def patronymic(word: str) -> Patronymic | None:
    """Return the father's name and the bearer's gender in a patronymic; None for any other word.

    "Petrovich" → ("Petr", "m"); "Fominichna" → ("Fom", "f"); "Dolin" → None.
    """
    for pattern, gender in ((_MALE, "m"), (_FEMALE, "f")):
        if match := pattern.fullmatch(word):
            return Patronymic(next(filter(None, match.groups())).rstrip("iy"), gender)
    return None


def is_given_and_patronymic(parts: Sequence[str]) -> bool:
    """Return whether the first two words of a name are a first name and a patronymic that fits its gender.

    ``parts``: the words of the name without titles. ["Ivan", "Petrovich", "Dolin"] → True; ["Petrovich"] →
    False; ["Miriam", "Petrovich"] → False, a woman with a man's patronymic, which is her surname.
    """
    named_after = patronymic(parts[1]) if len(parts) > 1 else None
    if named_after is None:
        return False
    first = parts[0].lower()
    return named_after.gender == "f" or first in words.MALE_NAMES or first not in words.FEMALE_NAMES
