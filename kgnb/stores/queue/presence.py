"""Node names, heartbeats (the hashes behind main's "Worker nodes" tab) and progress messages.

Every hash field that main reads is a JSON document (wire contract), so a name is stored with its quotes.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from kgnb import __version__
from kgnb.core.event_loop import at_once
from kgnb.core.foreign_json import parse_json
from kgnb.core.messages import say
from kgnb.core.model import Progress, TaskStatus, beijing_now
from kgnb.stores.process_id import ProcessId, host_id, identify, is_alive
from kgnb.stores.queue.inspect import ABOUT_PREFIX, NODE_TTL, NODES, NodeInfo, hash_fields
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Command

log = logging.getLogger(__name__)

WORKER_TTL = 7200
"""Seconds; fixed by the wire contract."""

# An old worker that took the name since then has another pid.
_REMOVE_SHOWN = (
    "if redis.call('HGET', KEYS[1], 'pid') == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
# Compare and set: a name is taken over only from the owner that was read before.
_REPLACE = (
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1"
)
_REMOVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_KEEP = (
    "local owner = redis.call('GET', KEYS[1]) if owner and owner ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) return 1"
)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What main shows of one slot, or of an open task that no slot names."""

    id: int
    provider: str
    task_id: int | None = None  # None: the slot is idle
    since: float | None = None  # start of its task in epoch seconds
    kept: bool = False  # no slot names the task


class Presence:
    """One node's registration among the others."""

    def __init__(self, queue: Queue, identity: str = "") -> None:
        self.queue = queue
        self._connection = queue.connection
        self._identity = identity or new_identity()
        self._requested_name = ""
        self._written: dict[int, WorkerState | None] = {}  # slots' states in Redis; None = unknown

    # --- names

    async def claim_name(self, wanted: str) -> str:
        """Take ``wanted`` as this node's name, or the first of ``wanted-2``, ``-3`` … that no live node has
        (old workers count); return the name.

        A name whose process on this machine is gone is taken over. Leases under the claimed name are a dead
        predecessor's and end at once. Raises ServiceDown, ServiceRefused.
        """
        self._requested_name = wanted
        number = 1
        while not await self._take(name := wanted if number == 1 else f"{wanted}-{number}"):
            number += 1
        self.queue.node = name
        listing: Command = ("HSET", NODES, name, self._identity)
        await at_once(self._connection.send_one(listing), self.queue.forget_node(name))
        return name

    async def _take(self, name: str) -> bool:
        """Take a name for this node; return False if a live node has it."""
        if any(not node.kgnb for node in await self.queue.nodes_named([name])):
            return False
        key, mine = f"kgnb:node:{name}", self._identity
        taken, owner = await self._connection.send([("SET", key, mine, "NX", "EX", NODE_TTL), ("GET", key)])
        if taken or owner == mine.encode():  # the latter: by an earlier try whose reply was lost
            return True
        if owner is None or _is_alive(owner) is not False:
            return False
        return bool(await self._connection.send_one(("EVAL", _REPLACE, 1, key, owner, mine, NODE_TTL)))

    async def forget_dead_neighbours(self) -> int:
        """End the leases of the nodes whose process on this machine is gone; return the number of ended
        leases.
        """
        raw = hash_fields(await self._connection.send_one(("HGETALL", NODES)))
        names = [name for name in raw if name != self.queue.node]
        owners = await self._connection.send([("GET", f"kgnb:node:{name}") for name in names])
        ended = 0
        for name, owner in zip(names, owners, strict=True):
            dead_here = _is_alive(identity := owner or raw[name]) is False
            if owner is not None and not dead_here:
                continue
            commands: list[Command] = [("HDEL", NODES, name)]
            if dead_here:  # elsewhere it has run out, and its other keys with it
                ended += await self.queue.forget_node(name)
                commands += self._removals(name, identity)
            await self._connection.send(commands)
        return ended

    # --- main's tab

    async def heartbeat(
        self,
        *,
        workers: Sequence[WorkerState],
        started_at: datetime,
        slots: int,
        down: Mapping[str, str] = MappingProxyType({}),
        anew: bool = True,
    ) -> None:
        """Write this node's hashes in one round trip; remove slots that were written before and are gone.

        ``down``: the services that it waits for, and why.

        Without ``anew`` only slots that changed are written. Commands that name tasks come first and those
        that remove come last, so that a hash names each open task at every moment.
        """
        changed = [worker for worker in workers if anew or self._written.get(worker.id) != worker]
        ordered = sorted(changed, key=lambda worker: worker.task_id is None)
        commands = [command for worker in ordered for command in self._worker_commands(worker)]
        keep_name_at = len(commands)
        commands += self._node_commands(started_at, slots)
        commands.append(self._about_command(workers, slots, down))
        present = {worker.id: worker for worker in workers}
        commands += [("DEL", f"kg:worker:{gone}") for gone in self._written.keys() - present.keys()]
        self._written |= dict.fromkeys(present)  # should the call fail midway, leave() removes all
        kept, self.queue.node_count = (await self._connection.send(commands))[keep_name_at:][:2]
        self._written = {**present} if kept else dict.fromkeys(present)
        if not kept:  # frozen for so long that another node has taken the name
            log.warning(say("node.renamed", name=self.queue.node))
            await self.claim_name(self._requested_name)

    def _node_commands(self, started_at: datetime, slots: int) -> list[Command]:
        """Return the commands of a node's heartbeat."""
        name = self.queue.node
        key = f"kg:nodes:{name}"
        fields = {
            "node_id": name,
            "node_type": "worker",
            "workers_per_provider": slots,
            "pid": os.getpid(),
            "started_at": started_at.isoformat(),
            "last_heartbeat": datetime.now(started_at.tzinfo).isoformat(),
        }
        return [  # the reply to the first one says whether the name is still this node's
            ("EVAL", _KEEP, 1, f"kgnb:node:{name}", self._identity, NODE_TTL),
            ("HLEN", NODES),
            ("HSET", key, *_hash(fields)),
            ("EXPIRE", key, NODE_TTL),
            ("HSET", NODES, name, self._identity),
            *self.queue.register_commands(),
        ]

    def _about_command(self, workers: Sequence[WorkerState], slots: int, down: Mapping[str, str]) -> Command:
        """Return the command that reports what is beyond the wire contract: version, the providers' slots,
        outages.
        """
        shown = Counter(worker.provider for worker in workers if not worker.kept)
        # More chapters may be in flight: read ahead, or written while their slot has the next one.
        shares = {provider: min(number, slots) for provider, number in shown.items()}
        about = {"version": __version__, "slots": shares, "pid": os.getpid(), "down": dict(down)}
        text = json.dumps(about, ensure_ascii=False)
        return ("SET", ABOUT_PREFIX + self.queue.node, text, "EX", NODE_TTL)

    def _worker_commands(self, worker: WorkerState) -> list[Command]:
        """Return the commands that show one slot, with its task or idle."""
        key = f"kg:worker:{worker.id}"
        now = time.time()
        fields: dict[str, object] = {
            "provider": worker.provider,
            "pid": os.getpid(),
            "node_name": self.queue.node,
            "last_heartbeat": now,
        }
        if worker.task_id is not None:
            fields |= {"task_id": worker.task_id, "start_time": worker.since or now}
        commands: list[Command] = [("HSET", key, *_hash(fields)), ("EXPIRE", key, WORKER_TTL)]
        if worker.task_id is None:
            commands.append(("HDEL", key, "task_id", "start_time"))
        return commands

    async def leave(self) -> None:
        """Remove everything this node wrote about itself."""
        name = self.queue.node
        commands: list[Command] = [("DEL", f"kg:worker:{worker}") for worker in self._written]
        identity = self._identity.encode()
        if await self._connection.send_one(("GET", f"kgnb:node:{name}")) == identity:
            commands += [("HDEL", NODES, name), *self._removals(name, identity)]
        await self._connection.send(commands)
        self._written = {}

    def _removals(self, name: str, identity: bytes) -> list[Command]:
        """Return the commands that remove a node, if it still has this identity."""
        return [
            ("EVAL", _REMOVE_SHOWN, 1, f"kg:nodes:{name}", parse_json(identity)["pid"]),
            ("DEL", ABOUT_PREFIX + name),
            ("EVAL", _REMOVE, 1, f"kgnb:node:{name}", identity),
        ]

    async def publish(
        self, channel: str, task_id: int, progress: Progress, status: TaskStatus = TaskStatus.RUNNING
    ) -> None:
        """Publish a task's progress (wire contract: kg:progress)."""
        payload = {
            "type": "kg_task_progress",
            "task_id": task_id,
            "status": status.value,
            "progress": progress.percent,
            "completed_chapters": progress.completed,
            "failed_chapters": progress.failed,
            "total_chapters": progress.total,
            "updated_at": beijing_now().isoformat(),
        }
        await self._connection.send_one(("PUBLISH", channel, json.dumps(payload)))


