"""Decides which ties that rules read from texts are kept in a book's graph.

Rules give each statement a confidence: high where the text names both persons, low where one of them was
inferred. Over the book the odds of all statements of a tie add up. The odds of contradicting ties count
against them: another kinship of the same pair, the same tie in the opposite direction, a generation that
differs from that of a sibling.

Two whom the text states to be children of one parent are brothers or sisters, also where it never says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import combinations

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.patterns import MAX_IMPLIED, STATED
from kgnb.graph.model import RELATION_GROUPS, EdgeKey, NodeKey
from kgnb.graph.project.facts import TieFacts

MIN_ODDS = 1.0
"""Least odds of a tie: what is said of it must be likelier than not, whatever contradicts it."""


def odds(confidence: float) -> float:
    """Return the odds of a statement of this confidence (0-1): 0.5 gives 1, 0.9 gives 9, 1 gives a
    million.
    """
    return confidence / max(1e-6, 1 - confidence)


_KIN = frozenset(RELATION_GROUPS["family"])
_THIRD = {"PARENT_OF": "SIBLING", "SPOUSE": "PARENT_OF"}
"""Tie → what a brother or sister of the one may not be to the other."""


def is_contested(tie: EdgeKey) -> bool:
    """Return whether another tie can contradict it: a kinship, or a tie with a direction."""
    return tie[1] in _KIN or tie[1] not in SYMMETRIC_RELATIONS


def settled(ties: Mapping[EdgeKey, TieFacts], types: Collection[str]) -> dict[EdgeKey, TieFacts]:
    """Return the ties that hold, of ``ties`` and the :func:`siblings` that follow from them; without those of
    :func:`refuted`.

    ``types``: the enabled types of ties; siblings are added only with SIBLING. A typed tie that rules read
    several times is as sure as all its statements together, at most :data:`MAX_IMPLIED` if each is implied.
    """
    gone = refuted(ties)
    kept = {edge: facts for edge, facts in ties.items() if edge not in gone}
    kept |= siblings(kept) if "SIBLING" in types else {}
    gone = refuted(kept)
    for edge, facts in kept.items():
        if not facts.by_ai and edge[1] != "KNOWS":
            facts.confidence = max(
                facts.confidence, round(min(MAX_IMPLIED, facts.odds / (1 + facts.odds)), 3)
            )
    return {edge: facts for edge, facts in kept.items() if edge not in gone}


def refuted(ties: Mapping[EdgeKey, TieFacts]) -> set[EdgeKey]:
    """Return the keys of the ties to leave out: read by rules alone, with odds too small for their
    contradictions.

    Ties that an LLM's reply states are never returned.
    """
    total = {edge: facts.odds for edge, facts in ties.items() if not facts.by_ai}
    kin = {edge: n for edge, n in total.items() if edge[1] in _KIN}
    against = {edge: total.get((edge[2], edge[1], edge[0]), 0.0) for edge in total} | _contradictions(kin)
    for edge, n in _other_spouses(ties).items():
        against[edge] += n
    return {edge for edge, n in total.items() if n < MIN_ODDS * (1 + against.get(edge, 0.0))}


def _other_spouses(ties: Mapping[EdgeKey, TieFacts]) -> dict[EdgeKey, float]:
    """Return SPOUSE edge that rules only infer → best odds of another that is stated of one of the two: "his
    wife" is she whom the book names.

    A second marriage that is stated contradicts nothing.
    """
    stated = defaultdict[NodeKey, float](float)
    inferred: list[EdgeKey] = []
    for edge, facts in ties.items():
        if edge[1] != "SPOUSE" or facts.by_ai:
            continue
        if facts.confidence < STATED:
            inferred.append(edge)
        else:
            for one in edge[::2]:
                stated[one] = max(stated[one], facts.odds)
    return {edge: max(stated[edge[0]], stated[edge[2]]) for edge in inferred}


def siblings(ties: Mapping[EdgeKey, TieFacts]) -> dict[EdgeKey, TieFacts]:
    """Return a SIBLING edge with its facts for each two children of one parent of whom it is likelier than
    not that both ties to the parent hold, unless another kinship of the two is stated.

    Ties that an LLM's reply states are left out. Quote and first chapter are those of the tie that the book
    states later; the description is "parent → child, child". The odds of several parents add up.
    """
    children = defaultdict[NodeKey, dict[NodeKey, TieFacts]](dict)
    for (parent, kind, child), facts in ties.items():
        if kind == "PARENT_OF" and not facts.by_ai:
            children[parent][child] = facts
    kin = {
        frozenset((source, target))
        for (source, kind, target), facts in ties.items()
        if kind in _KIN and (facts.by_ai or kind == "SIBLING" or facts.confidence >= STATED)
    }
    found: dict[EdgeKey, TieFacts] = {}
    for parent, of in children.items():
        for one, other in combinations(sorted(of), 2):
            if frozenset((one, other)) not in kin:
                facts = _both(of[one], of[other], f"{parent[1]} → {one[1]}, {other[1]}")
                before = found.get((one, "SIBLING", other))
                facts.odds += before.odds if before else 0.0
                found[one, "SIBLING", other] = facts
    return {edge: facts for edge, facts in found.items() if facts.odds >= MIN_ODDS}


def _both(one: TieFacts, other: TieFacts, words: str) -> TieFacts:
    """Return the facts of what two ties say together: those of the later of them, from its first chapter
    on."""
    late = max((one, other), key=lambda facts: facts.numbers()[0])
    first = min(late.chapters, key=late.chapters.__getitem__)
    chance = one.odds / (1 + one.odds) * other.odds / (1 + other.odds)
    return replace(
        late,
        texts={**late.texts, "description": words},
        confidence=round(chance, 3),
        odds=odds(chance),
        chapters={first: late.chapters[first]},
        strengths={first: late.strengths[first]},
    )


def _contradictions(kin: Mapping[EdgeKey, float]) -> dict[EdgeKey, float]:
    """Return kinship edge → sum of the odds of the edges that contradict it."""
    of_pair = defaultdict[frozenset[NodeKey], float](float)
    links = defaultdict[tuple[str, NodeKey], dict[NodeKey, float]](dict)
    for (source, kind, target), n in kin.items():
        of_pair[frozenset((source, target))] += n
        links[kind, source][target] = n
        if kind == "SIBLING":
            links[kind, target][source] = n

    def generations(one: NodeKey, kind: str, other: NodeKey) -> float:
        """Return the best odds, over all third persons, of two ties that put the pair into different
        generations.

        Example: Ann is Tom's sister, and Tom is Bob's sibling, so Bob is not Ann's father.
        """
        third = _THIRD.get(kind, "")
        both = [(links["SIBLING", a], links[third, b]) for a, b in ((one, other), (other, one))]
        common = (min(a[x], b[x]) for a, b in both for x in (a.keys() & b.keys()))
        return max(common, default=0.0)

    return {edge: of_pair[frozenset(edge[::2])] - n + generations(*edge) for edge, n in kin.items()}
