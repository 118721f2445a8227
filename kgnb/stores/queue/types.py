"""The queue's value types: names, claims, requests, counts, dead entries."""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kgnb.core.messages import say_or

Command = tuple[Any, ...]
"""A Redis command and its arguments."""
MAX_ID = 2**53 - 1
"""Largest task id: Lua numbers are exact up to here."""
MAX_FAILURES = 3
"""Own failures after which a chapter goes to the dead list, and a task that can't be opened or refreshed ends
as failed; deaths of nodes and the provider's failures don't count."""
_MEMBER = re.compile(r"([tc]):([0-9]{1,19})(?::(-?[0-9]{1,19}))?")


class QueueName(str):
    """A queue's whole key in Redis, ``<prefix><provider key>``; equal to and hashed like that string."""

    __slots__ = ()

    @property
    def prefix(self) -> str:
        """Part of the key before the provider, with its colon: ``kg:task:queue:``."""
        return self[: len(self) - len(self.provider_key)]

    @property
    def provider_key(self) -> str:
        """Provider's name in lower case, the last part of the key."""
        return self.rpartition(":")[2]

    @property
    def oldest_left(self) -> bool:
        """Whether producers RPUSH, so that the oldest item is on the left (common.lua says the same)."""
        return self.startswith("kg:ai_queue:")

    def own_key(self, part: str) -> str:
        """Return kgnb's own key for a part of the queue's state: ``kgnb:lease:{kg:task:queue:x}`` for
        "lease"; the braces keep it in the queue's hash slot. common.lua lists the parts.
        """
        return f"kgnb:{part}:{{{self}}}"

    def with_provider(self, key: str) -> QueueName:
        """Return the queue of another provider (lower-case name ``key``) under the same prefix."""
        return QueueName(self.prefix + key)


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased task or chapter. Two claims are equal if they are the same lease."""

    queue: QueueName
    kind: Literal["task", "chapter"]
    task_id: int
    chapter_id: int  # 0 for a task
    token: int
    deliveries: int = field(compare=False)  # how often it was handed out, this time included
    failures: int = field(compare=False)  # its own, so far
    fresh: bool = field(compare=False)  # a task that somebody asked for since it was last opened
    alone: bool = field(compare=False)  # to be worked while every other slot of the node is empty
    asked: int = field(compare=False)  # requests for the task that opening or ending it answers
    sent_at: float = field(compare=False)  # time.monotonic(); the lease can't have begun earlier

    @property
    def member(self) -> str:
        """Name within the queue's keys: "t:5" for task 5, "c:5:7" for its chapter 7."""
        return f"t:{self.task_id}" if self.kind == "task" else f"c:{self.task_id}:{self.chapter_id}"

    @classmethod
    def read(cls, queue: QueueName, reply: list[Any], sent_at: float) -> Claim:
        """Return the claim in a list of poll.lua's reply. ``sent_at``: time.monotonic() of the poll."""
        member, token, deliveries, failures, asked, fresh, alone = reply
        kind, task_id, chapter_id = parse_member(member.decode())
        return cls(
            queue=queue,
            kind="task" if kind == "t" else "chapter",
            task_id=task_id,
            chapter_id=chapter_id,
            token=int(token),
            deliveries=int(deliveries),
            failures=int(failures),
            fresh=bool(fresh),
            alone=bool(alone),
            asked=int(asked),
            sent_at=sent_at,
        )


def key_of(command: Command) -> Any:
    """Return the first key of a Redis command; of a script the first of its keys."""
    return command[3] if command[0] in ("EVAL", "EVALSHA") else command[1]


def parse_member(member: str) -> tuple[str, int, int]:
    """Return (kind, task id, chapter id) of a queue's member: "c:5:7" gives ("c", 5, 7), "t:5" gives ("t", 5,
    0).

    Both ids are 0 for a malformed member.
    """
    found = _MEMBER.fullmatch(member)
    return (found[1], int(found[2]), int(found[3] or 0)) if found else (member.partition(":")[0], 0, 0)


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """What a node asks of one queue."""

    queue: QueueName
    chapters: int = 0  # to claim at most; -1: none, as the provider must not be asked
    tasks: int = 0  # to claim at most
    only_task: int | None = None  # serve this task alone (``kgnb build``)
    idle: bool = False  # no chapter is in flight on the whole node
    outage: bool = False  # SQL or Bolt can't be reached, so leases that expire now count no delivery
    held: tuple[int, ...] = ()  # tasks that this node keeps open from this queue


