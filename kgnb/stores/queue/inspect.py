"""A look at queues and nodes that changes nothing: for people, and for the reconciler."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kgnb.stores.queue.connection import Command, RedisConnection, script
from kgnb.stores.queue.types import DeadItem, Known, QueueName, QueueState, split, task_of

NODES = "kgnb:nodes"
"""Hash: name → identity of every kgnb node that was here lately."""
NODE = "kg:nodes:"
NODE_TTL = 180
"""Seconds; fixed by the wire contract."""
ABOUT = "kgnb:about:"
"""String, by node name: what a kgnb node tells beyond the wire contract, as JSON."""
QUEUES = "kgnb:queues"
"""Set: every queue that was ever polled."""
SUSPEND = "ai:provider:suspend:"
LIMIT = "kgnb:limit:"
"""A rate limit of a provider, for all nodes: its TTL is how long nobody asks."""
SCAN_KEYS, SCANS = 5_000, 40
"""Keys that one SCAN looks at (a millisecond or two of Redis' time), and how many follow each other."""


class QueueInspector:
    """What queues hold and who is there. Every method may raise ServiceDown and ServiceRefused."""

    def __init__(self, link: RedisConnection) -> None:
        self.link = link

    async def states(self, queues: Sequence[QueueName]) -> dict[QueueName, QueueState]:
        """The counts of these queues, without touching anything."""
        replies = await self.link.trip([script("state").call(queue) for queue in queues]) if queues else []
        return {queue: QueueState(*map(int, one)) for queue, one in zip(queues, replies, strict=True)}

    async def known(self, queues: Sequence[QueueName]) -> dict[int, Known]:
        """The tasks these queues know of: item waiting, leased or dead, or chapters left."""
        known: dict[int, Known] = {}
        for queue in queues:
            for task_id, what, count in await self._facts(queue):
                one = known.setdefault(task_id, Known(queue))
                if what == "chapters":
                    one.chapters += count
                else:
                    setattr(one, what, True)
        return {
            task: one for task, one in known.items() if one.waiting or one.held or one.dead or one.chapters
        }

    async def _facts(self, queue: QueueName) -> list[tuple[int, str, int]]:
        # Leases before and after: an item that is being claimed right now is in one of the three.
        before, items, after, dead, ring = await self.link.trip(
            [
                ("HKEYS", queue.own_key("held")),
                ("LRANGE", queue, 0, -1),
                ("HKEYS", queue.own_key("held")),
                ("HKEYS", queue.own_key("dead")),
                ("LRANGE", queue.own_key("open"), 0, -1),
            ]
        )
        left = [("SCARD", f"{queue.own_key('rest')}:{task.decode()}") for task in ring]
        counts = await self.link.trip(left) if left else []
        facts = [(int(task), "chapters", int(count)) for task, count in zip(ring, counts, strict=True)]
        facts += [(task_id, "waiting", 1) for item in items if (task_id := task_of(item)) is not None]
        for members, what in (({*before, *after}, "held"), (dead, "dead")):
            facts += [(int(member[2:]), what, 1) for member in members if member.startswith(b"t:")]
        return facts

    async def waiting(self, queue: QueueName) -> list[int]:
        """The tasks whose items wait in ``queue``, each once."""
        items = await self.link.one(("LRANGE", queue, 0, -1))
        return list(dict.fromkeys(t for t in map(task_of, items) if t is not None))

    async def dead(self, queue: QueueName) -> list[DeadItem]:
        """The dead list, oldest first."""
        raw = await self.link.one(("HGETALL", queue.own_key("dead")))
        items = (DeadItem.read(queue, member, entry) for member, entry in pairs(raw).items())
        return sorted(items, key=lambda dead: dead.at)

    async def queues(self) -> list[QueueName]:
        """Every queue that a node has polled since Redis was empty last, by name."""
        return sorted(
            QueueName(queue.decode("utf-8", "replace")) for queue in await self.link.one(("SMEMBERS", QUEUES))
        )

    async def nodes(self) -> list[NodeSeen]:
        """The kgnb nodes that are here, by name."""
        names = sorted(pairs(await self.link.one(("HGETALL", NODES))))
        return await self._nodes(names, kgnb=True)

    async def others(self) -> list[NodeSeen]:
        """Nodes that aren't kgnb's (old workers), and what their slots work on.

        Walks over all keys, so ask seldom; of more than 200,000 it sees the first ones.
        """
        ours = pairs(await self.link.one(("HGETALL", NODES)))
        found = await self._keys("kg:[nw]o[dr]*", "hash")
        names = sorted(k.removeprefix(NODE) for k in found if k.startswith(NODE))
        nodes = await self._nodes([name for name in names if name not in ours], kgnb=False)
        workers = [k for k in found if k.startswith("kg:worker:")] if nodes else []
        hashes = await self.link.trip([("HGETALL", key) for key in workers]) if workers else []
        for raw in hashes:
            fields = {field: as_json(value) for field, value in pairs(raw).items()}
            for node in nodes:
                if fields.get("node_name") == node.name:
                    node.take(fields)
        return nodes

    async def _keys(self, pattern: str, kind: str) -> list[str]:
        cursor, found = 0, set()
        for _ in range(SCANS):
            reply = await self.link.one(("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_KEYS, "TYPE", kind))
            found |= {key.decode("utf-8", "replace") for key in reply[1]}
            cursor = int(reply[0])
            if not cursor:
                break
        return sorted(found)

    async def _nodes(self, names: Sequence[str], *, kgnb: bool) -> list[NodeSeen]:
        commands: list[Command] = []
        for name in names:
            commands += [("HGETALL", NODE + name), ("PTTL", NODE + name), ("GET", ABOUT + name)]
        replies = iter(await self.link.trip(commands) if commands else [])
        seen = []
        for name, (raw, left, about) in zip(names, zip(*[replies] * 3, strict=True), strict=True):
            fields = {field: as_json(value) for field, value in pairs(raw).items()}
            if fields:
                seen.append(NodeSeen.read(name, fields, left, as_json(about or b""), kgnb=kgnb))
        return seen

    async def leases(self, queues: Sequence[QueueName]) -> list[LeaseSeen]:
        """What is leased in these queues, and by which node."""
        held = [("HGETALL", queue.own_key("held")) for queue in queues]
        found = []
        for queue, raw in zip(queues, await self.link.trip(held) if held else [], strict=True):
            for member, value in pairs(raw).items():
                kind, task_id, chapter_id = split(member)
                record = as_json(value)
                if kind in {"t", "c"} and isinstance(record, dict):
                    found.append(LeaseSeen(queue, str(record.get("node")), task_id, chapter_id))
        return found


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """A lease and its holder; ``chapter_id`` is 0 for an open task's item."""

    queue: QueueName
    node: str
    task_id: int
    chapter_id: int


@dataclass(slots=True)
class NodeSeen:
    """A node as its hash tells of it; whoever wrote that may have written anything.

    ``heartbeat`` and ``started_at``: ISO 8601. ``age``: seconds since the heartbeat, by Redis' clock.
    ``slots``: per provider at most. ``shares``: the slots that each provider has here. ``busy`` and ``tasks``
    (old workers): slots that work by provider, and on what. ``kgnb``: not an old worker.
    """

    name: str
    heartbeat: Any
    age: float | None
    pid: Any
    slots: Any
    started_at: Any
    version: str
    kgnb: bool
    shares: dict[str, int] = field(default_factory=dict)
    busy: dict[str, int] = field(default_factory=dict)
    tasks: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, name: str, fields: Mapping[str, Any], left: int, about: Any, *, kgnb: bool) -> NodeSeen:
        """From its hash, the milliseconds that its key has ``left``, and what only kgnb tells."""
        told = about if isinstance(about, dict) else {}
        shares = told.get("slots")
        return cls(
            name=name,
            heartbeat=fields.get("last_heartbeat"),
            age=round(max(0.0, NODE_TTL - left / 1000), 1) if left > 0 else None,
            pid=fields.get("pid"),
            slots=fields.get("workers_per_provider"),
            started_at=fields.get("started_at"),
            version=str(told.get("version", "")),
            kgnb=kgnb,
            shares={str(k): v for k, v in shares.items() if isinstance(v, int)}
            if isinstance(shares, dict)
            else {},
        )

    def take(self, worker: Mapping[str, Any]) -> None:
        """Takes in the hash of one of its slots."""
        provider, task_id = str(worker.get("provider")), worker.get("task_id")
        self.shares[provider] = self.shares.get(provider, 0) + 1
        if isinstance(task_id, int):
            self.busy[provider] = self.busy.get(provider, 0) + 1
            self.tasks.add(task_id)


def suspensions(providers: Iterable[str]) -> list[Command]:
    """What :func:`read_suspended` reads the answers of; one key each: a cluster has them in several slots."""
    return [("GET", SUSPEND + name) for name in providers]


def read_suspended(providers: Sequence[str], answers: Sequence[Any]) -> dict[str, float]:
    """The key's presence pauses; whoever wrote it may have written anything, also what GET doesn't read.

    Raises an answer that is an error of another kind.
    """
    paused: dict[str, float] = {}
    soon = time.time() + 1
    for name, value in zip(providers, answers, strict=True):
        if value is None:
            continue
        if isinstance(value, Exception) and not str(value).startswith("WRONGTYPE"):
            raise value
        try:
            until = float(json.loads(value)["until"])
        except (ValueError, TypeError, KeyError, RecursionError):
            until = soon
        paused[name] = until if until > soon else soon
    return paused


def as_json(raw: bytes) -> Any:
    """The JSON value; None for anything else."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # written by something else
        return None


def pairs(reply: Any) -> dict[str, bytes]:
    """A hash, however this redis-py returns it."""
    flat = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    return {name.decode("utf-8", "replace"): value for name, value in flat.items()}
