"""Weighs evidence that two persons are one: links and small functions with weights of a logistic regression.

A piece of evidence is a pure function of a pair of persons; its value is about -1 to 1, None where it does
not apply. Its weight stands under the function's name in a language's ``data/weights.toml``, learnt by
bench/learn_names.py; that of a link under its kind. The log odds are the bias plus the sum of weights times
values.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar


class Linked(Protocol):
    """A pair of persons."""

    @property
    def links(self) -> Mapping[str, tuple[float, Any, Any]]:
        """Kind of link → (value up to 1, one name, other name); empty for two persons that nothing links."""


_Pair = TypeVar("_Pair", bound=Linked)
Evidence = Callable[[_Pair], float | None]


def measure(evidence: Sequence[Evidence[_Pair]], pair: _Pair) -> dict[str, float]:
    """Return name of the evidence → value, for one pair: all its kinds of links, and each function of
    ``evidence`` by its name. Functions that return None are left out.

    A pair with the link "nickname" of value 1.0, and the evidence ``same_sex`` that returns 1.0 →
    {"nickname": 1.0, "same_sex": 1.0}.
    """
    links = {kind: value for kind, (value, *_) in pair.links.items()}
    return links | {f.__name__: value for f in evidence if (value := f(pair)) is not None}


Weights = Mapping[str, float]
"""Name of the evidence, kind of link, or "bias" → weight."""


class Weighing(Generic[_Pair]):
    """Evidence with its weights; functions without a weight are left out."""

    def __init__(self, evidence: Sequence[Evidence[_Pair]], weights: Weights) -> None:
        self._bias, self._weights = weights.get("bias", 0.0), weights
        self._parts = [(f, weight) for f in evidence if (weight := weights.get(f.__name__, 0.0))]

    def log_odds(self, pair: _Pair) -> float:
        """Return the log odds that a pair is one person: the bias + the sum of weight × value over links and
        evidence.

        Above 0: more likely one person than two. Evidence of value None or 0, and links without a weight, add
        nothing.
        """
        odds = self._bias + sum(self._weights.get(k, 0.0) * value for k, (value, *_) in pair.links.items())
        for function, weight in self._parts:
            if value := function(pair):
                odds += weight * value
        return odds


@lru_cache(maxsize=8)
def read_weights(lang: str, table: str) -> Weights:
    """Return name of the evidence → weight, and "bias", of a table in a language's data/weights.toml; cached.

    ``table``: "pairs". Raises KeyError for an unknown table.
    """
    path = Path(__file__).parent / lang / "data" / "weights.toml"
    found: Weights = tomllib.loads(path.read_text("utf-8"))[table]
    return found


def probability(log_odds: float) -> float:
    """Return the probability, 0 to 1 with four digits, for log odds.

    >>> probability(0.0), probability(3.0), probability(-800.0)
    (0.5, 0.9526, 0.0)
    """
    return round(1 / (1 + math.exp(-max(-700.0, log_odds))), 4)
