"""Nouns for what one person is to another (father, wife, pupil), and the type of relation that
each states."""

from __future__ import annotations

from typing import NamedTuple

from kgnb.extract.patterns import tie_tables


class Role(NamedTuple):
    """The relation that "P's noun" states between P and the noun's bearer.

    ``type``: relation from P to the bearer, from the bearer to P if ``inverted``; ``gender`` of the bearer:
    "m", "f" or ""; ``kin``: whether it is a kinship or marriage. "P's father" is PARENT_OF, inverted: the
    father is PARENT_OF P.
    """

    name: str
    type: str
    inverted: bool = False
    gender: str = ""
    kin: bool = False


ROLES = {
    noun: Role(**{key: value for key, value in row.items() if key != "nouns"})
    for row in tie_tables("en")["roles"]
    for noun in row["nouns"].split()
}
"""Noun in the singular, lower case → role: "sister" → Role("sister", "SIBLING", False, "f", True)."""
