"""Evidence and what it weighs: small functions with learnt weights (logistic regression).

A piece of evidence is a pure function of one thing, a name or two persons, in the index of a book; its value
is about -1 to 1, or None where it says nothing. Its weight stands under its name in a language's
``data/weights.toml``, which bench/learn_names.py learns. The sum of weights times values is the logarithm
of the odds.
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
    """Return the values of all that is evidence about a thing, by the names of the functions."""
    return {f.__name__: value for f in evidence if (value := f(thing)) is not None}


Weights = Mapping[str, float]
"""Name of the evidence, or "bias" → weight."""


class Weighing(Generic[_Thing]):
    """The evidence that has a weight, and the weights."""

    def __init__(self, evidence: Sequence[Evidence[_Thing]], weights: Weights) -> None:
        self._bias = weights.get("bias", 0.0)
        self._parts = [(f, weight) for f in evidence if (weight := weights.get(f.__name__, 0.0))]

    def log_odds(self, thing: _Thing) -> float:
        """Return the logarithm of the odds, given all the evidence."""
        odds = self._bias
        for function, weight in self._parts:
            value = function(thing)
            if value:
                odds += weight * value
        return odds


@lru_cache(maxsize=8)
def read_weights(lang: str, table: str) -> Weights:
    """Return the weights of a language's table: ``names`` or ``pairs``."""
    path = Path(__file__).parent / lang / "data" / "weights.toml"
    found: Weights = tomllib.loads(path.read_text("utf-8"))[table]
    return found


def probability(log_odds: float) -> float:
    """Return the probability of which ``log_odds`` is the logit, to four digits.

    >>> probability(0.0), probability(3.0), probability(-800.0)
    (0.5, 0.9526, 0.0)
    """
    return round(1 / (1 + math.exp(-max(-700.0, log_odds))), 4)


def logit(share: float) -> float:
    """Return the log odds of a probability above 0 and below 1.

    >>> round(logit(0.9526), 2)
    3.0
    """
    return math.log(share / (1 - share))
