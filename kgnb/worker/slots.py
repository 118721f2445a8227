"""Slots: which chapters are in flight on this node, and how many more to claim from each queue."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kgnb.core.model import Provider
from kgnb.stores.queue.types import Claim, QueueName, QueueState

SLOTS_PER_READ_AHEAD = 4
"""One chapter is read ahead for every four slots, at least; its requests start when a slot is free."""
MIN_OVERHEAD_SECONDS = 0.5
"""Least time a chapter spends outside its requests: poll, claim, read, storing the replies (each batched).

As many chapters are read ahead as are answered in that time; with a slow provider that is few, so that a
book's last chapters are left for other nodes."""
SMOOTHING_CHAPTERS = 30
"""Window, in chapters, of the moving average of the time spent outside requests."""
MAX_UNWRITTEN = 120
"""Chapters that may wait for the graph write: two a slot up to this many, one for two slots beyond.

A graph store far away costs a dozen round trips for each transaction."""


def read_ahead(slots: int, seconds: float, overhead: float = 0.0) -> int:
    """Number of chapters to read ahead for ``slots`` of a provider.

    ``seconds``: mean time of a request (0: unknown); ``overhead``: a chapter's mean time outside requests.
    """
    answered = round(slots * max(MIN_OVERHEAD_SECONDS, overhead) / seconds) if seconds else 0
    return max(slots // SLOTS_PER_READ_AHEAD, min(slots, answered))


def max_unwritten(slots: int) -> int:
    """Number of chapters that may wait for their graph write without holding one of ``slots``."""
    return min(2 * slots, max(MAX_UNWRITTEN, slots // 2))


@dataclass(slots=True)
class SlotWork:
    """A chapter in flight: its claim, when it began (epoch seconds) and its slot's number."""

    claim: Claim
    provider: str
    since: float
    slot: int


@dataclass(slots=True)
class Slots:
    """The chapters in flight of one node."""

    in_flight: dict[Claim, SlotWork] = field(default_factory=dict)
    _busy: Counter[str] = field(default_factory=Counter)
    _free: dict[str, list[int]] = field(default_factory=dict)  # provider → heap of slots between busy ones

    def __len__(self) -> int:
        return len(self.in_flight)

    def add(self, claim: Claim, provider: str, now: float) -> SlotWork:
        """Put a claim into the provider's lowest free slot."""
        free = self._free.setdefault(provider, [])
        work = SlotWork(claim, provider, now, heapq.heappop(free) if free else self._busy[provider])
        self._busy[provider] += 1
        self.in_flight[claim] = work
        return work

    def remove(self, claim: Claim) -> None:
        """Free the claim's slot."""
        if (work := self.in_flight.pop(claim, None)) is not None:
            self._busy[work.provider] -= 1
            heapq.heappush(self._free[work.provider], work.slot)

    def busy(self, provider: str) -> int:
        """Number of the provider's slots that hold a chapter."""
        return self._busy[provider]


def queues_of(providers: Iterable[Provider], prefixes: Sequence[str]) -> list[QueueName]:
    """Every provider's queue under every prefix, each once."""
    return list(dict.fromkeys(QueueName(prefix + p.key) for p in providers for prefix in prefixes))


def claims_by_queue(
    free: int, queues: Sequence[QueueName], states: Mapping[QueueName, QueueState], turn: int
) -> dict[QueueName, int]:
    """Number of chapters to claim from each of one provider's ``queues``, ``free`` in all.

    Queues that had work at the last poll share evenly; each of the others gets one when there is room, so
    that new work is found. ``turn`` rotates which queue gets the remainder.
    """
    order = [queues[(turn + i) % len(queues)] for i in range(len(queues))]
    with_work = [q for q in order if (state := states.get(q)) and (state.waiting or state.open_tasks)]
    asked = dict.fromkeys(order, 0)
    main = with_work or order
    for i in range(free):
        asked[main[i % len(main)]] += 1
    if with_work and free > len(with_work):
        for quiet in (q for q in order if q not in with_work):
            richest = max(with_work, key=lambda q: asked[q])
            asked[richest] -= 1
            asked[quiet] += 1
    return asked
