"""Strength of a relationship (1 to 10) from how often two persons occur together: a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterable

STEPS_PER_E_FOLD = 1.6
"""Steps of strength per e-fold of meetings: 5 from about a dozen, 10 from about 280, as the closest pairs of
a novel of 120 chapters have."""


def strength_of(meetings: float) -> int:
    """Return 1 to 10 for a number of meetings; 1 for one or fewer."""
    return max(1, min(10, round(1 + STEPS_PER_E_FOLD * math.log(max(1.0, meetings)))))


def combined_strength(strengths: Iterable[int]) -> int:
    """Return the strength over a whole book: the meetings behind each chapter's strength, added up.

    A pair that meets in forty chapters is closer than one that meets in a single long scene; a mean would say
    the opposite.
    """
    return strength_of(sum(math.exp((s - 1) / STEPS_PER_E_FOLD) for s in strengths))
