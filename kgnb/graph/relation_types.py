"""What a relation of a reply becomes: a type between characters, or a structural edge. Pure."""

from __future__ import annotations

from kgnb.core.model import STRUCTURAL_RELATIONS, TaskConfig
from kgnb.graph.model import RELATION_GROUPS, RELATION_TYPE, EdgeKey, NodeKey

HOSTILE = frozenset(RELATION_GROUPS["enmity"])
"""Ties to an organization that are no membership."""


def relation_type(word: str) -> str:
    """A relation's word as the name of a type that it may be."""
    return "_".join(word.replace("-", " ").upper().split())


def enabled_types(config: TaskConfig) -> frozenset[str]:
    """Types between characters that may become statements."""
    configured = {t for t in config.relation_types if RELATION_TYPE.fullmatch(t)}
    return frozenset((configured | {"KNOWS"}) - set(STRUCTURAL_RELATIONS))


def structural_edge(one: NodeKey, other: NodeKey) -> EdgeKey | None:
    """The structural edge between two nodes of these kinds, whichever end the reply gave first."""
    for source, target in ((one, other), (other, one)):
        match source[0], target[0]:
            case "Character", "Organization":
                return (source, "BELONGS_TO", target)
            case "Character", "Event":
                return (source, "PARTICIPATES_IN", target)
            case "Event", "Location":
                return (source, "OCCURS_IN", target)
    return None
