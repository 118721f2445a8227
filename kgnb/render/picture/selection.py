"""Which characters and ties of a graph a picture shows, their weights and communities. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgnb.graph.communities import communities
from kgnb.graph.importance import (
    ACQUAINTANCE_WEIGHT,
    RankedCharacter,
    edge_weight,
    is_tie,
    rank_characters,
)
from kgnb.graph.model import Graph, GraphEdge, NodeKey, group_of

NO_COMMUNITY = 1_000
"""Community number of characters without one."""

_TIES_EACH = 4
"""Drawn ties that a character may claim; its more important neighbours may have three times as many."""
_FOES = 0.2
"""Factor for ties of foes when communities are looked for: they meet often, but don't belong together."""


@dataclass(slots=True)
class Person(RankedCharacter):
    """A character in the picture; ``community`` numbers groups of closely tied characters."""

    community: int = NO_COMMUNITY


@dataclass(slots=True)
class Tie:
    """All edges between two characters, most telling first; ``a`` < ``b`` are positions in
    ``Selection.people``.
    """

    a: int
    b: int
    weight: float
    edges: list[GraphEdge] = field(default_factory=list)
    drawn: bool = False

    @property
    def group(self) -> str:
        """Group of relation types of the most telling edge, such as "family"; it gives the tie's colour."""
        return group_of(self.edges[0].type)


@dataclass(frozen=True, slots=True)
class Selection:
    """Characters, most important first, and the ties between them."""

    people: list[Person]
    ties: list[Tie]


def select(graph: Graph, limit: int) -> Selection:
    """Return the ``limit`` most important characters, with communities, and the ties between them;
    deterministic.
    """
    ranked = rank_characters(graph)[:limit]
    people = [Person(r.node, r.weight) for r in ranked]
    ties = _ties(graph, {person.node.ref: i for i, person in enumerate(people)})
    _mark_drawn(ties, len(people))
    _assign_communities(people, ties)
    return Selection(people, ties)


def _closeness(edge: GraphEdge) -> float:
    """Return the weight that orders the edges of one tie.

    For an acquaintance the number of chapters is ignored, so that siblings of many chapters are siblings
    first.
    """
    return (
        edge.number("strength", 5) * ACQUAINTANCE_WEIGHT
        if group_of(edge.type) == "other"
        else edge_weight(edge)
    )


def _ties(graph: Graph, index: Mapping[NodeKey, int]) -> list[Tie]:
    """Return a tie for each two of the persons with an edge, the heaviest first; its first edge
    tells most.
    """
    found: dict[tuple[int, int], Tie] = {}
    for edge in graph.edges.values():
        if is_tie(edge) and edge.source in index and edge.target in index:
            a, b = sorted((index[edge.source], index[edge.target]))
            found.setdefault((a, b), Tie(a, b, 0.0)).edges.append(edge)
    for tie in found.values():
        tie.edges.sort(key=lambda e: (-_closeness(e), e.type, e.source))
        tie.weight = sum(edge_weight(e) for e in tie.edges)
    return sorted(found.values(), key=lambda t: (-t.weight, t.a, t.b))


def _mark_drawn(ties: Sequence[Tie], people: int) -> None:
    """Mark the ties to draw: a maximum spanning forest (Kruskal's algorithm with union-find), which keeps
    the picture connected, and the strongest ties of each character."""
    used = [0] * people
    parent = list(range(people))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for tie in ties:
        a, b = find(tie.a), find(tie.b)
        # The less important end decides: a hero may have many ties, others claim only a few.
        claims = used[max(tie.a, tie.b)] < _TIES_EACH and used[min(tie.a, tie.b)] < _TIES_EACH * 3
        if a != b or claims:
            parent[a] = b
            tie.drawn = True
            used[tie.a] += 1
            used[tie.b] += 1


def _assign_communities(people: Sequence[Person], ties: Sequence[Tie]) -> None:
    """Number the communities over all ties, drawn or not: 0 is the largest, then by the most important
    member.
    """
    links = [(tie.a, tie.b, tie.weight * (_FOES if tie.group == "enmity" else 1.0)) for tie in ties]
    found = communities(len(people), links)
    sizes = Counter(found)
    order = {own: n for n, own in enumerate(sorted(sizes, key=lambda own: (-sizes[own], own)))}
    for person, own in zip(people, found, strict=True):
        person.community = order[own] if sizes[own] > 1 else NO_COMMUNITY
