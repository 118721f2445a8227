"""The queue: tasks and their chapters in Redis, under leases with rising tokens (design: queue protocol).

Producers push a task's item into a list. A node claims it, opens the task (SQL) and lists its chapters
here; any node claims chapters, in turn from all open tasks. Every claim is a lease that must be renewed; what
a dead node held is next in line for the next poll after its leases expired. The Lua scripts hold the rules,
this module the calls.

A fresh item for a task that a live node holds (main paused and retried it, or queued a copy) is never just
removed: it moves into the lease, and the holder learns of it (``PollResult.refreshed``). It waits again as an
item if the holder dies, or acknowledges without having answered it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from pydantic import SecretStr
from redis.exceptions import ResponseError

from kgnb.core.errors import ServiceError, ServiceRefused
from kgnb.core.messages import say
from kgnb.stores.queue.clock import RedisClock
from kgnb.stores.queue.connection import RedisConnection, mapped_errors, raise_errors, script_call
from kgnb.stores.queue.inspect import LIMIT_PREFIX, PAUSE_PREFIX, QUEUES, QueueInspector
from kgnb.stores.queue.types import (
    MAX_FAILURES,
    BuriedItem,
    Claim,
    ClaimRequest,
    Command,
    DeadItem,
    PollResult,
    QueueName,
    parse_member,
)

log = logging.getLogger(__name__)

VERSION = 1
"""Of items and protocol (common.lua has the same); what a newer version made is left to newer nodes."""
HOLD_SECONDS = 900.0
"""Seconds without a newly stored reply after which a chapter goes to others: its node may hang."""

_DRAINING, _DRAINING_ELSEWHERE = 1, 2
"""poll.lua's ``solo``: this node, or another one, empties its slots for a chapter that is to run alone."""


