"""Scores of importance, 0-100, and which characters are protagonists."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from kgnb.graph.model import GraphNode
from kgnb.graph.project.facts import NodeFacts

PROTAGONIST_SCORE = 80
"""Least score of a protagonist, where any character has it."""


def rate_by_mentions(entities: Collection[NodeFacts]) -> None:
    """Set the score (0-100) of each entity without a score, from its number of mentions.

    Score: 100 × √(mentions / most mentions of any entity); a quarter of the mentions gives 50.
    """
    most = max((one.mentions for one in entities), default=0)
    for one in entities:
        if one.mentions and not one.score:
            one.score = round(100 * math.sqrt(one.mentions / most))


def mark_protagonists(characters: Sequence[GraphNode]) -> None:
    """Set each character's ``is_protagonist``.

    Protagonists score at least 80 (where nobody does: the highest score above 0) and occur in at least a
    quarter as many chapters as the most frequent character with such a score.
    """
    scores = {n.key: n.properties["protagonist_score"] for n in characters}
    counts = {n.key: n.properties["count"] for n in characters}
    top = max((s for s in scores.values() if isinstance(s, int)), default=0)
    high = {k for k, s in scores.items() if isinstance(s, int) and s >= min(top, PROTAGONIST_SCORE) > 0}
    most = max((c for k in high if isinstance(c := counts[k], int)), default=0)
    for node in characters:
        count = counts[node.key]
        node.properties["is_protagonist"] = node.key in high and isinstance(count, int) and 4 * count >= most
