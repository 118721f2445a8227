"""Pairs of names that an English text says to be one person's (an alias) or a husband's and wife's (a
marriage)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from kgnb.extract.en import vocabulary as words

MAX_GAP = 40
"""Most characters between the two names."""

_ALSO = re.compile(
    r",? [(-]*(?:otherwise|alias|formerly|once|née|now|afterwards|presently"
    r"|(?:(?:is|was|are) )?(?:also|better|commonly|generally|usually) (?:known|called) (?:as|by)"
    r"|(?:(?:who|which) (?:is|was) )?known (?:(?:to|by|among|in) [a-z ]{2,25} )?(?:as|by the name of)"
    r"|(?:who |had |has |is |was |passing |living ){0,2}under the (?:assumed )?name of"
    r"|(?:who )?(?:had |has )?(?:assumed|adopted|taken|took) the name of"
    r"|(?:who )?(?:calls|called|calling) (?:himself|herself))"
    r"(?: called)?,? ['\"]?(?:a |the )?"
)
_IN_BRACKETS = re.compile(r"(?: \(|, )(?:(?:the|poor|dear) )*")
_BRACKET_ENDS = re.compile(r" that was\b|(?: then)?\)")
_AS_CALLED = re.compile(
    r",? as (?:[\w']+ ){1,3}(?:called|calls|call|named)\b"
)  # Elizabeth, or Beth, as we called her
_OF_RANK = re.compile(r", (?:the )?(?:(\w+(?:st|nd|rd|th)) )?")
_REAL_NAME = re.compile(r"\b(?:[Hh]is|[Hh]er|whose) (?:real|full|own|proper|true|whole) name (?:was|is) $")
_LISTED = re.compile(r",? (?:and|or|[A-Z])")  # the Doctor, Ann Pell, and Tom
_CLOSED = re.compile(r"[,.;:!?)\"\n—]|$")
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
    """Two names that the text says to be one person's or, if ``married``, those of husband and wife."""

    one: str
    other: str
    married: bool


def stated_names(text: str, mentions: Iterable[tuple[int, str]]) -> Iterator[StatedName]:
    """Yield the pairs of neighbouring names between which the text states an alias or a marriage.

    "Mr. Dale, alias Moss, came." → ("Mr. Dale", "Moss", False); "Tom married Anne." → ("Tom", "Anne", True);
    "Anne, wife of Tom" → ("Tom", "Anne", True), the husband first. ``mentions``: (offset, name) in the order
    of the text.
    """
    for (start, one), (after, other) in pairwise(mentions):
        end = start + len(one)
        if one == other or not 0 < after - end <= MAX_GAP or text.startswith("'s ", after + len(other)):
            continue  # Tom became Mr. Dale's mate
        also = _ALSO.fullmatch(text, end, after) and not _BY_TURNS.search(text, max(0, start - 12), start)
        called = text[end:after] == ", or " and _AS_CALLED.match(text, after + len(other))
        if (
            also
            or called
            or _is_bracketed(text, end, after, after + len(other))
            or _is_of_rank(text, start, end, after, other)
        ):
            yield StatedName(one, other, married=False)
        elif _WIFE_OF.fullmatch(text, end, after):
            yield StatedName(other, one, married=True)
        elif _MARRIED.fullmatch(text, end, after) and not is_unreal(text, start, after + len(other)):
            yield StatedName(one, other, married=True)


def _is_bracketed(text: str, end: int, after: int, behind: int) -> bool:
    """Return whether a name in brackets follows another: the Duke (Dale); Mrs. Dale (poor Miss Moss that
    was)."""
    closed = _BRACKET_ENDS.match(text, behind) if _IN_BRACKETS.fullmatch(text, end, after) else None
    return closed is not None and (closed[0] == " that was" or text[end + 1] == "(")


def _is_of_rank(text: str, start: int, end: int, after: int, other: str) -> bool:
    """Return whether a name stands beside a rank (the Doctor, Ann Pell; Tom Dale, sixth Earl of Brayton) or
    behind "his real name was"."""
    if not _CLOSED.match(text, after + len(other)):
        return False
    one, first = text[start:end], other.partition(" ")[0].lower()
    if _REAL_NAME.search(text, max(end, after - 40), after):
        return True
    if one.lower() in words.RANKS:
        listed = text[end:after] != ", " or _LISTED.match(text, after + len(other))
        return not listed and text[max(0, start - 4) : start].lower() == "the " and " " in other
    if first in words.RANKS and " of " in other and text[end:after] == ", ":
        return True  # Anne, Queen of Arden
    apposed = _OF_RANK.fullmatch(text, end, after) if first in words.PEERS and " " in one else None
    return apposed is not None and (apposed[1] is not None or " of " in other)


def is_unreal(text: str, start: int, end: int) -> bool:
    """Return whether the words at ``start``-``end`` are only wished or supposed: "if", "wish" or "unless"
    precede them in the sentence, or "instead" follows."""
    return bool(_UNREAL.search(text, max(0, start - 60), start)) or text.startswith(" instead", end)
