"""Strength of a relationship, 1 to 10, by the number of meetings: a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterable

STEPS_PER_E_FOLD = 1.6
"""Steps of strength per e-fold of meetings: 12 meetings give 5, 280 give 10, as many as the closest pairs of
a novel of 120 chapters have."""


def strength_of(meetings: float) -> int:
    """Return the strength, 1 to 10, for a number of meetings: 1 or fewer → 1, 12 → 5, 280 or more → 10."""
    return max(1, min(10, round(1 + STEPS_PER_E_FOLD * math.log(max(1.0, meetings)))))


def combined_strength(strengths: Iterable[int]) -> int:
    """Return the strength over a whole book from those of its chapters: the meetings behind each are added
    up.

    [5, 5] → 6. A mean would rank a single long scene above forty chapters with a meeting in each.
    """
    return strength_of(sum(math.exp((s - 1) / STEPS_PER_E_FOLD) for s in strengths))
