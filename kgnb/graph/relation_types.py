"""The edge type of a reply's relation: a type between characters, or a structural one."""

from __future__ import annotations

from kgnb.core.model import STRUCTURAL_RELATIONS, TaskConfig
from kgnb.graph.model import RELATION_GROUPS, RELATION_TYPE, EdgeKey, NodeKey

HOSTILE = frozenset(RELATION_GROUPS["enmity"])
"""Types that don't make a character a member of an organization."""


def relation_type(word: str) -> str:
    """A relation's word in the form of a type name: ``parent of`` → ``PARENT_OF``."""
    return "_".join(word.replace("-", " ").upper().split())


def enabled_types(config: TaskConfig) -> frozenset[str]:
    """The types between characters that the graph may have under this config; always KNOWS."""
    configured = {t for t in config.relation_types if RELATION_TYPE.fullmatch(t)}
    return frozenset((configured | {"KNOWS"}) - set(STRUCTURAL_RELATIONS))


def structural_edge(one: NodeKey, other: NodeKey) -> EdgeKey | None:
    """The structural edge between nodes of these labels, in either order; None if no type joins them."""
    for source, target in ((one, other), (other, one)):
        match source[0], target[0]:
            case "Character", "Organization":
                return (source, "BELONGS_TO", target)
            case "Character", "Event":
                return (source, "PARTICIPATES_IN", target)
            case "Event", "Location":
                return (source, "OCCURS_IN", target)
    return None
