"""How many of a provider's slots one node uses: additive increase, multiplicative decrease (AIMD)."""

from __future__ import annotations

import math
import time

HALVING_SECONDS = 2.0
"""Seconds after a halving in which further 429s count as the same burst."""


class SlotLimiter:
    """One node's answer to 429: half the slots, then one more after as many successes as there are slots.

    For one event loop; plain arithmetic, nothing waits here.
    """

    def __init__(self, maximum: int) -> None:
        self.slots = max(1, maximum)
        """Slots to use now."""
        self._maximum = self.slots
        self._successes = 0  # since the last change
        self._halved_at = -math.inf

    def on_rate_limit(self) -> None:
        """Halve the slots, once for all requests of a burst."""
        now = time.monotonic()
        if now - self._halved_at >= HALVING_SECONDS:
            self.slots, self._successes, self._halved_at = max(1, self.slots // 2), 0, now

    def on_success(self) -> None:
        """Count a success; add a slot after a full round of them."""
        if self.slots >= self._maximum:
            return
        self._successes += 1
        if self._successes >= self.slots:
            self.slots, self._successes = self.slots + 1, 0
