"""Log odds of words or characters beside names rather than anywhere, learnt from a book's surest names.

Used by the name classifiers of both languages; a neighbour is a character in Chinese, a word in English.
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import repeat


def pooled_counts(sides: Iterable[Mapping[str, int]], cap: int) -> dict[str, float]:
    """Return neighbour → number of occurrences beside all names together; a name contributes at most ``cap``.

    ``sides``: neighbour → occurrences, of each name. [{"said": 8}, {"said": 1}] with cap 4 → {"said": 5.0}:
    the cap keeps a hero's habits from becoming everybody's.
    """
    counts: dict[str, float] = defaultdict(float)
    for side in sides:
        weight = min(1.0, cap / max(1, sum(side.values())))
        for neighbour, n in side.items():
            counts[neighbour] += n * weight
    return counts


def log_odds(
    counts: Mapping[str, float],
    priors: Mapping[str, float],
    pseudo_count: float,
    low: float,
    high: float,
    usual: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return neighbour → log(frequency beside names / frequency anywhere), clipped to ``low``-``high``.

    ``counts``: neighbour → occurrences beside names; ``priors``: neighbour → frequency anywhere, 0 to 1, for
    each neighbour wanted. The frequency beside names is an m-estimate: smoothed by ``pseudo_count``
    observations of the prior, times the factor in ``usual`` (neighbour → frequency beside names in the
    language / frequency anywhere), which a short text does not show yet. {"said": 5}, {"said": 0.1, "the":
    0.5}, 10, -1.5, 1.5 → {"said": 1.39, "the": -0.41}.
    """
    total, lifts = sum(counts.values()) or 1.0, usual or {}
    return {
        neighbour: min(
            high,
            max(
                low,
                math.log(
                    (counts.get(neighbour, 0) + pseudo_count * p * lifts.get(neighbour, 1.0))
                    / (total + pseudo_count)
                    / p
                ),
            ),
        )
        for neighbour, p in priors.items()
    }


def mean_log_odds(side: Mapping[str, int], odds: Mapping[str, float], unseen: float) -> float:
    """Return the mean log odds over all neighbours of one candidate, weighted by their occurrences.

    ``side``: neighbour → occurrences; ``odds``: neighbour → log odds; ``unseen``: log odds of a neighbour not
    in ``odds``. {"said": 3, "x": 1} with {"said": 1.0} and -0.5 → 0.625.
    """
    total = sum(side.values()) or 1
    added: float = sum(map(operator.mul, side.values(), map(odds.get, side, repeat(unseen))))
    return added / total
