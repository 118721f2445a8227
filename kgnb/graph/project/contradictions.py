"""Which ties that rules read from texts hold over the whole book, decided by counts.

Rules give each statement a confidence: high where the text names both persons, low where one of them was
inferred. Over the book the odds of all statements of a tie add up, and those of what contradicts it lower
them: another kinship of the same pair, the same tie the other way round, a third parent, another generation
than that of brothers and sisters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from kgnb.graph.model import RELATION_GROUPS, EdgeKey, NodeKey
from kgnb.graph.project.facts import TieFacts

MIN_ODDS = 1.0
"""Least odds of a tie: what is said of it must be likelier than not, whatever contradicts it."""


def odds(confidence: float) -> float:
    """Return the odds of a statement of this confidence."""
    return confidence / max(1e-6, 1 - confidence)


_KIN = frozenset(RELATION_GROUPS["family"])
_THIRD = {"PARENT_OF": "SIBLING", "SPOUSE": "PARENT_OF"}
"""Tie → what a brother or sister of the one may not be to the other."""


def refuted(ties: Mapping[EdgeKey, TieFacts]) -> set[EdgeKey]:
    """Return the ties that were read by rules alone and don't hold."""
    total = {edge: facts.odds for edge, facts in ties.items() if not facts.by_ai}
    kin = {edge: n for edge, n in total.items() if edge[1] in _KIN}
    against = {edge: total.get((edge[2], edge[1], edge[0]), 0.0) for edge in total} | _contradictions(kin)
    return {edge for edge, n in total.items() if n < MIN_ODDS * (1 + against.get(edge, 0.0))}


def _contradictions(kin: Mapping[EdgeKey, float]) -> dict[EdgeKey, float]:
    """Edge → odds of the ties that contradict it."""
    of_pair = defaultdict[frozenset[NodeKey], float](float)
    parents = defaultdict[NodeKey, list[float]](list)
    links = defaultdict[tuple[str, NodeKey], dict[NodeKey, float]](dict)
    for (source, kind, target), n in kin.items():
        of_pair[frozenset((source, target))] += n
        links[kind, source][target] = n
        if kind == "SIBLING":
            links[kind, target][source] = n
        if kind == "PARENT_OF":
            parents[target].append(n)

    def generations(one: NodeKey, kind: str, other: NodeKey) -> float:
        """The best odds of two ties of one third person: Ann's brother is Tom's, who is not her father."""
        third = _THIRD.get(kind, "")
        both = [(links["SIBLING", a], links[third, b]) for a, b in ((one, other), (other, one))]
        common = (min(a[x], b[x]) for a, b in both for x in (a.keys() & b.keys()))
        return max(common, default=0.0)

    found = {}
    for edge, n in kin.items():
        source, kind, target = edge
        third = _beyond_two(n, parents[target]) if kind == "PARENT_OF" else 0.0
        found[edge] = of_pair[frozenset((source, target))] - n + third + generations(*edge)
    return found


def _beyond_two(odds: float, parents: Sequence[float]) -> float:
    """The odds of the parent who would be one too many beside this one, of a child that has two."""
    best = [*sorted(parents, reverse=True), 0.0, 0.0]
    return best[2] if odds >= best[1] else best[1]
