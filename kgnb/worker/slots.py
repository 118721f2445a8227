"""How many of a provider's slots a node uses, and how many chapters it claims from each queue."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, islice

from kgnb.core.model import Provider
from kgnb.stores.queue.types import QueueName, QueueState

SLOTS_PER_READ_AHEAD = 4
"""One chapter is read ahead for every four slots, at least; its requests start when a slot is free."""
MIN_OVERHEAD_SECONDS = 0.5
"""Least time a chapter spends outside its requests: poll, claim, read, storing the replies (each batched).

As many chapters are read ahead as answers are due in that time; with a slow provider that is few, so that a
book's last chapters are left for other nodes."""
MAX_ROUNDS_AHEAD = 2
"""Most chapters read ahead for each slot."""
SMOOTHING_CHAPTERS = 30
"""Window, in chapters, of the moving average of the time spent outside requests."""
UNWRITTEN_PER_SLOT = 2
"""Chapters for each slot that may wait for their rows to be written without holding it: a database far away
takes a dozen round trips for each transaction."""
HALVING_SECONDS = 2.0
"""Seconds after a halving of the slots in which further 429s count as the same burst."""


class SlotLimiter:
    """Number of a provider's slots that one node uses (AIMD): halved after a 429, one more after as many
    successes as there are slots.
    """

    def __init__(self, maximum: int) -> None:
        self.slots = max(1, maximum)
        """Slots to use now."""
        self.requests = asyncio.Semaphore(self.slots)
        """To be acquired by each request, and given back by :meth:`release`."""
        self._maximum = self.slots
        self._owed = 0  # requests in flight whose slots a 429 took
        self._successes = 0  # since the last change
        self._halved_at = -math.inf

    def release(self) -> None:
        """Give back a slot; a slot that a 429 took away isn't given back."""
        if self._owed:
            self._owed -= 1
        else:
            self.requests.release()

    async def on_rate_limit(self) -> None:
        """Halve the slots, at least one stays; further 429s within :data:`HALVING_SECONDS` (2) change
        nothing.
        """
        now = time.monotonic()
        if now - self._halved_at >= HALVING_SECONDS:
            left = max(1, self.slots // 2)
            for _ in range(self.slots - left):
                if self.requests.locked():
                    self._owed += 1
                else:
                    await self.requests.acquire()  # a free one, without a wait
            self.slots, self._successes, self._halved_at = left, 0, now

    def on_success(self) -> None:
        """Count a success; after as many successes as slots add a slot, up to the maximum."""
        if self.slots == self._maximum:
            return
        self._successes += 1
        if self._successes >= self.slots:
            self.slots, self._successes = self.slots + 1, 0
            self.release()


def read_ahead(slots: int, seconds: float, overhead: float = 0.0) -> int:
    """Return the number of chapters to claim beyond ``slots`` of a provider, at least a quarter of them
    (rounded down).

    ``seconds``: mean time of a request, 0 for unknown; ``overhead``: mean time of a chapter outside requests,
    in seconds, in which so many answers are due (Little's law). 8 slots with unknown time → 2.
    """
    due = slots * max(MIN_OVERHEAD_SECONDS, overhead) / seconds if seconds else 0.0
    return max(slots // SLOTS_PER_READ_AHEAD, math.ceil(min(due, slots * MAX_ROUNDS_AHEAD)))


def queues_of(providers: Iterable[Provider], prefixes: Sequence[str]) -> list[QueueName]:
    """Return the queue of every provider under every prefix, without repetition."""
    return list(dict.fromkeys(QueueName(prefix + p.lower_name) for p in providers for prefix in prefixes))


def claims_by_queue(
    free: int, queues: Sequence[QueueName], states: Mapping[QueueName, QueueState]
) -> dict[QueueName, int]:
    """Return queue → number of chapters to claim, for ``free`` slots and all ``queues`` of one provider.

    Queues with work at the last poll share the slots evenly, the remainder at random. If there are more slots
    than such queues, every other queue gets one, so that new work is found: the sum may exceed ``free``.
    """
    order = random.sample(queues, len(queues))
    with_work = [q for q in order if (state := states.get(q)) and (state.waiting or state.open_tasks)]
    with_work = with_work or order
    asked = Counter(islice(cycle(with_work), free))
    return {queue: max(asked[queue], int(free > len(with_work))) for queue in queues}
