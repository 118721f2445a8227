"""Which characters and ties of a graph a picture shows, and how much each matters. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgnb.graph.importance import (
    ACQUAINTANCE_WEIGHT,
    RankedCharacter,
    edge_weight,
    is_tie,
    number,
    rank_characters,
)
from kgnb.graph.model import RELATION_GROUPS, Graph, GraphEdge, NodeKey, group_of

GROUPS = RELATION_GROUPS
"""Groups of relation types that share a colour."""

ALONE = 1_000
"""The circle of everybody who is in none."""

_TIES_EACH = 4  # drawn ties that each person may claim


@dataclass(slots=True)
class Person(RankedCharacter):
    """A character in the picture; ``circle`` numbers the people close to each other."""

    circle: int = 0


@dataclass(slots=True)
class Tie:
    """All relations of two people, the most telling first; ``a`` and ``b`` index :attr:`Cast.people`."""

    a: int
    b: int
    weight: float
    edges: list[GraphEdge] = field(default_factory=list)
    drawn: bool = False

    @property
    def group(self) -> str:
        """The group whose colour the tie has."""
        return group_of(self.edges[0].type)


@dataclass(frozen=True, slots=True)
class Cast:
    """People, most important first, and the ties between them."""

    people: list[Person]
    ties: list[Tie]


def choose(graph: Graph, limit: int) -> Cast:
    """The ``limit`` most important characters and their ties; the same graph gives the same cast."""
    people = [Person(r.node, r.weight, r.chapters, r.first_chapter) for r in rank_characters(graph)[:limit]]
    places = {person.node.ref: i for i, person in enumerate(people)}
    ties = _ties(graph, places)
    _mark_drawn(ties, len(people))
    _set_circles(people, [t for t in ties if t.drawn])
    return Cast(people, ties)


def _says(edge: GraphEdge) -> float:
    """How much an edge says about what two people are to each other: however often they meet, brothers are
    brothers first."""
    return (
        number(edge.properties.get("strength"), 5) * ACQUAINTANCE_WEIGHT
        if group_of(edge.type) == "other"
        else edge_weight(edge)
    )


def _ties(graph: Graph, places: Mapping[NodeKey, int]) -> list[Tie]:
    found: dict[tuple[int, int], Tie] = {}
    for edge in graph.edges.values():
        if is_tie(edge) and edge.source in places and edge.target in places:
            a, b = sorted((places[edge.source], places[edge.target]))
            found.setdefault((a, b), Tie(a, b, 0.0)).edges.append(edge)
    for tie in found.values():
        tie.edges.sort(key=lambda e: (-_says(e), e.type, e.source))
        tie.weight = sum(edge_weight(e) for e in tie.edges)
    return sorted(found.values(), key=lambda t: (-t.weight, t.a, t.b))


def _mark_drawn(ties: Sequence[Tie], people: int) -> None:
    """The strongest ties that still leave the picture readable: each person's own best, and those that
    hold it together (a maximum spanning forest)."""
    used = [0] * people
    root = list(range(people))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    for tie in ties:
        a, b = find(tie.a), find(tie.b)
        # The less important end decides: a hero may have many ties, but nobody claims more than a few.
        claims = used[max(tie.a, tie.b)] < _TIES_EACH and used[min(tie.a, tie.b)] < _TIES_EACH * 3
        if a != b or claims:
            root[a] = b
            tie.drawn = True
            used[tie.a] += 1
            used[tie.b] += 1


def _set_circles(people: Sequence[Person], ties: Sequence[Tie]) -> None:
    """Weighted label propagation, most important first, so that circles are named after their heads."""
    near: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for tie in ties:
        close = tie.weight * (0.2 if tie.group == "enmity" else 1.0)
        near[tie.a].append((tie.b, close))
        near[tie.b].append((tie.a, close))
    label = list(range(len(people)))
    for _ in range(12):
        before = list(label)
        for i in reversed(range(len(people))):
            votes: defaultdict[int, float] = defaultdict(float)
            for j, weight in near[i]:
                votes[label[j]] += weight
            if votes:
                label[i] = max(votes, key=lambda k: (votes[k], -k))
        if label == before:
            break
    sizes = {k: label.count(k) for k in set(label)}
    order = {
        k: n if sizes[k] > 1 else ALONE for n, k in enumerate(sorted(sizes, key=lambda k: (-sizes[k], k)))
    }
    for person, own in zip(people, label, strict=True):
        person.circle = order[own]
