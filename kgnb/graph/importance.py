"""Importance of characters and of the edges between them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey, group_of

ACQUAINTANCE_WEIGHT = 0.45
"""Factor for edges of the group "other" (KNOWS), which say little."""


@dataclass(slots=True)
class RankedCharacter:
    """A character with its importance ``weight``, 0-1."""

    node: GraphNode
    weight: float

    @property
    def name(self) -> str:
        """The name to show: the property ``name``, else the node's key."""
        return self.node.text("name") or self.node.key


def edge_weight(edge: GraphEdge) -> float:
    """Return the edge's strength (5 without one) × √(number of chapters, at least 1), ×
    :data:`ACQUAINTANCE_WEIGHT` (0.45) for types of the group "other" (KNOWS).
    """
    weight = edge.number("strength", 5) * math.sqrt(max(1.0, edge.number("count", 1)))
    return weight * (ACQUAINTANCE_WEIGHT if group_of(edge.type) == "other" else 1.0)


def is_tie(edge: GraphEdge) -> bool:
    """Return whether the edge joins two different characters."""
    return edge.source[0] == "Character" == edge.target[0] and edge.source != edge.target


def rank_characters(graph: Graph) -> list[RankedCharacter]:
    """Return the characters, most important first, by a weight of 0-1.

    Weight: 0.4 × presence (chapters, logarithmic) + 0.35 × square root of the weighted degree + 0.25 ×
    protagonist score / 100; the first two relative to the highest in the graph.
    """
    chapters: Counter[NodeKey] = Counter()
    degree: defaultdict[NodeKey, float] = defaultdict(float)
    for edge in graph.edges.values():
        if edge.type == "APPEARS_IN" and edge.target in graph.nodes:
            chapters[edge.source] += 1
        elif is_tie(edge):
            degree[edge.source] += edge_weight(edge)
            degree[edge.target] += edge_weight(edge)
    nodes = [n for n in graph.nodes.values() if n.label == "Character"]
    most_chapters = max((chapters[n.ref] for n in nodes), default=0)
    highest_degree = max((degree[n.ref] for n in nodes), default=0.0)
    ranking = []
    for node in nodes:
        score = min(100.0, max(0.0, node.number("protagonist_score"))) / 100
        presence = math.log1p(chapters[node.ref]) / math.log1p(most_chapters) if most_chapters else 0.0
        centrality = math.sqrt(degree[node.ref] / highest_degree) if highest_degree else 0.0
        weight = 0.4 * presence + 0.35 * centrality + 0.25 * score
        ranking.append(RankedCharacter(node, weight))
    return sorted(ranking, key=lambda one: (-one.weight, one.node.key))
