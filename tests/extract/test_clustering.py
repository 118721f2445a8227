"""The one resolver's algorithm: examples in its docstrings, and that order changes nothing."""

from __future__ import annotations

import doctest
import random
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from kgnb.extract import clustering, weighing
from kgnb.extract.clustering import cluster

NAMES = [f"n{i}" for i in range(9)]


def test_the_examples_hold() -> None:
    for module in (clustering, weighing):
        assert doctest.testmod(module).failed == 0


def mean_odds(
    odds: dict[tuple[str, str], float], one: tuple[str, ...], other: tuple[str, ...]
) -> float | None:
    known = [odds[a, b] for a, b in (sorted((x, y)) for x in one for y in other) if (a, b) in odds]
    return sum(sorted(known)) / len(known) if known else None


@given(st.integers(0, 10_000))
def test_the_order_of_names_and_pairs_changes_nothing(seed: int) -> None:
    draw = random.Random(seed)
    odds = {pair: round(draw.gauss(0, 2), 1) for pair in combinations(NAMES, 2) if draw.random() < 0.5}
    found = cluster(NAMES, odds, lambda a, b: mean_odds(odds, a, b))
    names, pairs = draw.sample(NAMES, len(NAMES)), draw.sample(sorted(odds), len(odds))
    turned = [(b, a) if draw.random() < 0.5 else (a, b) for a, b in pairs]
    again = cluster(names, turned, lambda a, b: mean_odds(odds, a, b))
    assert (again.members, again.joins) == (found.members, found.joins)


@given(st.integers(0, 10_000))
def test_constraints_hold_and_nothing_likely_is_left(seed: int) -> None:
    draw = random.Random(seed)
    odds = {pair: draw.gauss(1, 2) for pair in combinations(NAMES, 2) if draw.random() < 0.5}
    apart = {pair for pair in combinations(NAMES, 2) if draw.random() < 0.2}
    must = next((p for p in combinations(NAMES, 2) if p not in apart), None)

    def are_apart(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
        return any(tuple(sorted((a, b))) in apart for a in one for b in other)

    found = cluster(
        NAMES, odds, lambda a, b: mean_odds(odds, a, b), apart=are_apart, joined=[must] if must else []
    )
    assert sorted(n for names in found.members for n in names) == NAMES
    for names in found.members:
        assert not any(pair in apart for pair in combinations(names, 2))
        assert must is None or (must[0] in names) == (must[1] in names)
    for one, other in combinations(sorted(found.members), 2):
        assert are_apart(one, other) or (mean_odds(odds, one, other) or 0.0) <= 0.0
