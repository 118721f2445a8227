"""How well the titles and surnames of two English persons fit a kinship between them."""

from __future__ import annotations

from kgnb.extract.en.persons import NameFacts
from kgnb.extract.en.roles import Role

OF_FAMILY, OF_SURNAME, NEARBY = 0.75, 0.5, 0.2
"""Confidence that a person named near a noun of kin is its bearer: surname and title fit; surname or title
fits; nothing but nearness."""
_HEADS = frozenset(
    ("sir", "lady", "lord", "baron", "baroness", "viscount", "viscountess", "count", "countess", "earl")
) | {"marquis", "duke", "duchess"}


def of_family(one: NameFacts, owner: NameFacts, role: Role) -> float:
    """Return the confidence, 0 to 1, that ``one`` is meant by "``owner``'s ``role``", judged by titles and
    surnames alone.

    Mr. Dale as father of Tom Dale → 0.75; Ann as sister of Tom Dale → 0.5; Mr. Moss as father of Tom Dale →
    0.0; any role but a close kinship (friend) → 0.2.
    """
    mine, names, unlike = one.surnames, owner.surnames, _is_by_marriage(one, owner)
    match role.name:
        case "wife" | "husband":
            his, hers = (owner, one) if role.name == "wife" else (one, owner)
            mine, names, heads, suits = his.surnames, hers.married, _is_head(his) and _is_head(hers), False
            unlike = "miss" in hers.titles and not names and not hers.surnames.isdisjoint(his.surnames)
            unlike |= "lady" in hers.titles and bool(his.titles) and his.titles.isdisjoint(("sir", "lord"))
        case "mother":
            mine, heads, suits = one.married, _is_parent(one, owner) and not one.given, one.head == "f"
            unlike |= not (mine or one.titles.isdisjoint(("miss", "aunt")))
        case "father":
            heads, suits = _is_parent(one, owner), one.head == "m"
            unlike |= not one.titles.isdisjoint(("master", "uncle")) or "mr" in owner.titles
        case "brother" | "sister":
            heads, suits = True, one.given and owner.given
        case "son" | "daughter" | "child":
            names, heads, suits = (
                owner.married or names,
                _is_parent(owner, one),
                one.given and _is_head(owner),
            )
            unlike = False
        case "aunt" | "uncle":
            elder = 2 * NEARBY if one.married else 0.0
            return OF_FAMILY if role.name in one.titles else elder
        case _:
            return NEARBY
    if unlike or (names and mine and names.isdisjoint(mine)):
        return 0.0
    if names and mine:
        return OF_FAMILY if heads else OF_SURNAME
    return OF_SURNAME if suits else NEARBY


def _is_by_marriage(one: NameFacts, owner: NameFacts) -> bool:
    """Return whether the owner's only surname is her husband's, shared by ``one``: it does not tell the
    family of her birth."""
    return (
        bool(owner.married) and owner.surnames <= owner.married and not one.surnames.isdisjoint(owner.married)
    )


def _is_parent(one: NameFacts, child: NameFacts) -> bool:
    """Return whether ``one`` is called as head of a house and ``child`` is not: Mr. Dale of Tom Dale."""
    return _is_head(one) and (child.given or not _is_head(child))


def _is_head(person: NameFacts) -> bool:
    """Return whether a person is called as head of a house or as the wife of a head: Mr. Dale, Mrs. Dale, Sir
    Hugh."""
    return person.head != "" or not person.titles.isdisjoint(_HEADS)
