"""How close two persons are without an LLM: how often they stand together, on a scale that adds up."""

from __future__ import annotations

import math
from collections.abc import Iterable

SLOPE = 1.6
"""Steps of strength for each time the count grows e-fold: 5 from a dozen meetings on, 10 from about 280, as
the closest pairs of a novel of 120 chapters have."""


def strength(weight: float) -> int:
    """1 to 10 for how often two stand together; 1 for once."""
    return max(1, min(10, round(1 + SLOPE * math.log(max(1.0, weight)))))


def together(strengths: Iterable[int]) -> int:
    """The strength over a whole book of what single chapters gave: their meetings are added up.

    A pair that keeps company in forty chapters is closer than one that meets in a single long scene; a mean
    would say the opposite.
    """
    return strength(sum(math.exp((s - 1) / SLOPE) for s in strengths))
