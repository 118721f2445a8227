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
    top = max((n.number("protagonist_score") for n in characters), default=0)
    least = min(top, PROTAGONIST_SCORE)
    high = {n.key: n.number("count") for n in characters if n.number("protagonist_score") >= least > 0}
    most = max(high.values(), default=0)
    for node in characters:
        node.properties["is_protagonist"] = node.key in high and 4 * high[node.key] >= most
