"""Communities: what the method promises, beside an implementation of others."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import networkx as nx
import pytest

from kgnb.graph.communities import Link, communities


def modularity(count: int, links: Sequence[Link], of: Sequence[int]) -> float:
    graph = network(count, links)
    return float(nx.community.modularity(graph, [{i for i in graph if of[i] == c} for c in set(of)]))


def network(count: int, links: Sequence[Link]) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_weighted_edges_from(links)
    return graph


def planted(groups: int, each: int, seed: int, within: float = 0.7, between: float = 0.02) -> list[Link]:
    """Groups whose members are tied more often to each other than to others."""
    rng = random.Random(seed)
    pairs = itertools.combinations(range(groups * each), 2)
    return [
        (a, b, rng.uniform(0.5, 5))
        for a, b in pairs
        if rng.random() < (within if a // each == b // each else between)
    ]


def test_nothing_and_nobody_tied() -> None:
    assert communities(0, []) == []
    assert communities(3, []) == [0, 1, 2]


def test_the_heavier_tie_decides() -> None:
    chain = [(0, 1, 5.0), (1, 2, 0.5), (2, 3, 5.0)]
    assert communities(5, chain) == [0, 0, 1, 1, 2]
    assert communities(4, [(0, 1, 0.5), (1, 2, 5.0), (0, 3, 5.0)]) == [0, 1, 1, 0]


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_found_whatever_the_order_of_the_ties(seed: int) -> None:
    links = planted(6, 20, seed)
    found = communities(120, links)
    assert found == [i // 20 for i in range(120)]
    random.Random(seed).shuffle(links)
    assert communities(120, links) == found


@pytest.mark.parametrize("between", [0.1, 0.2, 0.5])
def test_as_good_as_others_where_groups_blur(between: float) -> None:
    links = planted(8, 15, 1, between=between)
    theirs = nx.community.louvain_communities(network(120, links), seed=1)
    best = nx.community.modularity(network(120, links), theirs)
    assert modularity(120, links, communities(120, links)) > best - 0.03


def test_a_known_network() -> None:
    links = [(a, b, 1.0) for a, b in nx.karate_club_graph().edges()]
    found = communities(34, links)
    assert found[0] != found[33]  # the teacher and the president, about whom the club split
    assert modularity(34, links, found) > 0.41  # the best that is possible is 0.4198
