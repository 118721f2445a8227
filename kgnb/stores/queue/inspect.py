"""Read-only views of queues and nodes, for `kgnb status` and the reconciler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kgnb.core.errors import ServiceRefused
from kgnb.core.foreign_json import json_object, parse_json
from kgnb.stores.queue.connection import RedisConnection, mapped_errors, script_call
from kgnb.stores.queue.types import (
    Command,
    DeadItem,
    QueuedTask,
    QueueName,
    QueueState,
    parse_member,
)

NODES = "kgnb:nodes"
"""Hash: name → identity of every kgnb node that registered and hasn't left."""
NODE_PREFIX = "kg:nodes:"
NODE_TTL = 180
"""Seconds; fixed by the wire contract."""
ABOUT_PREFIX = "kgnb:about:"
"""String, by node name: JSON with what a kgnb node reports beyond the wire contract."""
QUEUES = "kgnb:queues"
"""Set: every queue that was ever polled."""
PAUSE_PREFIX = "ai:provider:suspend:"
LIMIT_PREFIX = "kgnb:limit:"
"""A provider's rate limit, shared by all nodes: it holds for the key's TTL."""
SCAN_KEYS, SCANS = 5_000, 40
"""Keys that one SCAN looks at (1-2 ms of Redis' time), and SCANs in a row at most."""


