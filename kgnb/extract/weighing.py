"""Weighs evidence: small functions with learnt weights (logistic regression).

A piece of evidence is a pure function of a thing (a name, or a pair of persons); its value is about -1 to 1,
None where it does not apply. Its weight stands under the function's name in a language's
``data/weights.toml``, learnt by bench/learn_names.py. The log odds are the bias plus the sum of weights times
values.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

_Thing = TypeVar("_Thing")
Evidence = Callable[[_Thing], float | None]


def measure(evidence: Sequence[Evidence[_Thing]], thing: _Thing) -> dict[str, float]:
    """Return name of the function → value, for each evidence function that does not return None for
    ``thing``."""
    return {f.__name__: value for f in evidence if (value := f(thing)) is not None}


Weights = Mapping[str, float]
"""Name of the evidence, or "bias" → weight."""


class Weighing(Generic[_Thing]):
    """Evidence functions with their weights; functions without a weight are left out."""

    def __init__(self, evidence: Sequence[Evidence[_Thing]], weights: Weights) -> None:
        self._bias = weights.get("bias", 0.0)
        self._parts = [(f, weight) for f in evidence if (weight := weights.get(f.__name__, 0.0))]

    def log_odds(self, thing: _Thing) -> float:
        """Return the log odds for ``thing``: bias + sum of weight times value; None counts as 0."""
        odds = self._bias
        for function, weight in self._parts:
            value = function(thing)
            if value:
                odds += weight * value
        return odds


@lru_cache(maxsize=8)
def read_weights(lang: str, table: str) -> Weights:
    """Return the weights of a table, ``names`` or ``pairs``, of a language's data/weights.toml; cached."""
    path = Path(__file__).parent / lang / "data" / "weights.toml"
    found: Weights = tomllib.loads(path.read_text("utf-8"))[table]
    return found


def probability(log_odds: float) -> float:
    """Return the probability, 0 to 1 with four digits, for log odds.

    >>> probability(0.0), probability(3.0), probability(-800.0)
    (0.5, 0.9526, 0.0)
    """
    return round(1 / (1 + math.exp(-max(-700.0, log_odds))), 4)
