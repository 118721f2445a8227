"""Marks the protagonists of a novel.

Protagonists score at least 80 (where nobody does: the highest score above 0) and occur in at least a quarter
as many chapters as the most frequent character with such a score.
"""

from __future__ import annotations

from collections.abc import Sequence

from kgnb.graph.model import GraphNode

PROTAGONIST_SCORE = 80


def mark_protagonists(characters: Sequence[GraphNode]) -> None:
    """Set each character's ``is_protagonist``."""
    scores = {n.key: n.properties["protagonist_score"] for n in characters}
    counts = {n.key: n.properties["count"] for n in characters}
    top = max((s for s in scores.values() if isinstance(s, int)), default=0)
    high = {k for k, s in scores.items() if isinstance(s, int) and s >= min(top, PROTAGONIST_SCORE) > 0}
    most = max((c for k in high if isinstance(c := counts[k], int)), default=0)
    for node in characters:
        count = counts[node.key]
        node.properties["is_protagonist"] = node.key in high and isinstance(count, int) and 4 * count >= most
