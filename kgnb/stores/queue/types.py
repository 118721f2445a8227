"""What the queue hands out and reports: plain values."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from kgnb.core.messages import has_text, say

Kind = Literal["task", "chapter"]


class QueueName(str):
    """A queue's whole key in Redis, ``<prefix><provider key>``; equal to and hashed like that string."""

    __slots__ = ()

    @property
    def prefix(self) -> str:
        """What precedes the provider, with its colon: ``kg:task:queue:``."""
        return self[: len(self) - len(self.provider_key)]

    @property
    def provider_key(self) -> str:
        """The provider's name in lower case."""
        return self.rpartition(":")[2]

    @property
    def oldest_left(self) -> bool:
        """Whether producers RPUSH, so that the oldest item is on the left (common.lua says the same)."""
        return self.startswith("kg:ai_queue:")

    def own_key(self, part: str) -> str:
        """kgnb's key for a part of this queue's state, in the queue's hash slot; common.lua lists them."""
        return f"kgnb:{part}:{{{self}}}"

    def with_provider(self, key: str) -> QueueName:
        """The queue of another provider under the same prefix."""
        return QueueName(self.prefix + key)


@dataclass(frozen=True, slots=True)
class Claim:
    """One leased piece of work. Two claims are equal if they are the same lease.

    ``queue`` is the whole queue key; ``chapter_id`` is 0 for a task. ``fresh`` (tasks): somebody asked for
    this task since it was last opened; ``asked`` tells which of them an opening or an end answers.
    ``alone``: to be worked while every other slot of the node is empty. ``at`` is time.monotonic() from
    before the claim was sent: the lease can't have begun earlier.
    """

    queue: QueueName
    kind: Kind
    task_id: int
    chapter_id: int
    token: int
    deliveries: int = field(compare=False)
    failures: int = field(compare=False)
    fresh: bool = field(default=False, compare=False)
    alone: bool = field(default=False, compare=False)
    asked: int = field(default=0, compare=False)
    at: float = field(default=0.0, compare=False)

    @property
    def member(self) -> str:
        """Its name within the queue's keys."""
        return f"t:{self.task_id}" if self.kind == "task" else f"c:{self.task_id}:{self.chapter_id}"

    @classmethod
    def read(cls, queue: QueueName, reply: list[Any], at: float) -> Claim:
        """From poll.lua's reply."""
        kind, task_id, chapter_id = split(reply[0].decode())
        return cls(
            queue=queue,
            kind="task" if kind == "t" else "chapter",
            task_id=task_id,
            chapter_id=chapter_id,
            token=int(reply[1]),
            deliveries=int(reply[2]),
            failures=int(reply[3]),
            fresh=bool(reply[5]),
            alone=bool(reply[6]),
            asked=int(reply[4]),
            at=at,
        )


def split(member: str) -> tuple[str, int, int]:
    """Kind, task and chapter of a member; garbage has neither."""
    found = _MEMBER.fullmatch(member)
    return (found[1], int(found[2]), int(found[3] or 0)) if found else (member.partition(":")[0], 0, 0)


_MEMBER = re.compile(r"([tc]):([0-9]{1,19})(?::([0-9]{1,19}))?")
MAX_ID = 2**53 - 1
"""Largest number of a task: what a Lua script counts without rounding."""


