"""Nouns for what one person is to another (father, wife, pupil), and the type of relation that
each states."""

from __future__ import annotations

from typing import NamedTuple


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


_SERVANTS = (
    "servant maid valet butler footman squire steward housekeeper coachman groom lieutenant clerk secretary"
    " cook nurse gardener chauffeur handmaid maidservant manservant bodyguard orderly batman underling"
)
_FRIENDS = (
    "friend confidante confidant comrade chum pal crony playmate playfellow schoolfellow schoolmate"
    " schoolfriend classmate roommate room-mate"
)


def _roles() -> dict[str, Role]:
    kin = (
        (
            "father",
            "PARENT_OF",
            True,
            "m",
            "father stepfather papa pa pop dad daddy step-father stepdad foster-father",
        ),
        (
            "mother",
            "PARENT_OF",
            True,
            "f",
            "mother stepmother mamma mama ma mum mom mummy mommy step-mother stepmom foster-mother",
        ),
        ("parent", "PARENT_OF", True, "", "parent"),
        ("son", "PARENT_OF", False, "m", "son stepson step-son foster-son"),
        ("daughter", "PARENT_OF", False, "f", "daughter stepdaughter step-daughter foster-daughter"),
        ("brother", "SIBLING", False, "m", "brother stepbrother step-brother half-brother foster-brother"),
        ("sister", "SIBLING", False, "f", "sister stepsister step-sister half-sister foster-sister"),
        ("husband", "SPOUSE", False, "m", "husband bridegroom widower ex-husband"),
        ("wife", "SPOUSE", False, "f", "wife bride widow ex-wife"),
        ("uncle", "FAMILY", False, "m", "uncle great-uncle"),
        ("aunt", "FAMILY", False, "f", "aunt auntie aunty great-aunt"),
        ("nephew", "FAMILY", False, "m", "nephew great-nephew great-grandfather"),
        ("nephew", "FAMILY", False, "m", "grandfather grandson grandpa grandpapa granddad gramps kinsman"),
        ("niece", "FAMILY", False, "f", "niece great-niece great-grandmother"),
        ("niece", "FAMILY", False, "f", "grandmother granddaughter grandma grandmamma granny gran kinswoman"),
        ("cousin", "FAMILY", False, "", "cousin"),
        ("in-law", "FAMILY", False, "m", "father-in-law brother-in-law son-in-law"),
        ("in-law", "FAMILY", False, "f", "mother-in-law sister-in-law daughter-in-law"),
    )
    other = (
        ("spouse", "SPOUSE", False, "", "spouse"),
        ("child", "PARENT_OF", False, "", "child children kid"),
        ("twin", "SIBLING", False, "", "twin sibling"),
        ("betrothed", "SPOUSE", False, "m", "fiancé fiance"),
        ("betrothed", "SPOUSE", False, "f", "fiancée fiancee"),
        ("master", "MASTER_OF", True, "", "master mistress teacher tutor mentor governess employer boss"),
        ("pupil", "MASTER_OF", False, "", "pupil apprentice student disciple protégé protégée"),
        ("servant", "LEADS", False, "", _SERVANTS),
        ("friend", "FRIEND", False, "", _FRIENDS),
        ("enemy", "ENEMY", False, "", "enemy foe nemesis"),
        ("rival", "RIVAL", False, "", "rival"),
        ("lover", "LOVES", False, "", "lover sweetheart boyfriend girlfriend"),
    )
    return {
        noun: Role(name, kind, inverted, gender, kin=rows is kin)
        for rows in (kin, other)
        for name, kind, inverted, gender, nouns in rows
        for noun in nouns.split()
    }


ROLES = _roles()
"""Noun in the singular, lower case → role: "sister" → Role("sister", "SIBLING", False, "f", True)."""
