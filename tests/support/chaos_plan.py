"""What happens on a bad day, and what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from kgnb.llm.fake.server import Faults

FAULTS = Faults(rate_429=0.10, rate_500=0.05, broken=0.05, truncated=0.05)


@dataclass(frozen=True)
class Plan:
    """What happens. Times in seconds; ``outages``: server → share of the chapters done at which it stops.

    With ``redis`` "cluster" or "sentinels" an outage of Redis is a failover, and one of "slot" moves the
    queue's slot to another master.
    """

    chapters: tuple[int, ...] = (120, 80)
    lines: int = 6
    nodes: int = 3
    slots: int = 4
    latency: float = 0.3
    retry_after: float = 1.0
    faults: Faults = FAULTS
    lease: float = 5.0
    kill_every: float = 2.0  # at least
    outages: tuple[tuple[str, float], ...] = (("redis", 0.15), ("mariadb", 0.4), ("neo4j", 0.65))
    redis: str = "server"
    down: float = 1.0  # at least
    flush_at: float = 2.0  # share of the chapters done at which Redis loses everything; above 1: never
    poison: tuple[int, int] | None = None  # (book, chapter number): every request for it gets 504
    moved: int | None = None  # the book whose provider main deletes in mid-run
    twins: int | None = None  # the book that two tasks work at
    deleted: int = 0  # chapters of a further novel, which main deletes in mid-run
    old_worker: bool = False  # works a task of main's, which main queues again and again
    requeue: float = 2.0
    limit: float = 300.0
    seed: int = 7

    @property
    def total(self) -> int:
        """Rows in the end."""
        again = 0 if self.twins is None else self.chapters[self.twins]
        return sum(self.chapters) + again - (self.poison is not None)

    @property
    def prompts(self) -> int:
        """Requests that a good day takes."""
        return sum(self.chapters) - (self.poison is not None) + self.deleted


@dataclass
class Figures:
    """What came of it."""

    seconds: float = 0.0
    kills: int = 0
    idle_kills: int = 0  # of nodes that had not asked for anything yet
    outages: dict[str, float] = field(default_factory=dict)  # server → seconds from stop to answering again
    chapters: int = 0  # of all tasks
    completed: int = 0
    lost: int = 0
    doubled: int = 0
    dead: int = 0
    prompts: int = 0  # requests of a good day
    requests: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    split: int = 0  # chunks that were split, cut off twice or answered by 5xx only
    strange: int = 0  # prompts that the good day didn't ask: halves of split chunks, at most two each
    again: int = 0  # complete answers to a prompt that had one: what kills cost
    again_unforced: int = 0  # those whose earlier one didn't go to a node that was killed
    stored_again: int = 0  # requests for a reply that was in the cache when they came
    unsure: int = 0  # answered before, but SQL was down when they came; a kill explains them, or see above
    again_moved: int = 0  # those that were in flight when their task changed its provider
    again_twins: int = 0  # those that two tasks of a novel asked for at a time
    forced: int = 0  # requests that faults, kills and splits (two each) forced, beyond one a chapter
    poison: int = 0  # requests for the poison chapter
    poison_failed: bool = False  # it alone is on the dead list and failed, and so is its task
    moved_to: str = ""  # the provider of the task whose own was deleted
    twins_apart: float = 0.0  # seconds between the closings of a novel's two tasks
    swept: float = (
        0.0  # seconds until nothing was left of the deleted novel, once no node was killed any more
    )
    old: dict[str, int] = field(default_factory=dict)  # the old worker: what it did, what was done to it
    gaps: int = 0  # rows whose replies stayed cut off, flagged: without them the graph isn't the good day's
    same_graph: bool = False
    nodes: int = 0
    edges: int = 0

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)