class QueueInspector:
    """Reads queues and nodes. Every method may raise ServiceDown and ServiceRefused."""

    def __init__(self, connection: RedisConnection) -> None:
        self.connection = connection

    async def states(self, queues: Sequence[QueueName]) -> dict[QueueName, QueueState]:
        """Return queue → counts of its parts; zeros and a problem for a queue with a key of the
        wrong type.
        """
        replies = await self.connection.send_each([script_call("state", queue) for queue in queues])
        return {queue: _state(reply) for queue, reply in zip(queues, replies, strict=True)}

    async def find_tasks(self, queues: Sequence[QueueName]) -> dict[int, QueuedTask]:
        """Return task id → how these queues together have its item.

        Raises ServiceRefused also where a key has another type: the queue's content is unknown then.
        """
        found: dict[int, QueuedTask] = defaultdict(QueuedTask)
        for tasks in (await self._tasks(queues)).values():
            for task_id, one in tasks.items():
                found[task_id] = found[task_id].merged(one)
        return dict(found)

    async def _tasks(self, queues: Sequence[QueueName]) -> dict[QueueName, dict[int, QueuedTask]]:
        """Return, for each queue, task id → how it has the task's item."""
        replies = await self.connection.send([script_call("tasks", queue) for queue in queues])
        return {
            queue: {int(task_id): QueuedTask(item, *map(bool, how)) for task_id, item, *how in reply}
            for queue, reply in zip(queues, replies, strict=True)
        }

    async def dead_items(self, queue: QueueName) -> list[DeadItem]:
        """Return the queue's dead items, tasks and chapters, oldest first; [] for none."""
        raw = await self.connection.send_one(("HGETALL", queue.own_key("dead")))
        items = (DeadItem.read(queue, member, entry) for member, entry in hash_fields(raw).items())
        return sorted(items, key=lambda dead: dead.at)

    async def unanswered_queues(self, queues: Sequence[QueueName], task_id: int) -> list[QueueName]:
        """Return those of ``queues`` in which a node has leased a fresh item of the task, and may be about to
        open it (which starts a paused task).
        """
        found = await self._tasks(queues)
        return [queue for queue, tasks in found.items() if tasks.get(task_id, QueuedTask()).asked]

    async def polled_queues(self) -> list[QueueName]:
        """Return every queue that a node has polled since Redis was last empty, sorted by name."""
        found = await self.connection.send_one(("SMEMBERS", QUEUES))
        return sorted(QueueName(queue.decode("utf-8", "replace")) for queue in found)

    async def nodes(self) -> list[NodeInfo]:
        """Return the kgnb nodes that are alive, sorted by name; no old workers."""
        names = sorted(hash_fields(await self.connection.send_one(("HGETALL", NODES))))
        return [node for node in await self.nodes_named(names) if node.kgnb]

    async def foreign_nodes(self) -> list[NodeInfo]:
        """Return the live nodes that aren't kgnb's (old workers), with the tasks of their slots.

        Scans all keys, at most the first 200,000: call it rarely.
        """
        found = await self._keys("kg:[nw]o[dr]*", "hash")
        names = [k.removeprefix(NODE_PREFIX) for k in found if k.startswith(NODE_PREFIX)]
        nodes = [node for node in await self.nodes_named(names) if not node.kgnb]
        workers = [k for k in found if k.startswith("kg:worker:")] if nodes else []
        for raw in await self.connection.send([("HGETALL", key) for key in workers]):
            fields = {field: parse_json(value) for field, value in hash_fields(raw).items()}
            for node in nodes:
                if fields.get("node_name") == node.name:
                    node.add_slot(fields)
        return nodes

    async def waiting_queues(self, prefixes: Sequence[str]) -> dict[int, QueueName]:
        """Return task id → queue in which its item waits, for all queues under ``prefixes``, also those that
        no node ever polled.

        Scans like :meth:`foreign_nodes`. Lists with a colon in the provider's name are left out: they are
        another program's.
        """
        lists = [(prefix, key) for prefix in prefixes for key in await self._keys(f"{prefix}*", "list")]
        queues = [QueueName(key) for prefix, key in lists if ":" not in key.removeprefix(prefix)]
        found = await self._tasks(queues)
        return {task_id: queue for queue in queues for task_id, one in found[queue].items() if one.item}

    async def _keys(self, pattern: str, kind: str) -> list[str]:
        """Return the keys of this pattern and kind on all servers, sorted; of very many only the first."""
        found = set()
        with mapped_errors(self.connection.where):
            servers: list[Any] = await self.connection.masters()  # redis-py leaves execute_command untyped
            for server in servers:
                cursor = 0
                for _ in range(SCANS):
                    command = ("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_KEYS, "TYPE", kind)
                    reply = await server.execute_command(*command)
                    found |= {key.decode("utf-8", "replace") for key in reply[1]}
                    cursor = int(reply[0])
                    if not cursor:
                        break
        return sorted(found)

    async def foreign_tasks(self) -> set[int]:
        """Return the ids of the tasks that live old workers have in their slots. Scans like
        :meth:`foreign_nodes`.
        """
        return {task_id for node in await self.foreign_nodes() for task_id in node.tasks}

    async def nodes_named(self, names: Sequence[str]) -> list[NodeInfo]:
        """Return the nodes with these names that are alive, kgnb's and others, in the order of ``names``."""
        of_node = ("HGETALL", NODE_PREFIX), ("PTTL", NODE_PREFIX), ("GET", ABOUT_PREFIX)
        commands: list[Command] = [(read, prefix + name) for name in names for read, prefix in of_node]
        replies = iter(await self.connection.send(commands))
        seen = []
        for name, (raw, left, about) in zip(names, zip(*[replies] * 3, strict=True), strict=True):
            fields = {field: parse_json(value) for field, value in hash_fields(raw).items()}
            if fields:
                seen.append(NodeInfo.read(name, fields, left, json_object(about)))
        return seen

    async def leases(self, queues: Sequence[QueueName]) -> list[LeaseInfo]:
        """Return the leases in these queues, each with its node, task id and chapter id (0 for a task's).

        A dead node's are among them until the next poll after their end.
        """
        found = []
        held = await self.connection.send([("HGETALL", queue.own_key("held")) for queue in queues])
        for queue, raw in zip(queues, held, strict=True):
            for member, value in hash_fields(raw).items():
                kind, task_id, chapter_id = parse_member(member)
                record = parse_json(value)
                if kind in {"t", "c"} and isinstance(record, dict):
                    found.append(LeaseInfo(queue, str(record.get("node")), task_id, chapter_id))
        return found


def _state(reply: Any) -> QueueState:
    """Return a queue's counts; for an error zeros and the problem."""
    if isinstance(reply, ServiceRefused):
        return QueueState(problem=str(reply))
    return QueueState(*map(int, reply))


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """A lease and its holder; ``chapter_id`` is 0 for an open task's item."""

    queue: QueueName
    node: str
    task_id: int
    chapter_id: int


@dataclass(slots=True)
class NodeInfo:
    """A node as its hash describes it; fields typed Any may hold whatever somebody wrote there."""

    name: str
    heartbeat: Any  # ISO 8601, like started_at
    age: float | None  # seconds since the heartbeat, by Redis' clock
    pid: Any
    slots: Any  # of each provider at most
    started_at: Any
    version: str
    kgnb: bool  # False for an old worker
    shares: dict[str, int] = field(default_factory=dict)  # provider → its slots here
    busy: dict[str, int] = field(default_factory=dict)  # provider → busy slots (old workers only)
    tasks: set[int] = field(default_factory=set)  # what these work on
    down: dict[str, str] = field(default_factory=dict)  # services that it waits for ("sql", "bolt") → why

    @classmethod
    def read(cls, name: str, fields: Mapping[str, Any], left: int, about: Mapping[str, Any]) -> NodeInfo:
        """Return the node in the ``fields`` of its hash; ``left``: TTL of its key in ms, ``about``: facts
        that only kgnb nodes report, {} for others.

        ``kgnb`` is False if the pids in both differ: an old worker took the name of a kgnb node that died a
        moment ago.
        """
        shares = json_object(about.get("slots"))
        return cls(
            name=name,
            heartbeat=fields.get("last_heartbeat"),
            age=round(max(0.0, NODE_TTL - left / 1000), 1) if left > 0 else None,
            pid=fields.get("pid"),
            slots=fields.get("workers_per_provider"),
            started_at=fields.get("started_at"),
            version=str(about.get("version", "")),
            kgnb=bool(about) and about.get("pid") in (None, fields.get("pid")),
            shares={str(provider): n for provider, n in shares.items() if isinstance(n, int)},
            down={service: str(why) for service, why in json_object(about.get("down")).items()},
        )

    def add_slot(self, worker: Mapping[str, Any]) -> None:
        """Add the hash of one of its slots."""
        provider, task_id = str(worker.get("provider")), worker.get("task_id")
        self.shares[provider] = self.shares.get(provider, 0) + 1
        if isinstance(task_id, int):
            self.busy[provider] = self.busy.get(provider, 0) + 1
            self.tasks.add(task_id)


def hash_fields(reply: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """Return a Redis hash with its field names as text."""
    return {name.decode("utf-8", "replace"): value for name, value in reply.items()}
