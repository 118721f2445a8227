"""Slots: how many chapters of each provider may be in flight here, and what to ask the queues for."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kgnb.core.model import Provider
from kgnb.stores.queue.types import Claim, QueueName, QueueState

SLOTS_PER_READ_AHEAD = 4
"""For so many slots at least one chapter more is claimed and read ahead; it is asked about no sooner than a
slot is free."""
MIN_OVERHEAD_SECONDS = 0.5
"""What a chapter takes beside its requests, at least: a poll, a claim, a read, the storing of its replies,
each of many chapters at once. As many as are answered meanwhile are read ahead too. A slow provider's slots
come free one by one, and a book's last chapters are left to other nodes as well."""
SMOOTHING_CHAPTERS = 30
"""Of about so many chapters lately the time beside their requests is the mean."""
MAX_UNWRITTEN = 120
"""Each slot may have two more chapters that wait for the graph, which may be a dozen round trips of a long
line away: so many in all, or one for two slots where that is more."""


def read_ahead(slots: int, seconds: float, overhead: float = 0.0) -> int:
    """Chapters to read ahead for so many slots of a provider whose requests take ``seconds`` (0: unknown),
    with ``overhead`` seconds that a chapter takes before and after them."""
    answered = round(slots * max(MIN_OVERHEAD_SECONDS, overhead) / seconds) if seconds else 0
    return max(slots // SLOTS_PER_READ_AHEAD, min(slots, answered))


def max_unwritten(slots: int) -> int:
    """Chapters that may wait for the graph beside those that are asked about."""
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
        """Puts a claim into the provider's lowest free slot."""
        free = self._free.setdefault(provider, [])
        work = SlotWork(claim, provider, now, heapq.heappop(free) if free else self._busy[provider])
        self._busy[provider] += 1
        self.in_flight[claim] = work
        return work

    def remove(self, claim: Claim) -> None:
        """Frees the claim's slot."""
        if (work := self.in_flight.pop(claim, None)) is not None:
            self._busy[work.provider] -= 1
            heapq.heappush(self._free[work.provider], work.slot)

    def busy(self, provider: str) -> int:
        """Slots of a provider that hold a chapter."""
        return self._busy[provider]

    def claims(self) -> list[Claim]:
        """What is in flight."""
        return list(self.in_flight)


def queues_of(providers: Iterable[Provider], prefixes: Sequence[str]) -> list[QueueName]:
    """Every provider's queue under every prefix, each once."""
    return list(dict.fromkeys(QueueName(prefix + p.key) for p in providers for prefix in prefixes))


def claims_by_queue(
    free: int, queues: Sequence[QueueName], states: Mapping[QueueName, QueueState], turn: int
) -> dict[QueueName, int]:
    """How many chapters to ask each of one provider's ``queues`` for, ``free`` in all.

    Queues that had work at the last look share evenly; the others are asked for one when there is room, so
    that new work is found. ``turn`` rotates who gets the odd one.
    """
    order = [queues[(turn + i) % len(queues)] for i in range(len(queues))]
    with_work = [q for q in order if q in states and _has_work(states[q])]
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


def _has_work(state: QueueState) -> bool:
    return bool(state.waiting or state.open_tasks)