@dataclass(frozen=True, slots=True)
class QueueState:
    """Counts of a queue."""

    waiting: int = 0  # items
    chapters: int = 0  # that wait
    leased: int = 0  # items and chapters
    delayed: int = 0  # chapters
    dead: int = 0  # entries of the dead list
    open_tasks: int = 0  # or claimed
    problem: str = field(default="", kw_only=True)  # why they can't be read, if so


@dataclass(frozen=True)
class BuriedItem:
    """Work that went to the dead list: a chapter, a task's item (chapter 0) or garbage (task 0).

    Reported to the task's holder in every poll until :meth:`Queue.confirm_buried`; garbage once.
    """

    queue: QueueName
    member: str
    task_id: int
    chapter_id: int
    reason: str
    token: int


@dataclass(frozen=True)
class DeadItem(BuriedItem):
    """An entry of the dead list."""

    deliveries: int
    failures: int
    at: float  # of its burial, in epoch seconds
    item: str  # the text of a task's item or of garbage, unchanged

    @classmethod
    def read(cls, queue: QueueName, member: str, raw: bytes) -> DeadItem:
        """Return the dead item in an entry (JSON) of the dead hash; of a malformed member both ids are 0. Its
        ``item`` may be any text.
        """
        entry = json.loads(raw.decode("utf-8", "replace"))
        _, task_id, chapter_id = parse_member(member)
        return cls(
            queue=queue,
            member=member,
            task_id=task_id,
            chapter_id=chapter_id,
            reason=say_or(entry["reason"], entry["reason"]),
            deliveries=int(entry["deliveries"]),
            failures=int(entry["failures"]),
            at=entry["at"] / 1000,
            token=int(entry["token"] or 0),
            item=entry["item"],
        )


@dataclass(slots=True)
class PollResult:
    """What one poll of all queues gave.

    ``refreshed``: fresh claims of held tasks that were asked for again (main retried them, or queued a copy).
    Open each again with Queue.open_task; until then every poll reports it. ``chapters_left``: per held task
    the chapters that wait, are leased or delayed; 0 = may close. A task that is missing is no longer held.
    """

    claims: list[Claim] = field(default_factory=list)
    refreshed: list[Claim] = field(default_factory=list)
    buried: list[BuriedItem] = field(default_factory=list)
    states: dict[QueueName, QueueState] = field(default_factory=dict)
    sent_at: float = 0.0  # time.monotonic()
    paused: set[str] = field(default_factory=set)  # providers
    limited: dict[str, float] = field(default_factory=dict)  # rate-limited provider → seconds left
    chapters_left: dict[tuple[QueueName, int], int] = field(default_factory=dict)
    newer: int = 0  # items and open tasks left alone because a newer version made them
    clocks: dict[QueueName, int] = field(default_factory=dict)  # Redis' time then, in epoch milliseconds

    def add_reply(self, queue: QueueName, reply: list[Any]) -> int:
        """Add poll.lua's reply for one queue to this result; return the reply's ``solo`` mode, a number."""
        claims, refreshed, buried, left, state, newer, solo, clock = reply
        self.claims += [Claim.read(queue, one, self.sent_at) for one in claims]
        self.refreshed += [Claim.read(queue, one, self.sent_at) for one in refreshed]
        for member, reason, token in buried:
            name, key = member.decode(), reason.decode("utf-8", "replace")
            _, task_id, chapter_id = parse_member(name)
            self.buried.append(
                BuriedItem(queue, name, task_id, chapter_id, say_or(key, key), int(token or 0))
            )
        self.chapters_left |= {(queue, int(task)): int(count) for task, count in left}
        self.states[queue] = QueueState(*map(int, state))
        self.newer += int(newer)
        self.clocks[queue] = int(clock)
        return int(solo)


class QueuedTask(NamedTuple):
    """How queues have a task's item (tasks.lua)."""

    item: bytes = b""  # the JSON of one that waits
    fresh: bool = False  # nobody has opened the task from it
    held: bool = False  # by a node
    asked: bool = False  # what that node holds is a fresh item, too
    dead: bool = False

    def merged(self, other: QueuedTask) -> QueuedTask:
        """Return what holds of either."""
        flags = map(operator.or_, self[1:], other[1:])
        return QueuedTask(self.item or other.item, *flags)
