"""Decides which ties that rules read from texts are kept in a book's graph.

Rules give each statement a confidence: high where the text names both persons, low where one of them was
inferred. Over the book the odds of all statements of a tie add up. The odds of contradicting ties count
against them: another kinship of the same pair, the same tie in the opposite direction, a generation that
differs from that of a sibling.

Ties that follow from two others are added, also where the text never says so: children of one parent are
brothers or sisters, and so are the brothers of one person; a wife's child is of her husband's family.
"""

from __future__ import annotations

import re
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
_SWORN = re.compile("[结結义義盟]|sworn")
"""In the words for brothers who are so by an oath: they share no parents."""
_COMPOSED = {
    ("CHILD_OF", "CHILD_OF"): "SIBLING",
    ("SIBLING", "SIBLING"): "SIBLING",
    ("CHILD_OF", "SPOUSE"): "FAMILY",
}
"""What two are to one person (its child, its brother or sister, …), in alphabetical order → their tie."""


def is_contested(tie: EdgeKey) -> bool:
    """Return whether another tie can contradict it: a kinship, or a tie with a direction."""
    return tie[1] in _KIN or tie[1] not in SYMMETRIC_RELATIONS


def settled(ties: Mapping[EdgeKey, TieFacts], types: Collection[str]) -> dict[EdgeKey, TieFacts]:
    """Return the ties that hold, of ``ties`` and those :func:`composed` of them; without those of
    :func:`refuted`.

    ``types``: the enabled types of ties, of which alone ties are added. A typed tie that rules read several
    times is as sure as all its statements together, at most :data:`MAX_IMPLIED` if each is implied.
    """
    gone = refuted(ties)
    kept = {edge: facts for edge, facts in ties.items() if edge not in gone}
    kept |= {edge: facts for edge, facts in composed(kept).items() if edge[1] in types}
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
    directed = (edge for edge in total if edge[1] not in SYMMETRIC_RELATIONS)
    against = {edge: total.get((edge[2], edge[1], edge[0]), 0.0) for edge in directed} | _contradictions(kin)
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


def composed(ties: Mapping[EdgeKey, TieFacts]) -> dict[EdgeKey, TieFacts]:
    """Return the ties of :data:`_COMPOSED` with their facts: for each two relatives of one person of whom it
    is likelier than not that both ties to that person hold.

    Left out are ties that an LLM's reply states, and pairs with another kinship; for brothers and sisters it
    must be stated. Quote and first chapter are those of the tie that the book states later; the description
    is "person → relative, relative". The odds over several persons add up.
    """
    relatives = defaultdict[NodeKey, dict[tuple[str, NodeKey], TieFacts]](dict)
    is_stated = defaultdict[frozenset[NodeKey], bool](bool)
    for (source, kind, target), facts in ties.items():
        if kind in _KIN:
            stated = facts.by_ai or kind == "SIBLING" or facts.confidence >= STATED
            is_stated[frozenset((source, target))] |= stated
            if not facts.by_ai and not _SWORN.search(facts.texts.get("description", "")):
                relatives[source]["CHILD_OF" if kind == "PARENT_OF" else kind, target] = facts
                relatives[target][kind, source] = facts
    found: dict[EdgeKey, TieFacts] = {}
    for person, of in relatives.items():
        for (role, one), (other_role, other) in combinations(sorted(of), 2):
            kind, pair = _COMPOSED.get((role, other_role), ""), frozenset((one, other))
            if not kind or (is_stated.get(pair) if kind == "SIBLING" else pair in is_stated):
                continue
            edge = min(pair), kind, max(pair)
            facts = _both(of[role, one], of[other_role, other], f"{person[1]} → {one[1]}, {other[1]}")
            facts.odds += found[edge].odds if edge in found else 0.0
            found[edge] = facts
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
