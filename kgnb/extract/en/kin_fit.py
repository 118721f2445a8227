"""How well what two English persons are called suits what one is said to be to the other."""

from __future__ import annotations

from kgnb.extract.en.persons import NameFacts
from kgnb.extract.en.roles import Role

OF_FAMILY, OF_SURNAME, NEARBY = 0.75, 0.4, 0.2
"""How sure it is that somebody named near is meant: of whom surname and title make such kin, a surname or a
title alone, and who is no more than near."""


def of_family(one: NameFacts, owner: NameFacts, role: Role) -> float:
    """Return how sure surnames and titles make it that ``one``, named near, is meant by "``owner``'s
    ``role``": Mr. Dale by Tom Dale's father, hardly Mr. Moss."""
    mine, names, unlike = one.surnames, owner.surnames, False
    match role.name:
        case "wife" | "husband":
            his, hers = (owner, one) if role.name == "wife" else (one, owner)
            mine, names, heads, suits = his.surnames, hers.married, _is_head(his) and _is_head(hers), False
            unlike = "miss" in hers.titles and not names and not hers.surnames.isdisjoint(his.surnames)
        case "mother":
            mine, heads, suits = one.married, _is_head(one), one.head == "f"
            unlike = not (mine or one.titles.isdisjoint(("miss", "aunt")))
        case "father":
            heads, suits = _is_head(one), one.head == "m"
            unlike = not one.titles.isdisjoint(("master", "uncle"))
        case "brother" | "sister":
            heads, suits = True, one.given and owner.given
        case "son" | "daughter" | "child":
            names, heads, suits = owner.married or names, _is_head(owner), one.given and _is_head(owner)
        case "aunt" | "uncle":
            elder = OF_SURNAME if one.married or one.head == "m" else 0.0
            return OF_FAMILY if role.name in one.titles else elder
        case _:
            return NEARBY
    if unlike or (names and mine and names.isdisjoint(mine)):
        return 0.0
    if names and mine:
        return OF_FAMILY if heads else OF_SURNAME
    return OF_SURNAME if suits else NEARBY


def _is_head(person: NameFacts) -> bool:
    """Whether a person is called as the head of a house or his wife is: Mr. Dale, Mrs. Dale, Sir Hugh."""
    return person.head != "" or not person.titles.isdisjoint(("sir", "lady"))
