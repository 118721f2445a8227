"""Which ties that rules read from texts hold over the whole book, decided by counts.

Rules give each statement a confidence: high where the text names both persons, low where one of them was
inferred. Over the book the odds of all statements of a tie add up; a tie counts from odds of three to five
on, unless others contradict it with better odds: a pair has one kinship, a person one wife or
husband, brothers and sisters are of one generation. What is only guessed is also undone by a chapter that
denies it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from kgnb.graph.model import RELATION_GROUPS, EdgeKey, NodeKey
from kgnb.graph.project.facts import TieFacts

MIN_ODDS = 0.6
"""Least odds of a tie; below, too little was said of it."""
LIKELY = 0.5
"""Confidence from which on a tie is stated in a chapter rather than guessed."""
OF_PAIR = 0.9
"""Least share of the odds of the pair's best kinship: a sister is no wife because of one slip."""
OF_PERSON = 0.2
"""Least share of the odds of the best parent, husband or wife of a person."""

_Groups = Callable[[EdgeKey], Iterator[object]]

_KIN = frozenset(RELATION_GROUPS["family"])


def refuted(ties: Mapping[EdgeKey, TieFacts]) -> set[EdgeKey]:
    """Return the ties that were read by rules alone and don't hold."""
    by_rules = {edge: facts.odds for edge, facts in ties.items() if not facts.by_ai}
    kin = {edge: odds for edge, odds in by_rules.items() if edge[1] in _KIN}
    weak = {
        edge
        for edge, odds in by_rules.items()
        if odds < MIN_ODDS or (ties[edge].denied and ties[edge].confidence < LIKELY)
    }
    of_pairs = {edge: _odds_of_kind(ties[edge]) for edge in kin}
    unlikely = weak | _below(of_pairs, _pairs, OF_PAIR) | _below(kin, _exclusive_roles, OF_PERSON)
    return unlikely | _across_generations({e: odds for e, odds in kin.items() if e not in unlikely})


def _odds_of_kind(facts: TieFacts) -> float:
    """The odds of a tie among the others of its pair; where no chapter makes it likely the best of one: a
    guess from a shared surname, made again in each chapter, is not surer than what one chapter says."""
    best = facts.confidence
    return facts.odds if best >= LIKELY else min(facts.odds, best / (1 - best))


def _below(kin: Mapping[EdgeKey, float], groups: _Groups, share: float) -> set[EdgeKey]:
    """The edges with less than ``share`` of the odds of the best edge in one of their groups."""
    best: dict[object, float] = defaultdict(float)
    for edge, odds in kin.items():
        for group in groups(edge):
            best[group] = max(best[group], odds)
    return {edge for edge, odds in kin.items() if any(odds < share * best[g] for g in groups(edge))}


def _across_generations(kin: Mapping[EdgeKey, float]) -> set[EdgeKey]:
    """The parents and spouses who would be of another generation than their brothers and sisters, where that
    is stated less than the two ties that contradict it: Tom is no father of Ann, whose brother is his own."""
    links: dict[tuple[str, NodeKey], dict[NodeKey, float]] = defaultdict(dict)
    for (source, kind, target), odds in kin.items():
        links[kind, source][target] = odds
        if kind == "SIBLING":
            links[kind, target][source] = odds

    def outdone(edge: EdgeKey) -> bool:
        one, kind, other = edge
        third = {"PARENT_OF": "SIBLING", "SPOUSE": "PARENT_OF"}.get(kind, "")
        both = [(links["SIBLING", a], links[third, b]) for a, b in ((one, other), (other, one))]
        return any(
            kin[edge] < min(siblings[person], others[person])
            for siblings, others in both
            for person in siblings.keys() & others.keys()  # as many as the fewer: a text may give all to one
        )

    return {edge for edge in kin if outdone(edge)}


def _pairs(edge: EdgeKey) -> Iterator[object]:
    source, _, target = edge
    yield frozenset((source, target))


def _exclusive_roles(edge: EdgeKey) -> Iterator[object]:
    source, kind, target = edge
    if kind == "PARENT_OF":
        yield kind, target
    elif kind == "SPOUSE":
        yield kind, source
        yield kind, target
