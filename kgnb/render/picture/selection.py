"""Which characters and ties of a graph a picture shows, and how much each matters. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kgnb.graph.model import RELATION_GROUPS, Graph, GraphEdge, GraphNode, NodeKey
from kgnb.graph.model import group_of as group_of

GROUPS = RELATION_GROUPS
"""Groups of relation types that share a colour."""

ALONE = 1_000
"""The circle of everybody who is in none."""

_VAGUE = 0.45  # what an acquaintance weighs beside a tie that says something
_TIES_EACH = 4  # drawn ties that each person may claim


@dataclass(slots=True)
class Person:
    """A character in the picture; ``weight`` 0-1, ``circle`` numbers the people close to each other."""

    node: GraphNode
    weight: float
    chapters: int
    first_chapter: int
    circle: int = 0

    @property
    def name(self) -> str:
        """What is written at the node."""
        return str(self.node.properties.get("name") or self.node.key)


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
    ranked = _ranked(graph)[:limit]
    places = {person.node.ref: i for i, person in enumerate(ranked)}
    ties = _ties(graph, places)
    _mark_drawn(ties, len(ranked))
    _set_circles(ranked, [t for t in ties if t.drawn])
    return Cast(ranked, ties)


def edge_weight(edge: GraphEdge) -> float:
    """Strength times the number of chapters; an acquaintance counts for less."""
    weight = number(edge.properties.get("strength"), 5) * math.sqrt(
        max(1.0, number(edge.properties.get("count"), 1))
    )
    return weight * (_VAGUE if group_of(edge.type) == "other" else 1.0)


def number(value: object, default: float = 0.0) -> float:
    """A property as a finite number."""
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return default


def _says(edge: GraphEdge) -> float:
    """How much an edge says about what two people are to each other: however often they meet, brothers are
    brothers first."""
    return (
        number(edge.properties.get("strength"), 5) * _VAGUE
        if group_of(edge.type) == "other"
        else edge_weight(edge)
    )


def _is_tie(edge: GraphEdge) -> bool:
    return edge.source[0] == "Character" == edge.target[0] and edge.source != edge.target


def _ranked(graph: Graph) -> list[Person]:
    chapters: defaultdict[NodeKey, list[int]] = defaultdict(list)
    degree: defaultdict[NodeKey, float] = defaultdict(float)
    for edge in graph.edges.values():
        if edge.type == "APPEARS_IN" and edge.target in graph.nodes:
            at = graph.nodes[edge.target].properties.get("chapter_number")
            chapters[edge.source].append(int(number(at)))
        elif _is_tie(edge):
            degree[edge.source] += edge_weight(edge)
            degree[edge.target] += edge_weight(edge)
    nodes = [n for n in graph.nodes.values() if n.label == "Character"]
    most = max((len(chapters[n.ref]) for n in nodes), default=0)
    top = max((degree[n.ref] for n in nodes), default=0.0)
    people = []
    for node in nodes:
        seen = chapters[node.ref]
        score = min(100.0, max(0.0, number(node.properties.get("protagonist_score")))) / 100
        present = math.log1p(len(seen)) / math.log1p(most) if most else 0.0
        tied = math.sqrt(degree[node.ref] / top) if top else 0.0
        weight = 0.4 * present + 0.35 * tied + 0.25 * score
        people.append(Person(node, weight, len(seen), min(seen, default=0)))
    return sorted(people, key=lambda p: (-p.weight, p.node.key))


def _ties(graph: Graph, places: Mapping[NodeKey, int]) -> list[Tie]:
    found: dict[tuple[int, int], Tie] = {}
    for edge in graph.edges.values():
        if _is_tie(edge) and edge.source in places and edge.target in places:
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
