"""The edge type of a reply's relation: a type between characters, or a structural one."""

from __future__ import annotations

import re
from collections.abc import Container

from kgnb.core.labels import STRUCTURAL_RELATIONS, SYMMETRIC_RELATIONS
from kgnb.core.model import TaskConfig
from kgnb.extract.zh.script import fold
from kgnb.graph.model import RELATION_GROUPS, RELATION_TYPE, EdgeKey, NodeKey

HOSTILE = frozenset(RELATION_GROUPS["enmity"])
"""Types that don't make a character a member of an organization."""


_OTHER_WORDS = {
    "FRIEND": "FRIENDS 朋友 好友 友人",
    "ENEMY": "ENEMIES 敌人 仇敌 仇人 敌对",
    "SPOUSE": "SPOUSES MARRIED HUSBAND WIFE 夫妻 夫妇 配偶 丈夫 妻子",
    "SIBLING": "SIBLINGS BROTHER BROTHERS SISTER SISTERS 兄弟 姐妹 姊妹 兄妹 姐弟 兄弟姐妹",
    "FAMILY": "RELATIVE RELATIVES 亲属 亲戚 亲人 家人",
    "ALLY": "ALLIES 盟友 同盟",
    "RIVAL": "RIVALS 对手 竞争对手",
}
"""Type → other words of replies. Types with a direction are left out: ``父亲`` may name either end."""
_TYPE_OF = {word: name for name, words in _OTHER_WORDS.items() for word in words.split()}
_SEVERAL = re.compile(r"[|/,，、;；]")
_ENDING = re.compile(r"_(?:OF|TO|WITH)$")


def relation_type(word: str, enabled: Container[str]) -> str:
    """Return the name of the enabled type for a relation's word: "parent of" gives PARENT_OF, 夫妻 gives
    SPOUSE.

    Of several words ("SPOUSE|LOVES") the first that is an enabled type counts. A word for no enabled type is
    returned in the form of a type's name: "sworn brother" gives SWORN_BROTHER.
    """
    whole = _type_name(word)
    if whole in enabled:  # as mostly
        return whole
    for name in (whole, *map(_type_name, _SEVERAL.split(word))):
        short = _ENDING.sub("", name)
        other = short if short in SYMMETRIC_RELATIONS else _TYPE_OF.get(fold(short), name)
        if found := next((one for one in (name, other) if one in enabled), None):
            return found
    return whole


def type_in_pair(word: str, types: Container[str], labels: Container[str]) -> str:
    """Return the type of the edge, among the pair's edges, that a reply's word stands for.

    ``types``: types of the pair's edges; ``labels``: labels of its KNOWS edge. A word in ``labels`` gives
    KNOWS; so does a structural type without such an edge. Any other type without an edge is returned as it
    is: the graph left that edge out.
    """
    type_ = relation_type(word, types)
    if word in labels or (type_ in STRUCTURAL_RELATIONS and type_ not in types):
        return "KNOWS"
    return type_


def _type_name(word: str) -> str:
    """Return a word in the form of a type's name: "parent of" → "PARENT_OF"."""
    return "_".join(word.replace("-", " ").upper().split())


def enabled_types(config: TaskConfig) -> frozenset[str]:
    """Return the types between characters that the graph may have under this config; KNOWS is always
    among them.
    """
    configured = {t for t in config.relation_types if RELATION_TYPE.fullmatch(t)}
    return frozenset((configured | {"KNOWS"}) - set(STRUCTURAL_RELATIONS))


_CONTAINS = {"CONTAINS", "INCLUDES", "包含", "包括", "下辖", "辖", "管辖"}
_WITHIN = {"PART_OF", "PART", "LOCATED_IN", "LOCATED", "WITHIN", "IN", "INSIDE"}
_WITHIN |= {"位于", "坐落于", "属于", "隶属于", "隶属", "在"}
"""Words of replies for "place contains place" (above) and "place lies within place" (here)."""


def containment(source: NodeKey, target: NodeKey, word: str) -> EdgeKey | None:
    """Return the edge CONTAINS from the outer to the inner place, for a word like "part of" or 包含.

    None where the word says nothing about containment, or an end isn't a Location.
    """
    if source[0] == target[0] == "Location" and (name := _type_name(fold(word))) in _CONTAINS | _WITHIN:
        return (source, "CONTAINS", target) if name in _CONTAINS else (target, "CONTAINS", source)
    return None


def structural_edge(one: NodeKey, other: NodeKey) -> EdgeKey | None:
    """Return the structural edge between nodes of these labels, for either order; None where no type joins
    the labels.

    Character and Organization give BELONGS_TO, Character and Event PARTICIPATES_IN, Event and Location
    OCCURS_IN.
    """
    for source, target in ((one, other), (other, one)):
        match source[0], target[0]:
            case "Character", "Organization":
                return (source, "BELONGS_TO", target)
            case "Character", "Event":
                return (source, "PARTICIPATES_IN", target)
            case "Event", "Location":
                return (source, "OCCURS_IN", target)
    return None
