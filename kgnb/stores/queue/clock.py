"""Redis' clock as a node knows it: the one that all nodes share, whatever their machines' clocks say."""

from __future__ import annotations

import logging
import time

from kgnb.core.messages import say
from kgnb.stores.queue.types import QueueName

log = logging.getLogger(__name__)

TOLD_FROM = 60.0
"""Seconds between this machine's clock and Redis' from which the user is told: SQL gets this one's times."""


class RedisClock:
    """Redis' time since the last poll of each queue: in a cluster every master has a clock of its own.

    Between polls the process's monotonic clock counts, so that a clock that is set is noticed: by hand, by
    NTP, or because another machine's Redis took over.
    """

    def __init__(self) -> None:
        self._offsets: dict[QueueName, float] = {}  # epoch seconds minus time.monotonic()
        self._told = False

    def now(self) -> float:
        """Return the time in epoch seconds by Redis' clock; by this machine's before the first poll."""
        return next((time.monotonic() + offset for offset in self._offsets.values()), time.time())

    def expected(self, queue: QueueName) -> int | None:
        """Return the milliseconds that Redis' clock should show now; None before the first poll."""
        offset = self._offsets.get(queue)
        return None if offset is None else round(1_000 * (time.monotonic() + offset))

    def learn(self, queue: QueueName, sent_at: float, milliseconds: int) -> float:
        """Store Redis' time, in milliseconds, from a poll sent at ``sent_at`` (time.monotonic()).

        Return the seconds by which Redis' clock is ahead of what was expected; 0 at a queue's first poll.
        """
        offset = milliseconds / 1_000 - sent_at
        step = offset - self._offsets.get(queue, offset)
        self._offsets[queue] = offset
        ahead = time.time() - self.now()
        if (wrong := abs(ahead) > TOLD_FROM) and not self._told:
            log.warning(say("queue.log_clock", seconds=f"{ahead:+.0f}"))
        self._told = wrong
        return step