def task_of(item: bytes) -> int | None:
    """The task number of a waiting item; None for what poll.lua would bury."""
    if len(item) > 65536:
        return None
    try:
        task_id = json.loads(item.decode("utf-8", "replace"))["task_id"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    if not isinstance(task_id, (int, float)) or isinstance(task_id, bool):
        return None
    return int(task_id) if 1 <= task_id <= MAX_ID and task_id == task_id // 1 else None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a node wants of one queue.

    ``chapters`` and ``tasks``: how many at most. ``only_task``: serve this task alone (build). ``idle``: no
    chapter is in flight on the whole node. ``outage``: SQL or Bolt can't be reached, so what expires now is
    nobody's fault. ``mine``: tasks this node keeps open.
    """

    queue: QueueName
    chapters: int = 0
    tasks: int = 0
    only_task: int | None = None
    idle: bool = False
    outage: bool = False
    mine: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts: waiting task items, waiting chapters, leases (tasks and chapters), delayed chapters, dead
    entries, tasks that are taken or open."""

    waiting: int
    chapters: int
    leased: int
    delayed: int
    dead: int
    open_tasks: int

    @property
    def empty(self) -> bool:
        """Whether nothing is left to do or being done."""
        return not (self.waiting or self.chapters or self.leased or self.delayed)


def _reason(text: str) -> str:
    return say(text) if has_text(text) else text


@dataclass(frozen=True)
class BuriedItem:
    """Work that went to the dead list: a chapter, a task's item (chapter 0) or garbage (task 0).

    Reported to the task's holder in every poll until :meth:`Queue.noted`; garbage once.
    """

    queue: QueueName
    task_id: int
    chapter_id: int
    reason: str
    token: int


@dataclass(frozen=True)
class DeadItem(BuriedItem):
    """An entry of the dead list; ``at`` in epoch seconds, ``item`` a task's item or garbage as it came."""

    member: str
    deliveries: int
    failures: int
    at: float
    item: str

    @classmethod
    def read(cls, queue: QueueName, member: str, raw: bytes) -> DeadItem:
        """From the dead hash. Garbage may be any bytes."""
        entry = json.loads(raw.decode("utf-8", "replace"))
        _, task_id, chapter_id = split(member)
        return cls(
            queue=queue,
            member=member,
            task_id=task_id,
            chapter_id=chapter_id,
            reason=_reason(entry["reason"]),
            deliveries=int(entry["deliveries"]),
            failures=int(entry["failures"]),
            at=entry["at"] / 1000,
            token=int(entry["token"] or 0),
            item=entry["item"],
        )


@dataclass(slots=True)
class PollResult:
    """What one look at all queues gave.

    ``refreshed``: tasks of ``mine`` that were asked for again while held (main paused and retried them, or
    re-queued a copy): their claims, fresh; open each again and call Queue.opened with it. Reported in every
    poll until then. ``left``: per held task the chapters that wait, are leased or delayed; 0 = may settle; a
    task that is missing is no longer held. ``suspended``: provider → until (epoch seconds, never in the
    past). ``limited``: rate-limited provider → seconds left. ``newer``: items and open tasks left alone
    because a newer version made them.
    """

    claims: list[Claim] = field(default_factory=list)
    refreshed: list[Claim] = field(default_factory=list)
    buried: list[BuriedItem] = field(default_factory=list)
    state: dict[QueueName, QueueState] = field(default_factory=dict)
    at: float = 0.0  # time.monotonic() from before it was sent
    suspended: dict[str, float] = field(default_factory=dict)
    limited: dict[str, float] = field(default_factory=dict)
    left: dict[tuple[QueueName, int], int] = field(default_factory=dict)
    newer: int = 0

    def add(self, queue: QueueName, reply: list[Any], at: float) -> int:
        """Takes in poll.lua's reply for one queue; returns its ``solo``."""
        claims, refreshed, buried, left, state, newer, solo = reply
        self.claims += [Claim.read(queue, one, at) for one in claims]
        self.refreshed += [Claim.read(queue, one, at) for one in refreshed]
        for member, reason, token in buried:
            _, task_id, chapter_id = split(member.decode())
            text = _reason(reason.decode("utf-8", "replace"))
            self.buried.append(BuriedItem(queue, task_id, chapter_id, text, int(token or 0)))
        self.left |= {(queue, int(task)): int(count) for task, count in left}
        self.state[queue] = QueueState(*map(int, state))
        self.newer += int(newer)
        return int(solo)


@dataclass(slots=True)
class Known:
    """What the queues know of one task."""

    queue: QueueName
    waiting: bool = False
    held: bool = False
    dead: bool = False
    chapters: int = 0


@dataclass(slots=True)
class Backoff:
    """Seconds between two polls that found nothing: ``first`` doubling to ``last``; jitter only shortens."""

    first: float = 0.2
    last: float = 2.0
    jitter: float = 0.25
    _next: float = field(default=0.0, repr=False)

    def reset(self) -> None:
        """Something was found: start again."""
        self._next = 0.0

    def delay(self) -> float:
        """How long to wait now."""
        full = min(self.last, max(self.first, self._next))
        self._next = full * 2
        return full * (1 - self.jitter * random.random())  # noqa: S311 - spreads nodes, keeps no secret
