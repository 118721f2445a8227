"""How long a node waits before it tries again: for work, or for a service that was down."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


def idle_seconds(nodes: int) -> float:
    """Return the longest wait in seconds between two polls of an idle node: a sixth of the number of live
    ``nodes``, but 2 to 15.

    So 12 to 90 nodes together poll about six times a second, which spares Redis, and new work is found at
    once.
    """
    return min(15.0, max(2.0, nodes / 6))


@dataclass(slots=True)
class Backoff:
    """Exponential backoff: waits of ``first`` to ``last`` seconds, doubling; ``jitter`` only shortens."""

    first: float = 0.2
    last: float = 2.0
    jitter: float = 0.25
    _next: float = field(default=0.0, repr=False)

    def reset(self) -> None:
        """Start again with ``first``."""
        self._next = 0.0

    def delay(self) -> float:
        """Return the seconds to wait now, shortened at random by up to ``jitter``; the next wait is
        about twice as long.
        """
        full = min(self.last, max(self.first, self._next))
        self._next = full * 2
        return full * (1 - self.jitter * random.random())  # noqa: S311 - spreads nodes, keeps no secret
