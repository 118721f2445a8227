"""Log odds of what occurs beside names rather than anywhere, learnt from a book's surest names.

The distributional evidence of both languages' name classifiers: characters in Chinese, words in English.
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import repeat


def pooled_counts(sides: Iterable[Mapping[str, int]], cap: int) -> dict[str, float]:
    """Return neighbour → count over all names; a name counts at most ``cap`` times.

    The cap keeps a hero's habits from becoming everyone's.
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

    ``priors``: frequency anywhere of each neighbour wanted. The frequency beside names is an m-estimate:
    smoothed by ``pseudo_count`` observations of the prior, times what is ``usual`` in the language (neighbour
    → lift beside names): what a short text doesn't show yet.
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
    """Return the mean over all neighbours of one candidate; ``unseen``: log odds of one not in ``odds``."""
    total = sum(side.values()) or 1
    added: float = sum(map(operator.mul, side.values(), map(odds.get, side, repeat(unseen))))
    return added / total
