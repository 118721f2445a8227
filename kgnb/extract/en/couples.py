"""English: Mr. and Mrs. Gardiner, the Gardiners: words that speak of husband and wife at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from kgnb.extract.en import vocabulary as words

_PEERS = frozenset(("sir", "lord"))
_TITLES = _PEERS | {"mr", "dr", "rev"} | (words.RANKS & words.NEUTRAL)
_HIS = "|".join(sorted(_TITLES))
_BOTH = re.compile(rf"\b((?:(?i:{_HIS}))\.?) and (?:Mrs|Lady)\.? (?=([A-Z][a-zà-ÿ'-]+))")
_HOUSE = re.compile(r"\b[Tt]he ([A-Z][a-zà-ÿ]+s)\b(?! [A-Z])")
_COUPLES = [
    ([form for t in sorted(his) for form in (t.capitalize(), t.capitalize() + ".")], hers)
    for his, hers in ((_TITLES - _PEERS, ["Mrs", "Mrs."]), (_PEERS, ["Lady"]))
]


def joint(text: str, known: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """(start, end, name) of those whom the text means without writing their name there, in no order.

    ``known``: whether the book has this name. The Gardiners are told of only where husband and wife both have
    one.
    """
    for match in _BOTH.finditer(text):
        name = f"{match[1]} {match[2]}"
        if known(name):
            yield match.start(1), match.end(1), name
    for match in _HOUSE.finditer(text):
        couple = _couple(match[1], known)
        yield from ((match.start(1), match.end(1), name) for name in couple)


def _couple(plural: str, known: Callable[[str], bool]) -> list[str]:
    """The names of husband and wife; none if the book has not both."""
    for surname in (plural[:-1], plural.removesuffix("es")):
        for his, hers in _COUPLES:
            couple = [_first(known, titles, surname) for titles in (his, hers)]
            if all(couple):
                return couple
    return []


def _first(known: Callable[[str], bool], titles: Iterable[str], surname: str) -> str:
    return next((n for t in titles if known(n := f"{t} {surname}")), "")
