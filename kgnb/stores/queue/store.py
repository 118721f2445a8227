"""The queue: tasks and their chapters in Redis, under leases with rising tokens (design: queue protocol).

Producers push a task's item into a list. A node claims it, opens the task (SQL) and lists its chapters
here; any node claims chapters, in turn from all open tasks. Every claim is a lease that must be renewed; what
a dead node held is next in line for whoever polls after its end. The Lua scripts hold the rules, this module
the calls.

A fresh item for a task that is held by a live node (main paused and retried it, or re-queued a copy) is never
just removed: it moves into the lease, whose holder learns of it (``PollResult.refreshed``); it waits again
as an item if the holder dies, or acknowledges without having answered it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import redis.asyncio as aioredis
from pydantic import SecretStr
from redis.exceptions import ResponseError

from kgnb.core.errors import ServiceError
from kgnb.core.messages import say
from kgnb.stores.queue.connection import Command, RedisConnection, mapped, script
from kgnb.stores.queue.inspect import LIMIT, QUEUES, QueueInspector, read_suspended, suspensions
from kgnb.stores.queue.types import (
    BuriedItem,
    Claim,
    ClaimRequest,
    PollResult,
    QueueName,
    task_of,
)

log = logging.getLogger(__name__)

VERSION = 1
"""Of items and protocol (common.lua says the same); what a newer one made is left to newer nodes."""

MOVED_AT_ONCE = 200
"""Items that Queue.move sends in one round trip: at most 13 MB."""
_DRAIN = 1  # poll.lua: this node empties itself for a chapter that has to be alone


class Queue(QueueInspector):
    """One node's face to the queues. ``node`` is the name that leases carry (Presence.claim_name sets it).

    Every method may raise ServiceDown (retryable) and ServiceRefused, both with service "redis". Nothing is
    repeated by itself: after ServiceDown an acknowledgement may have been executed or not.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        lease_seconds: float,
        hold_seconds: float,
        node: str = "",
        max_open_tasks: int = 20,
    ) -> None:
        self.url = url
        super().__init__(RedisConnection(url, lease_seconds))
        self.node = node or f"node-{uuid.uuid4().hex[:8]}"
        self.lease_seconds = lease_seconds
        self.hold_seconds = hold_seconds
        self._max_open = max_open_tasks
        self._open: dict[QueueName, int] = {}  # open tasks of each queue ever polled, at the last look
        self._solo: tuple[QueueName, int] | None = None
        self._alone = False
        self._met = self._away = False
        self._grace_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._told_broken: set[QueueName] = set()

    @property
    def redis(self) -> aioredis.Redis:
        """The node's one asynchronous client, to be shared (limits)."""
        return self.link.client

    async def ping(self) -> None:
        """Raises ServiceDown or ServiceRefused unless Redis answers."""
        await self.link.one(("PING",))

    @property
    def where(self) -> str:
        """Host and port, fit for a message."""
        return self.link.where

    async def close(self) -> None:
        """Closes the connections; leases stay until they expire or were released."""
        await self.link.close()

    # --- claiming

    async def poll(self, asks: Sequence[ClaimRequest], providers: Sequence[str] = ()) -> PollResult:
        """Reaps and claims on every asked queue and reads which ``providers`` are paused or rate-limited: one
        round trip.

        A cancelled poll loses nothing: what it has claimed is handed back when the answer comes.
        """
        work = asyncio.ensure_future(self._poll(asks, providers))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(self._hand_back)
            raise

    def _hand_back(self, work: asyncio.Future[PollResult]) -> None:
        # Without an answer, or when the loop is closing, the leases expire by themselves.
        if work.cancelled() or work.exception() is not None or not work.result().claims:
            return
        task = asyncio.get_running_loop().create_task(self._release_quietly(work.result().claims))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release_quietly(self, claims: Sequence[Claim]) -> None:
        with suppress(ServiceError):
            await self.release(claims)

    async def _poll(self, asks: Sequence[ClaimRequest], providers: Sequence[str]) -> PollResult:
        shaped, alone = self._shape(asks)
        commands = [self._poll_command(ask, ask.queue == alone) for ask in shaped]
        commands += self.watched(ask.queue for ask in asks if ask.queue not in self._open)
        commands += [("PTTL", LIMIT + name) for name in providers]
        commands += suspensions(providers)
        sent = time.monotonic()
        try:
            replies = await self.link.try_all(commands)
            told = len(replies) - len(providers)
            replies, pauses = replies[:told], replies[told:]
            broken = self._broken(shaped, replies)
            with mapped(self.link.where):
                suspended = read_suspended(providers, pauses)
        except ServiceError:
            self._away = self._met
            raise
        self._back(sent)
        poll = PollResult(at=sent)
        poll.suspended = suspended
        limits = zip(providers, replies[told - len(providers) :], strict=True)
        poll.limited = {name: left / 1_000 for name, left in limits if left > 0}
        whole = [ask for ask in shaped if ask.queue not in broken]
        good = [r for ask, r in zip(shaped, replies[: len(shaped)], strict=True) if ask.queue not in broken]
        self._take_in(poll, whole, good, sent)
        return poll

    def _broken(self, asks: Sequence[ClaimRequest], replies: Sequence[Any]) -> set[QueueName]:
        """Queues that Redis refuses to look at: something wrote another type under one of their keys. Each is
        told once and left alone, the others go on. Raises ServiceDown and ServiceRefused."""
        broken: dict[QueueName, str] = {}
        for i, reply in enumerate(replies):
            if isinstance(reply, Exception):
                try:
                    with mapped(self.link.where):
                        raise reply
                except ResponseError as error:
                    if i >= len(asks):
                        raise
                    broken[asks[i].queue] = str(error)
        for queue, reason in broken.items():
            if queue not in self._told_broken:
                log.error(say("queue.log_broken", queue=queue, reason=reason))
        self._told_broken = set(broken)
        return self._told_broken

    def watched(self, queues: Iterable[QueueName] | None = None) -> list[Command]:
        """Commands that make these queues (all that were polled here) known to :meth:`forget_node`."""
        names = list(self._open if queues is None else queues)
        return [("SADD", QUEUES, *names)] if names else []

    def _take_in(
        self, poll: PollResult, asks: Sequence[ClaimRequest], replies: Sequence[Any], sent: float
    ) -> None:
        solo: dict[int, QueueName] = {}
        for ask, reply in zip(asks, replies, strict=True):
            solo.setdefault(poll.add(ask.queue, reply, sent), ask.queue)
            self._open[ask.queue] = poll.state[ask.queue].open_tasks
        self._alone = self._alone or any(claim.alone for claim in poll.claims)
        self._solo = next(((solo[mode], mode) for mode in (_DRAIN, 2) if mode in solo), None)

    def _shape(self, asks: Sequence[ClaimRequest]) -> tuple[Sequence[ClaimRequest], QueueName | None]:
        """What to ask while a chapter is to be alone, and the queue that may hand one out.

        While one is worked here: nothing. While one waits: an empty node asks its queue only; a node that
        empties itself for it asks no other for chapters.
        """
        empty = all(ask.idle for ask in asks)
        self._alone = self._alone and not empty
        if self._alone:
            return [replace(ask, chapters=0, tasks=0) for ask in asks], None
        if self._solo is None or all(ask.queue != self._solo[0] for ask in asks):
            return asks, None
        queue, mode = self._solo
        if empty:
            return [ask if ask.queue == queue else replace(ask, chapters=0, tasks=0) for ask in asks], queue
        if mode == _DRAIN:
            return [ask if ask.queue == queue else replace(ask, chapters=0) for ask in asks], None
        return asks, None

    def _poll_command(self, ask: ClaimRequest, alone: bool) -> Command:
        provider = ask.queue.provider_key
        others = (n for q, n in self._open.items() if q != ask.queue and q.provider_key == provider)
        return script("poll").call(
            ask.queue,
            self.node,
            _ms(self.lease_seconds),
            _ms(self.hold_seconds),
            ask.chapters,
            ask.tasks,
            "" if ask.only_task is None else ask.only_task,
            int(alone),
            "none" if self._graceful() else "free" if ask.outage else "count",
            max(0, self._max_open - sum(others)),
            ",".join(map(str, ask.mine)),
        )

    # Leases ran out while Redis was away although their nodes live: these get a moment to renew before this
    # node reaps again, once per outage and not at every hiccup of a bad line.
    def _graceful(self) -> bool:
        return self._away or time.monotonic() < self._grace_until

    def _back(self, sent: float) -> None:
        if self._away and sent > self._grace_until + self.lease_seconds:
            self._grace_until = sent + self.lease_seconds / 3
        self._met, self._away = True, False

    # --- outcomes

    async def opened(self, claim: Claim, chapters: Sequence[int], *, retry: bool | None = None) -> bool:
        """Lists the chapters of the task of ``claim`` and marks its item as opened; False: the lease is lost.

        Chapters that wait, are leased or delayed are skipped. A dead one is listed again if ``retry`` (by
        default: if the claim is fresh), or if its end was noted: then somebody has set it back since.
        """
        again = claim.fresh if retry is None else retry
        listed = ",".join(map(str, chapters))
        command = script("opened").call(
            claim.queue, claim.member, claim.token, claim.asked, int(again), listed
        )
        return bool(await self.link.one(command))

    async def ack(self, claims: Sequence[Claim]) -> list[bool]:
        """Ends leases whose outcome is durable; False: lost, by a stale token for instance.

        Acknowledging a task's item ends the task here: its chapters go, those in flight too.
        """
        return await self._each("ack", claims, (), lambda claim: (claim.member, claim.token, claim.asked))

    async def release(
        self, claims: Sequence[Claim], *, counted: bool = False, delay: float = 0.0
    ) -> list[bool]:
        """Hands work back, next in line or ``delay`` seconds from now; the delivery counts if ``counted``."""
        head = (int(counted), _ms(delay))
        return await self._each("release", claims, head, lambda claim: (claim.member, claim.token))

    async def fail(
        self, claim: Claim, reason: str, *, delay: float = 0.0, final: bool = False
    ) -> Literal["retry", "dead", "lost"]:
        """A chapter's own failure: tried again after ``delay`` seconds, dead at the third or when ``final``.

        After "dead", write it to the ledger and call :meth:`noted`; until then its task's holder is told in
        every poll.
        An opened task's item never dies, it is retried.
        """
        command = script("fail").call(claim.queue, claim.member, claim.token, reason, _ms(delay), int(final))
        answer: Literal["retry", "dead", "lost"] = (await self.link.one(command)).decode()
        return answer

    async def noted(self, buried: Iterable[BuriedItem | Claim]) -> None:
        """The ledger knows of these ends: they are no longer reported."""
        commands: list[Command] = []
        for one in buried:
            member = f"c:{one.task_id}:{one.chapter_id}" if one.chapter_id else f"t:{one.task_id}"
            commands.append(("SREM", one.queue.own_key("untold"), member))
        if commands:
            await self.link.trip(commands)

    async def _each(
        self,
        name: str,
        claims: Sequence[Claim],
        head: tuple[int, ...],
        args: Callable[[Claim], tuple[str | int, ...]],
    ) -> list[bool]:
        by_queue: dict[QueueName, list[int]] = {}
        for i, claim in enumerate(claims):
            by_queue.setdefault(claim.queue, []).append(i)
        if not by_queue:
            return []
        commands = [
            script(name).call(queue, *head, *(arg for i in mine for arg in args(claims[i])))
            for queue, mine in by_queue.items()
        ]
        results = [False] * len(claims)
        for mine, reply in zip(by_queue.values(), await self.link.trip(commands), strict=True):
            for i, good in zip(mine, reply, strict=True):
                results[i] = bool(good)
        return results

    # --- producing and looking after

    async def push(
        self,
        queue: QueueName,
        task_id: int,
        provider: str = "",
        *,
        opened: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds a task's item, as the newest; ``provider`` is what it names, by default the queue's own.

        ``opened``: the item stands for a task that was opened before, so it starts no paused one.
        """
        item = {**(extra or {}), "task_id": task_id, "provider": provider or queue.provider_key, "v": VERSION}
        if opened:
            item["kgnb"] = {"v": VERSION, "opened": True, "fresh": False, "deliveries": 0, "failures": 0}
        end = "RPUSH" if queue.oldest_left else "LPUSH"
        await self.link.one((end, queue, json.dumps(item, ensure_ascii=False, separators=(",", ":"))))

    async def move(self, source: QueueName, target: QueueName) -> list[int]:
        """Moves every waiting task's items to another queue of the same prefix, in their order, as they are
        but for the provider's name. Returns the tasks. What is no task's item stays.

        They wait there before they are gone here, so that a crash in between leaves a second copy, not none.
        """
        found: list[bytes] = await self.link.one(("LRANGE", source, 0, -1))
        oldest_first = found if source.oldest_left else found[::-1]
        items = [(item, task) for item in oldest_first if (task := task_of(item)) is not None]
        for start in range(0, len(items), MOVED_AT_ONCE):
            part = items[start : start + MOVED_AT_ONCE]
            texts = [_with_provider(item, target.provider_key) for item, _ in part]
            await self.link.one(("RPUSH" if source.oldest_left else "LPUSH", target, *texts))
            # Each is the oldest one left: LREM from that end finds it at once.
            end = 1 if source.oldest_left else -1
            taken: list[Command] = [("LREM", source, end, item) for item, _ in part]
            await self.link.trip([*taken, script("forget").call(source, *{task: None for _, task in part})])
        return list(dict.fromkeys(task for _, task in items))

    async def drop_task(self, queue: QueueName, task_id: int, *, fresh: bool = False) -> None:
        """Forgets a task that is over: its chapters, those in flight too, and its waiting items.

        Fresh items stay unless ``fresh``: each may be a retry that came in meanwhile, and who takes it finds
        out. A held task keeps its chapters: its holder ends it with :meth:`ack`.
        """
        await self.link.one(script("drop").call(queue, task_id, int(fresh)))

    async def reconciler_turn(self, seconds: float) -> bool:
        """Whether it is this node's turn to look for lost tasks: one node each ``seconds``."""
        taken = await self.link.one(
            ("SET", "kgnb:reconciler", self.node, "NX", "PX", max(1, _ms(seconds * 0.9)))
        )
        return taken is not None

    async def revive(self, queue: QueueName, task_id: int, chapter_id: int | None = None) -> int:
        """Takes a task's entries (or one chapter's) off the dead list; returns how many.

        A task's item waits again, as new. A chapter is listed again by the next :meth:`opened` that names it.
        """
        members = [
            item.member
            for item in await self.dead(queue)
            if item.task_id == task_id and chapter_id in (None, item.chapter_id)
        ]
        commands = [script("revive").call(queue, member) for member in members]
        return sum(await self.link.trip(commands)) if commands else 0

    async def forget_node(self, name: str, queues: Sequence[QueueName] = ()) -> int:
        """Ends the leases of a node that is known to be dead; the next poll reaps them. Returns how many.

        Without ``queues``: in every queue that any node has polled.
        """
        named = queues or await self.queues()
        commands = [script("expire").call(queue, name) for queue in named]
        return sum(await self.link.trip(commands)) if commands else 0

    async def new_worker_ids(self, count: int) -> list[int]:
        """``count`` numbers that no other node has, each fit for ``kg:worker:<id>``."""
        first = int(await self.link.one(script("tokens").call("kgnb:ids", count)))
        return list(range(first, first + count))


def _with_provider(item: bytes, provider: str) -> bytes:
    try:
        return json.dumps(json.loads(item) | {"provider": provider}, separators=(",", ":")).encode()
    except RecursionError:  # nested so deep that it can be read but not written
        return item


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