def new_identity() -> str:
    """Return a unique identity for a node, as JSON text: its machine, pid, the process's start, and
    the time.
    """
    process = identify(os.getpid())
    start = process.start if process else ""
    # `claimed` distinguishes two nodes of one process (a notebook's second run).
    parts = {"host": host_id(), "pid": os.getpid(), "start": start, "claimed": time.time_ns()}
    return json.dumps(parts, sort_keys=True)


async def local_nodes(queue: Queue) -> list[NodeInfo]:
    """Return the live kgnb nodes whose process is on this machine and in this container, sorted by name."""
    owners = hash_fields(await queue.connection.send_one(("HGETALL", NODES)))
    return [node for node in await queue.nodes() if _is_alive(owners.get(node.name, b""))]


def _is_alive(identity: bytes) -> bool | None:
    """Return whether the identity's process lives; None where this machine can't know."""
    owner = parse_json(identity)
    if not isinstance(owner, dict) or owner.get("host") != host_id():
        return None
    pid, start = owner.get("pid"), owner.get("start")
    if not (isinstance(pid, int) and isinstance(start, str)):
        return None
    return is_alive(ProcessId(pid, start))


def _hash(fields: Mapping[str, object]) -> list[str]:
    """Return [name, JSON value, name, …] of fields, as HSET takes them."""
    return [part for name, value in fields.items() for part in (name, json.dumps(value, ensure_ascii=False))]
