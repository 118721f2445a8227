"""The binomial distribution, by logarithms: any number of trials is fine."""

from __future__ import annotations

import math


def binomial_tail(least: int, n: int, p: float) -> float:
    """Return the probability of ``least`` or more successes in ``n`` trials; 1 where so many are expected."""
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
