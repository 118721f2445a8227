"""Names of one person that an English text states: an alias, a name after marriage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

MAX_GAP = 40
"""Most characters between the two names."""

_ALSO = re.compile(
    r",? [(-]*(?:otherwise|alias|formerly|once|née|now|afterwards|presently"
    r"|(?:(?:is|was|are) )?(?:also|better|commonly|generally|usually) (?:known|called) (?:as|by))"
    r"(?: called)?,? (?:a |the )?"
)
_AS_CALLED = re.compile(
    r",? as (?:[\w']+ ){1,3}(?:called|calls|call|named)\b"
)  # Elizabeth, or Beth, as we called her
_BY_TURNS = re.compile(r"\b(?:now|once) (?:an? |the )?$")  # now the Queen, now Tom
_WIFE_OF = re.compile(r",? (?:(?:is|was|now|as|became|and) )?(?:now )?(?:the |a )?(?:wife|bride) of ")
_MARRIED = re.compile(
    r" (?:(?:had|has|was|is) )?(?:(?:just|lately|already|now|since|at last) )?(?:married|wedded)(?: to)?"
    r" (?:a |the )?|'?s marriage (?:to|with) (?:a |the )?"
)
_UNREAL = re.compile(
    r"\b(?:if|wish|wished|unless|suppose|supposed|whether|hoped|hope)\b(?:(?!, but )[^.;!?])*$", re.IGNORECASE
)


class StatedName(NamedTuple):
    """``one`` and ``other`` are said to be one person or, ``married``, to have become husband and wife."""

    one: str
    other: str
    married: bool


def stated_names(text: str, offsets: Mapping[str, Sequence[int]]) -> Iterator[StatedName]:
    """Yield what the text says of neighbouring names; ``offsets``: name → where it occurs."""
    places = sorted((at, name) for name, found in offsets.items() for at in found)
    for (start, one), (after, other) in pairwise(places):
        end = start + len(one)
        if one == other or not 0 < after - end <= MAX_GAP or text.startswith("'s ", after + len(other)):
            continue  # Tom became Mr. Dale's mate
        also = _ALSO.fullmatch(text, end, after) and not _BY_TURNS.search(text, max(0, start - 12), start)
        if also or (text[end:after] == ", or " and _AS_CALLED.match(text, after + len(other))):
            yield StatedName(one, other, married=False)
        elif _WIFE_OF.fullmatch(text, end, after):
            yield StatedName(other, one, married=True)
        elif _MARRIED.fullmatch(text, end, after) and not is_unreal(text, start, after + len(other)):
            yield StatedName(one, other, married=True)


def is_unreal(text: str, start: int, end: int) -> bool:
    """Return whether what is said at ``start``-``end`` is only wished or supposed."""
    return bool(_UNREAL.search(text, max(0, start - 60), start)) or text.startswith(" instead", end)
