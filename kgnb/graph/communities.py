"""Communities of closely tied nodes: the Louvain method. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

Link = tuple[int, int, float]

_Near = list[dict[int, float]]


def communities(count: int, links: Iterable[Link]) -> list[int]:
    """Return the number of the community of each node 0 … ``count`` - 1; deterministic; [] for a count of 0.

    Communities are numbered from 0 in the order of their first node: two pairs (0, 2) and (1, 3) give [0, 1,
    0, 1]; a node without links is a community of its own. ``links``: (node, node, weight > 0), each pair
    once. Louvain method, Blondel et al. 2008, "Fast unfolding of communities in large networks": nodes move
    to the neighbouring community that adds most modularity, communities become the nodes of the next round,
    until no node moves. Time grows with the number of links.
    """
    near: _Near = [{} for _ in range(count)]
    for a, b, weight in links:
        near[a][b] = near[b][a] = weight
    found = list(range(count))
    while True:
        moved = _moved(near)
        numbers = {community: number for number, community in enumerate(dict.fromkeys(moved))}
        found = [numbers[moved[community]] for community in found]
        if len(numbers) == len(near):
            return found
        near = _merged(near, [numbers[community] for community in moved])


def _moved(near: _Near) -> list[int]:
    """Return the community of each node once no node gains by a move. A weight to itself counts in a
    node's degree.
    """
    degree = [sum(weights.values()) for weights in near]
    everything = sum(degree) or 1.0
    of = list(range(len(near)))
    total = list(degree)
    waiting = True
    while waiting:
        waiting = False
        for node, weights in enumerate(near):
            own, share = of[node], degree[node] / everything
            total[own] -= degree[node]
            shared: defaultdict[int, float] = defaultdict(float, {own: 0.0})
            for other, weight in weights.items():
                if other != node:
                    shared[of[other]] += weight
            gain = {community: weight - total[community] * share for community, weight in shared.items()}
            best = max(gain, key=lambda community: (gain[community], -community))
            if gain[best] - gain[own] > 1e-9 * everything:  # else rounding could move it to and fro
                of[node], waiting = best, True
            total[of[node]] += degree[node]
    return of


def _merged(near: _Near, of: Sequence[int]) -> _Near:
    """Return the network of communities: weights between two added up, weights within one as a weight
    to itself.
    """
    merged: list[defaultdict[int, float]] = [defaultdict(float) for _ in range(max(of) + 1)]
    for node, weights in enumerate(near):
        for other, weight in weights.items():
            merged[of[node]][of[other]] += weight
    return [dict(weights) for weights in merged]
