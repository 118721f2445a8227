"""The binomial distribution, computed by logarithms, so that any number of trials is possible."""

from __future__ import annotations

import math


def binomial_tail(least: int, n: int, p: float) -> float:
    """Return the probability of ``least`` or more successes in ``n`` trials of probability ``p`` each, 0 to
    1.

    Exactly 1.0 if ``least`` is not above the expected number ``n * p``: (3, 4, 0.25) → 0.0508; (1, 4, 0.25) →
    1.0.
    """
    if least <= n * p:
        return 1.0
    log_choose = math.lgamma(n + 1) - math.lgamma(least + 1) - math.lgamma(n - least + 1)
    term = math.exp(log_choose + least * math.log(p) + (n - least) * math.log1p(-p))
    total = 0.0
    for successes in range(least, n + 1):
        total += term
        term *= (n - successes) / (successes + 1) * p / (1 - p)
        if term < total * 1e-9:
            break
    return total