class Queue(QueueInspector):
    """One node's access to the queues. ``node`` is the name in its leases (Presence.claim_name sets it).

    Every method may raise ServiceDown and ServiceRefused, both with service "redis". Nothing is
    retried here: after ServiceDown an acknowledgement may have been executed or not.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        lease_seconds: float,
        hold_seconds: float = HOLD_SECONDS,
        node: str = "",
        max_open_tasks: int = 20,
    ) -> None:
        self.url = url
        super().__init__(RedisConnection(url, lease_seconds))
        self.node = node or f"node-{uuid.uuid4().hex[:8]}"
        self.node_count = 1  # on this Redis, as of the last heartbeat
        self.lease_seconds = lease_seconds
        self.hold_seconds = hold_seconds
        self._max_open = max_open_tasks
        self._open_tasks: dict[QueueName, int] = {}  # of each queue ever polled, at its last poll
        self._solo: tuple[QueueName, int] | None = None
        self._working_alone = False
        self.clock = RedisClock()
        self._reached = self._in_outage = False
        self._grace_until = 0.0
        self._releases: set[asyncio.Task[None]] = set()
        self._broken: set[QueueName] = set()

    async def ping(self) -> None:
        """Raise ServiceDown or ServiceRefused unless Redis answers."""
        await self.connection.send_one(("PING",))

    async def close(self) -> None:
        """Close the connections; leases stay until they expire or were released."""
        await self.connection.close()

    # --- claiming

    async def poll(self, asks: Sequence[ClaimRequest], providers: Sequence[str] = ()) -> PollResult:
        """Return what each queue of ``asks`` gives: claims, refreshed leases, buried items, counts; and which
        ``providers`` are paused or rate-limited. One round trip.

        A cancelled poll loses nothing: its claims are released when the reply comes.
        """
        polling = asyncio.ensure_future(self._poll(asks, providers))
        try:
            return await asyncio.shield(polling)
        except asyncio.CancelledError:
            polling.add_done_callback(self._release_claims)
            raise

    def _release_claims(self, polling: asyncio.Future[PollResult]) -> None:
        # Without a reply, or when the loop is closing, the leases expire by themselves.
        if not polling.cancelled() and polling.exception() is None:
            self._start_release(polling.result().claims)

    def _start_release(self, claims: Sequence[Claim]) -> None:
        task = asyncio.get_running_loop().create_task(self._release_quietly(claims))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _release_quietly(self, claims: Sequence[Claim]) -> None:
        with suppress(ServiceError):
            await self.release(claims)

    async def _poll(self, asks: Sequence[ClaimRequest], providers: Sequence[str]) -> PollResult:
        """Return the result of one poll; see :meth:`poll`."""
        shaped, alone_in = self._shape(asks)
        polls = [self._poll_command(ask, ask.queue == alone_in) for ask in shaped]
        registrations = self.register_commands(ask.queue for ask in asks if ask.queue not in self._open_tasks)
        limits: list[Command] = [("PTTL", LIMIT_PREFIX + name) for name in providers]
        # Whatever its value or type, the key pauses: anyone may write it.
        pauses: list[Command] = [("EXISTS", PAUSE_PREFIX + name) for name in providers]
        poll = PollResult(sent_at=time.monotonic())
        polled: list[Any] = []
        try:
            polled, registered, limited, paused = await self.connection.try_send_groups(
                polls, registrations, limits, pauses
            )
            answered = self._without_broken(shaped, polled)
            with mapped_errors(self.connection.where):
                raise_errors([*registered, *limited, *paused])
        except ServiceError:
            self._in_outage = self._reached
            for ask, reply in zip(shaped, polled, strict=False):  # those whose server in a cluster answered
                if not isinstance(reply, Exception):
                    poll.add_reply(ask.queue, reply)
            self._start_release(poll.claims)
            raise
        self._end_outage(poll.sent_at)
        poll.paused = {name for name, exists in zip(providers, paused, strict=True) if exists}
        poll.limited = {name: ms / 1_000 for name, ms in zip(providers, limited, strict=True) if ms > 0}
        solo: dict[int, QueueName] = {}
        for ask, reply in answered:
            solo.setdefault(poll.add_reply(ask.queue, reply), ask.queue)
            self._open_tasks[ask.queue] = poll.states[ask.queue].open_tasks
            # Set forward: live nodes' leases seem to have ended. Let these renew before this one reaps again.
            if self.clock.learn(ask.queue, poll.sent_at, poll.clocks[ask.queue]) > self.lease_seconds / 3:
                self._grace_until = poll.sent_at + self.lease_seconds / 2
        self._working_alone = self._working_alone or any(claim.alone for claim in poll.claims)
        modes = (_DRAINING, _DRAINING_ELSEWHERE)
        self._solo = next(((solo[mode], mode) for mode in modes if mode in solo), None)
        return poll

    def _without_broken(
        self, asks: Sequence[ClaimRequest], replies: Sequence[Any]
    ) -> list[tuple[ClaimRequest, Any]]:
        """Return (request, reply) for each queue but those with a key of another type, which are logged once.
        Raises ServiceDown and ServiceRefused.
        """
        answered, broken = [], set()
        for ask, reply in zip(asks, replies, strict=True):
            if not isinstance(reply, Exception):
                answered.append((ask, reply))
                continue
            try:
                with mapped_errors(self.connection.where):
                    raise reply
            except (ResponseError, ServiceRefused) as error:
                if error is not reply:  # the server refuses this node
                    raise
                broken.add(ask.queue)
                if ask.queue not in self._broken:
                    log.error(say("queue.log_broken", queue=ask.queue, reason=error))
        self._broken = broken
        return answered

    def register_commands(self, queues: Iterable[QueueName] | None = None) -> list[Command]:
        """Return the commands that add these queues (None: all that were polled here) to the set
        :data:`QUEUES`; [] for none.
        """
        names = list(self._open_tasks if queues is None else queues)
        return [("SADD", QUEUES, *names)] if names else []

    def _shape(self, asks: Sequence[ClaimRequest]) -> tuple[Sequence[ClaimRequest], QueueName | None]:
        """Return the requests, restricted for a chapter that is to run alone, and the queue that may hand one
        out or None.

        While one runs here: ask for nothing. While one waits: an empty node asks its queue only; a node that
        empties itself for it asks no other queue for chapters.
        """
        empty = all(ask.idle for ask in asks)
        self._working_alone = self._working_alone and not empty
        if self._working_alone:
            return [replace(ask, chapters=0, tasks=0) for ask in asks], None
        if self._solo is None or all(ask.queue != self._solo[0] for ask in asks):
            return asks, None
        queue, mode = self._solo
        if empty:
            return [ask if ask.queue == queue else replace(ask, chapters=0, tasks=0) for ask in asks], queue
        if mode == _DRAINING:
            return [ask if ask.queue == queue else replace(ask, chapters=0) for ask in asks], None
        return asks, None

    def _poll_command(self, ask: ClaimRequest, alone: bool) -> Command:
        """Return the command that polls one queue. ``alone``: only a task that can't share a node."""
        grace = self._in_outage or time.monotonic() < self._grace_until
        provider = ask.queue.provider_key
        others = (n for q, n in self._open_tasks.items() if q != ask.queue and q.provider_key == provider)
        return script_call(
            "poll",
            ask.queue,
            self.node,
            _ms(self.lease_seconds),
            _ms(self.hold_seconds),
            ask.chapters,
            ask.tasks,
            "" if ask.only_task is None else ask.only_task,
            int(alone),
            "none" if grace else "free" if ask.outage else "count",
            max(0, self._max_open - sum(others)),
            ",".join(map(str, ask.held)),
            self.clock.expected(ask.queue) or "",
        )

    def _end_outage(self, sent_at: float) -> None:
        # While Redis is away, leases of live nodes expire. Let these renew before this node reaps again: once
        # per outage, not after every lost call on a bad line.
        if self._in_outage and sent_at > self._grace_until + self.lease_seconds:
            self._grace_until = sent_at + self.lease_seconds / 3
        self._reached, self._in_outage = True, False

    # --- outcomes

    async def dead_chapters(self, claim: Claim) -> set[int]:
        """Return the ids of the dead chapters that opening the claimed task may list again, if the ledger
        wants them.

        Read them before the ledger: what dies in between is dead for the ledger, too, a moment later. Of a
        claim that isn't fresh, only those whose burial was confirmed: somebody has set them back since.
        """
        dead: Command = ("HKEYS", claim.queue.own_key("dead"))
        untold: Command = ("SMEMBERS", claim.queue.own_key("untold"))
        members, unknown = await self.connection.send([dead, untold])
        known = set(members) if claim.fresh else set(members) - set(unknown)
        return {
            chapter
            for kind, task, chapter in (parse_member(one.decode("utf-8", "replace")) for one in known)
            if (kind, task) == ("c", claim.task_id)
        }

    async def open_task(self, claim: Claim, chapters: Sequence[int], revive: Collection[int] = ()) -> bool:
        """List the chapters of the claimed task and mark its item as opened; return False, without a change,
        if the lease is lost.

        Chapters that wait, are leased or delayed are skipped, dead ones too unless in ``revive``
        (:meth:`dead_chapters`).
        """
        lists = (",".join(map(str, ids)) for ids in (revive, chapters))
        command = script_call("opened", claim.queue, claim.member, claim.token, claim.asked, *lists)
        return bool(await self.connection.send_one(command))

    async def ack(self, claims: Sequence[Claim], *, elsewhere: bool = False) -> list[bool]:
        """End leases whose outcome is durable; return, for each claim in order, False if its lease was lost
        before (stale token), else True.

        Acknowledging a task's item ends the task here: its chapters go, those in flight too, unless the task
        goes on ``elsewhere``.
        """
        head = (int(elsewhere),)
        return await self._for_each(
            "ack", claims, head, lambda claim: (claim.member, claim.token, claim.asked)
        )

    async def forget_task(self, queues: Iterable[QueueName], task_id: int) -> set[int]:
        """Drop the chapters of a task that was opened from another queue, and its lease here; return the ids
        of chapters in flight, which stay.

        List each of these elsewhere only when its lease has ended.
        """
        commands = [script_call("forget", queue, task_id) for queue in queues]
        return {int(chapter) for one in await self.connection.send(commands) for chapter in one}

    async def hasten(self, queue: QueueName) -> None:
        """Make the queue's delayed chapters due now."""
        later = queue.own_key("later")
        members = await self.connection.send_one(("ZRANGEBYSCORE", later, "-inf", "+inf"))
        if members:  # XX: what was taken up meanwhile stays so
            due = [part for member in members for part in (0, member)]
            await self.connection.send_one(("ZADD", later, "XX", *due))

    async def release(
        self, claims: Sequence[Claim], *, counted: bool = False, delay: float = 0.0, above: int = 0
    ) -> list[bool]:
        """Hand work back, next in line or after ``delay`` seconds; return, for each claim in order, False if
        its lease was lost before. ``counted``: whether the delivery counts.

        All later tokens are higher than ``above``: SQL's, after Redis lost its own and its clock is behind.
        """
        head = (int(counted), _ms(delay), above)
        return await self._for_each("release", claims, head, lambda claim: (claim.member, claim.token))

    async def fail(
        self, claim: Claim, reason: str, *, delay: float = 0.0
    ) -> Literal["retry", "dead", "lost"]:
        """Report a chapter's own failure; return "retry" (after ``delay`` seconds), "dead" at the
        :data:`MAX_FAILURES` (3)-th failure, or "lost" if the lease was.

        After "dead", write it to the ledger and call :meth:`confirm_buried`; until then every poll reports it
        to its task's holder. An opened task's item never dies, it is retried.
        """
        command = script_call(
            "fail", claim.queue, claim.member, claim.token, reason, _ms(delay), MAX_FAILURES
        )
        outcome: Literal["retry", "dead", "lost"] = (await self.connection.send_one(command)).decode()
        return outcome

    async def confirm_buried(self, buried: Iterable[BuriedItem | Claim]) -> None:
        """Stop reporting these burials: the ledger has them."""
        await self.connection.send([("SREM", one.queue.own_key("untold"), one.member) for one in buried])

    async def _for_each(
        self,
        name: str,
        claims: Sequence[Claim],
        head: tuple[int, ...],
        args: Callable[[Claim], tuple[str | int, ...]],
    ) -> list[bool]:
        """Call a script once per queue, with the arguments of all its claims; return the answers in the
        claims' order.
        """
        by_queue: dict[QueueName, list[int]] = {}
        for i, claim in enumerate(claims):
            by_queue.setdefault(claim.queue, []).append(i)
        commands = [
            script_call(name, queue, *head, *(arg for i in indexes for arg in args(claims[i])))
            for queue, indexes in by_queue.items()
        ]
        results = [False] * len(claims)
        for indexes, reply in zip(by_queue.values(), await self.connection.send(commands), strict=True):
            for i, good in zip(indexes, reply, strict=True):
                results[i] = bool(good)
        return results

    # --- producing and maintenance

    async def push(self, queue: QueueName, task_id: int, *, opened: bool = False) -> None:
        """Add a task's item, as the newest; it names the queue's provider.

        ``opened``: the item stands for a task that was opened before, so it starts no paused one.
        """
        item: dict[str, Any] = {"task_id": task_id, "provider": queue.provider_key, "v": VERSION}
        if opened:
            item["kgnb"] = {"v": VERSION, "opened": True, "fresh": False, "deliveries": 0, "failures": 0}
        await self._add(queue, item)

    async def push_anew(self, queue: QueueName, item: bytes) -> None:
        """Add the JSON of an item from another queue, as the newest, with this queue's provider; its other
        fields stay.
        """
        fields = json.loads(item.decode("utf-8", "replace"))
        await self._add(queue, fields | {"provider": queue.provider_key})

    async def _add(self, queue: QueueName, item: dict[str, Any]) -> None:
        text = json.dumps(item, separators=(",", ":"))
        await self.connection.send_one(("RPUSH" if queue.oldest_left else "LPUSH", queue, text))

    async def drop_task(
        self, queue: QueueName, task_id: int, *, fresh: bool = False, elsewhere: bool = False
    ) -> None:
        """Remove a finished task: its chapters and its waiting items; those in flight too, unless the task
        goes on ``elsewhere``.

        Fresh items stay unless ``fresh``: each may be a retry that came in meanwhile, and the node that takes
        it finds out. A held task keeps its chapters: its holder ends it with :meth:`ack`.
        """
        await self.connection.send_one(script_call("drop", queue, task_id, int(fresh), int(elsewhere)))

    async def reconciler_turn(self, seconds: float) -> bool:
        """Return whether this node may look for lost tasks now; over all nodes True about once in
        ``seconds``.
        """
        command = ("SET", "kgnb:reconciler", self.node, "NX", "PX", max(1, _ms(seconds * 0.9)))
        return await self.connection.send_one(command) is not None

    async def revive(self, queue: QueueName, task_id: int) -> None:
        """Take a task's item off the dead list: it waits again, as new."""
        await self.connection.send_one(script_call("revive", queue, f"t:{task_id}"))

    async def remove_dead(self, items: Sequence[DeadItem]) -> None:
        """Take entries off the dead lists, starting nothing."""
        removals: list[Command] = [("HDEL", i.queue.own_key("dead"), i.member) for i in items]
        confirmations: list[Command] = [("SREM", i.queue.own_key("untold"), i.member) for i in items]
        await self.connection.send([*removals, *confirmations])

    async def forget_node(self, name: str) -> int:
        """End the leases of a node that is known to be dead; return the number of ended leases. The next poll
        hands them out.
        """
        commands = [script_call("expire", queue, name) for queue in await self.polled_queues()]
        return sum(await self.connection.send(commands))

    async def new_worker_ids(self, count: int) -> list[int]:
        """Return ``count`` numbers that no other node has, each fit for ``kg:worker:<id>``."""
        first = int(await self.connection.send_one(script_call("tokens", "kgnb:ids", count)))
        return list(range(first, first + count))


def _ms(seconds: float) -> int:
    """Return seconds as whole milliseconds, at least 0."""
    return max(0, round(seconds * 1000))
