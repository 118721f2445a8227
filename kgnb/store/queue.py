"""The queue: tasks and their chapters in Redis, under leases with rising tokens (design: queue protocol).

Producers push a task's item into a list. A node claims it, opens the task (SQL) and lists its chapters here;
any node claims chapters, in turn from all open tasks. Every claim is a lease that must be renewed; what a dead
node held is next in line for whoever polls after its end. The Lua scripts hold the rules, this module the calls.

A fresh item for a task that is held by a live node (main paused and retried it, or re-queued a copy) is never
just removed: it moves into the lease, whose holder learns of it (``Poll.refreshed``); it waits again as an item
if the holder dies, or acknowledges without having answered it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import redis.asyncio as aioredis
from pydantic import SecretStr

from kgnb.errors import ServiceError
from kgnb.store.claim import Ask, Backoff, Buried, Claim, DeadItem, Known, Poll, QueueState, task_of
from kgnb.store.link import Command, Link, script
from kgnb.store.presence import NodeCard, Presence, WorkerCard

__all__ = [
    "Ask",
    "Backoff",
    "Buried",
    "Claim",
    "DeadItem",
    "Known",
    "NodeCard",
    "Poll",
    "Queue",
    "QueueState",
    "WorkerCard",
]

VERSION = 1
"""Of items and protocol (common.lua says the same); what a newer one made is left to newer nodes."""

_DRAIN = 1  # poll.lua: this node empties itself for a chapter that has to be alone


def _oldest_left(queue: str) -> bool:
    return queue.startswith("kg:ai_queue:")


class Queue(Presence):
    """One node's face to the queues and to the other nodes. ``node`` is set anew by ``claim_node_name``.

    Every method may raise ServiceDown (retryable) and ServiceRefused, both with service "redis". Nothing is
    repeated by itself: after ServiceDown an acknowledgement may have been executed or not.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        node: str,
        lease_seconds: float,
        hold_seconds: float,
        max_open_tasks: int = 20,
    ) -> None:
        super().__init__(Link(url, lease_seconds), node)
        self._lease = lease_seconds
        self._hold = hold_seconds
        self._max_open = max_open_tasks
        self._open: dict[str, int] = {}
        self._solo: tuple[str, int] | None = None
        self._met = self._away = False
        self._grace_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def client(self) -> aioredis.Redis:
        """The node's one asynchronous client, to be shared (limits)."""
        return self._link.client

    async def close(self) -> None:
        """Closes the connections; leases stay until they expire or were released."""
        await self._link.close()

    # --- claiming

    async def poll(self, asks: Sequence[Ask], providers: Sequence[str] = ()) -> Poll:
        """Reaps and claims on every asked queue and reads which ``providers`` are paused: one round trip.

        A cancelled poll loses nothing: what it has claimed is handed back when the answer comes.
        """
        work = asyncio.ensure_future(self._poll(asks, providers))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(self._hand_back)
            raise

    def _hand_back(self, work: asyncio.Future[Poll]) -> None:
        # Without an answer, or when the loop is closing, the leases expire by themselves.
        if work.cancelled() or work.exception() is not None or not work.result().claims:
            return
        task = asyncio.get_running_loop().create_task(self._release_quietly(work.result().claims))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release_quietly(self, claims: Sequence[Claim]) -> None:
        with suppress(ServiceError):
            await self.release(claims)

    async def _poll(self, asks: Sequence[Ask], providers: Sequence[str]) -> Poll:
        shaped, alone = self._shape(asks)
        commands = [self._poll_command(ask, ask.queue == alone) for ask in shaped]
        if providers:
            commands.append(("MGET", *(f"ai:provider:suspend:{name}" for name in providers)))
        sent = time.monotonic()
        try:
            replies = await self._link.trip(commands)
        except ServiceError:
            self._away = self._met
            raise
        self._back(sent)
        poll = Poll()
        if providers:
            poll.suspended = _suspended(providers, replies.pop())
        self._take_in(poll, shaped, replies, sent)
        return poll

    def _take_in(self, poll: Poll, asks: Sequence[Ask], replies: Sequence[Any], sent: float) -> None:
        solo: dict[int, str] = {}
        for ask, reply in zip(asks, replies, strict=True):
            solo.setdefault(poll.add(ask.queue, reply, sent), ask.queue)
            self._open[ask.queue] = poll.state[ask.queue].open_tasks
        self._solo = next(((solo[mode], mode) for mode in (_DRAIN, 2) if mode in solo), None)

    def _shape(self, asks: Sequence[Ask]) -> tuple[Sequence[Ask], str | None]:
        """While a chapter has to be alone: an empty node asks its queue only, one that empties itself no other."""
        if self._solo is None or all(ask.queue != self._solo[0] for ask in asks):
            return asks, None
        queue, mode = self._solo
        if all(ask.idle for ask in asks):
            return [ask if ask.queue == queue else replace(ask, chapters=0, tasks=0) for ask in asks], queue
        if mode == _DRAIN:
            return [ask if ask.queue == queue else replace(ask, chapters=0) for ask in asks], None
        return asks, None

    def _poll_command(self, ask: Ask, alone: bool) -> Command:
        provider = ask.queue.rpartition(":")[2]
        elsewhere = sum(
            n for q, n in self._open.items() if q != ask.queue and q.rpartition(":")[2] == provider
        )
        return script("poll").call(
            ask.queue,
            self.node,
            _ms(self._lease),
            _ms(self._hold),
            ask.chapters,
            ask.tasks,
            "" if ask.only_task is None else ask.only_task,
            int(alone),
            "none" if self._graceful() else "free" if ask.outage else "count",
            max(0, self._max_open - elsewhere),
            ",".join(map(str, ask.mine)),
        )

    # Leases ran out while Redis was away although their nodes live: these get a moment to renew before this
    # node reaps again, once per outage and not at every hiccup of a bad line.
    def _graceful(self) -> bool:
        return self._away or time.monotonic() < self._grace_until

    def _back(self, sent: float) -> None:
        if self._away and sent > self._grace_until + self._lease:
            self._grace_until = sent + self._lease / 3
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
        return bool(await self._link.one(command))

    async def ack(self, claims: Sequence[Claim]) -> list[bool]:
        """Ends leases whose outcome is durable; False: lost, by a stale token for instance.

        Acknowledging a task's item ends the task here: its chapters go, those in flight too.
        """
        return await self._each("ack", claims, (), lambda claim: (claim.member, claim.token, claim.asked))

    async def release(
        self, claims: Sequence[Claim], *, counted: bool = False, delay: float = 0.0
    ) -> list[bool]:
        """Hands work back, next in line or ``delay`` seconds from now. The delivery counts only if ``counted``."""
        head = (int(counted), _ms(delay))
        return await self._each("release", claims, head, lambda claim: (claim.member, claim.token))

    async def fail(
        self, claim: Claim, reason: str, *, delay: float = 0.0, final: bool = False
    ) -> Literal["retry", "dead", "lost"]:
        """A chapter's own failure: tried again after ``delay`` seconds, dead at the third or when ``final``.

        After "dead", write it to the ledger and call :meth:`noted`; until then holders are told in every poll.
        An opened task's item never dies, it is retried.
        """
        command = script("fail").call(claim.queue, claim.member, claim.token, reason, _ms(delay), int(final))
        answer: Literal["retry", "dead", "lost"] = (await self._link.one(command)).decode()
        return answer

    async def noted(self, buried: Iterable[Buried | Claim]) -> None:
        """The ledger knows of these ends: they are no longer reported."""
        commands: list[Command] = []
        for one in buried:
            member = f"c:{one.task_id}:{one.chapter_id}" if one.chapter_id else f"t:{one.task_id}"
            commands.append(("SREM", f"kgnb:untold:{{{one.queue}}}", member))
        if commands:
            await self._link.trip(commands)

    async def _each(
        self,
        name: str,
        claims: Sequence[Claim],
        head: tuple[int, ...],
        args: Callable[[Claim], tuple[str | int, ...]],
    ) -> list[bool]:
        by_queue: dict[str, list[int]] = {}
        for i, claim in enumerate(claims):
            by_queue.setdefault(claim.queue, []).append(i)
        if not by_queue:
            return []
        commands = [
            script(name).call(queue, *head, *(arg for i in mine for arg in args(claims[i])))
            for queue, mine in by_queue.items()
        ]
        results = [False] * len(claims)
        for mine, reply in zip(by_queue.values(), await self._link.trip(commands), strict=True):
            for i, good in zip(mine, reply, strict=True):
                results[i] = bool(good)
        return results

    # --- producing and looking after

    async def push(
        self, queue: str, task_id: int, provider: str, extra: Mapping[str, Any] | None = None
    ) -> None:
        """Adds a task's item, as the newest."""
        item = {**(extra or {}), "task_id": task_id, "provider": provider, "v": VERSION}
        end = "RPUSH" if _oldest_left(queue) else "LPUSH"
        await self._link.one((end, queue, json.dumps(item, ensure_ascii=False)))

    async def drop_task(self, queue: str, task_id: int, *, fresh: bool = False) -> None:
        """Forgets a task that is over: its chapters, those in flight too, and its waiting items.

        Fresh items stay unless ``fresh``: each may be a retry that came in meanwhile, and who takes it finds
        out. A lease on the task's item is its holder's to acknowledge.
        """
        await self._link.one(script("drop").call(queue, task_id, int(fresh)))

    async def known(self, queues: Sequence[str]) -> dict[int, Known]:
        """The tasks these queues know of: item waiting, leased or dead, or chapters left. For the reconciler."""
        known: dict[int, Known] = {}
        for queue in queues:
            tag = f"{{{queue}}}"
            # Leases before and after: an item that is being claimed right now is in one of the three.
            before, items, after, dead, ring = await self._link.trip(
                [
                    ("HKEYS", f"kgnb:held:{tag}"),
                    ("LRANGE", queue, 0, -1),
                    ("HKEYS", f"kgnb:held:{tag}"),
                    ("HKEYS", f"kgnb:dead:{tag}"),
                    ("LRANGE", f"kgnb:open:{tag}", 0, -1),
                ]
            )
            rest = await self._link.trip([("SCARD", f"kgnb:rest:{tag}:{task.decode()}") for task in ring])
            for task, count in zip(ring, rest, strict=True):
                known.setdefault(int(task), Known(queue)).chapters += count
            for item in items:
                if (task_id := task_of(item)) is not None:
                    known.setdefault(task_id, Known(queue)).waiting = True
            for member in {*before, *after}:
                if member.startswith(b"t:"):
                    known.setdefault(int(member[2:]), Known(queue)).held = True
            for member in dead:
                if member.startswith(b"t:"):
                    known.setdefault(int(member[2:]), Known(queue)).dead = True
        return {
            task: one for task, one in known.items() if one.waiting or one.held or one.dead or one.chapters
        }

    async def dead(self, queue: str) -> list[DeadItem]:
        """The dead list, oldest first."""
        raw: Any = await self._link.one(("HGETALL", f"kgnb:dead:{{{queue}}}"))
        pairs = raw.items() if isinstance(raw, dict) else zip(raw[::2], raw[1::2], strict=True)
        return sorted((DeadItem.read(queue, *pair) for pair in pairs), key=lambda dead: dead.at)

    async def revive(self, queue: str, member: str) -> bool:
        """Takes an entry (``DeadItem.member``) off the dead list and lines it up anew, its counters at zero.

        A chapter of a task that isn't open is only taken off; opening the task lists it if it is pending.
        """
        return bool(await self._link.one(script("revive").call(queue, member)))

    async def forget_node(self, name: str, queues: Sequence[str] = ()) -> int:
        """Ends the leases of a node that is known to be dead; the next poll reaps them. Returns how many.

        Without ``queues``: in those this node has polled.
        """
        commands = [script("expire").call(queue, name) for queue in queues or tuple(self._open)]
        return sum(await self._link.trip(commands)) if commands else 0


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _suspended(providers: Sequence[str], values: Sequence[bytes | None]) -> dict[str, float]:
    """The key's presence pauses; whoever wrote it may have written anything."""
    paused: dict[str, float] = {}
    soon = time.time() + 1
    for name, value in zip(providers, values, strict=True):
        if value is None:
            continue
        try:
            until = float(json.loads(value)["until"])
        except (ValueError, TypeError, KeyError, RecursionError):
            until = soon
        paused[name] = until if until > soon else soon
    return paused
