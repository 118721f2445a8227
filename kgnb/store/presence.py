"""Who is there: a node's name, the hashes that main draws its tab from, progress messages.

Every hash field is a JSON document (wire contract), so a name is stored with its quotes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kgnb.store.link import Command, Link, Script, script

NODE_TTL = 180
WORKER_TTL = 7200
"""Seconds; fixed by the wire contract."""

_IDS = "kgnb:ids"

# Takes a name over only from the very owner that was judged dead.
_REPLACE = Script.of(
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
    "redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1"
)
_REMOVE = Script.of(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)


@dataclass(frozen=True, slots=True)
class NodeCard:
    """What main shows of a node."""

    workers_per_provider: int
    pid: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """What main shows of one working slot, or of an open task that no slot names.

    ``start_time`` is in epoch seconds; without ``task_id`` the slot is idle.
    """

    id: int
    provider: str
    task_id: int | None = None
    start_time: float | None = None


def _hash(fields: Mapping[str, object]) -> list[str]:
    return [part for name, value in fields.items() for part in (name, json.dumps(value, ensure_ascii=False))]


class Presence:
    """One node's entry among the others. ``node`` is its name once claimed."""

    def __init__(self, link: Link, node: str) -> None:
        self._link = link
        self.node = node
        self._identity = ""
        self._workers: set[int] = set()

    async def token(self) -> int:
        """A number above all given before by any node, also after the server lost its data."""
        return (await self.new_worker_ids(1))[0]

    async def new_worker_ids(self, count: int) -> list[int]:
        """``count`` numbers that no other node has, each fit for ``kg:worker:<id>``."""
        first = int(await self._link.one(script("tokens").call(_IDS, count)))
        return list(range(first, first + count))

    async def claim_node_name(
        self,
        wanted: str,
        identity: Mapping[str, Any],
        is_dead: Callable[[dict[str, Any]], bool] = lambda _: False,
    ) -> str:
        """Takes ``wanted`` as this node's name, or ``wanted-2``, ``-3`` … while live nodes hold those.

        ``identity`` is stored with the name; ``is_dead`` judges the identity of a present owner (a process of
        this machine that is gone, say), whose name is then taken over. Leases under the claimed name are a dead
        predecessor's: see Queue.forget_node.
        """
        mine = json.dumps({**identity, "claimed": time.time()}, ensure_ascii=False, sort_keys=True)
        number = 1
        while not await self._take(name := wanted if number == 1 else f"{wanted}-{number}", mine, is_dead):
            number += 1
        self.node, self._identity = name, mine
        return name

    async def _take(self, name: str, mine: str, is_dead: Callable[[dict[str, Any]], bool]) -> bool:
        key = f"kgnb:node:{name}"
        taken, owner = await self._link.trip([("SET", key, mine, "NX", "EX", NODE_TTL), ("GET", key)])
        if taken:
            return True
        try:
            identity = json.loads(owner)
        except (TypeError, ValueError):  # gone between the two, or written by something else
            return False
        if not isinstance(identity, dict) or not is_dead(identity):
            return False
        return bool(await self._link.one(("EVAL", _REPLACE.source, 1, key, owner, mine, NODE_TTL)))

    async def heartbeat(self, card: NodeCard, workers: Sequence[WorkerCard]) -> None:
        """Writes this node's hashes, in one round trip. Slots written before and absent now are removed.

        The first commands are those that name tasks and the last those that remove, so that an open task is
        named by a hash at every moment.
        """
        now = time.time()
        ordered = sorted(workers, key=lambda worker: worker.task_id is None)
        commands = [command for worker in ordered for command in self._worker(worker, card.pid, now)]
        commands += self._node(card)
        present = {worker.id for worker in workers}
        commands += [("DEL", f"kg:worker:{gone}") for gone in self._workers - present]
        self._workers |= present  # should the trip fail midway, leave() knows of all
        await self._link.trip(commands)
        self._workers = present

    def _node(self, card: NodeCard) -> list[Command]:
        key = f"kg:nodes:{self.node}"
        fields = {
            "node_id": self.node,
            "node_type": "worker",
            "workers_per_provider": card.workers_per_provider,
            "pid": card.pid,
            "started_at": card.started_at.isoformat(),
            "last_heartbeat": datetime.now(card.started_at.tzinfo).isoformat(),
        }
        commands: list[Command] = [("HSET", key, *_hash(fields)), ("EXPIRE", key, NODE_TTL)]
        if self._identity:
            commands.append(("SET", f"kgnb:node:{self.node}", self._identity, "EX", NODE_TTL))
        return commands

    def _worker(self, worker: WorkerCard, pid: int, now: float) -> list[Command]:
        key = f"kg:worker:{worker.id}"
        fields: dict[str, object] = {
            "provider": worker.provider,
            "pid": pid,
            "node_name": self.node,
            "last_heartbeat": now,
        }
        if worker.task_id is None:
            idle: list[Command] = [("HDEL", key, "task_id", "start_time")]
        else:
            idle = []
            fields |= {"task_id": worker.task_id, "start_time": worker.start_time or now}
        return [("HSET", key, *_hash(fields)), *idle, ("EXPIRE", key, WORKER_TTL)]

    async def leave(self) -> None:
        """Removes everything this node wrote about itself."""
        commands: list[Command] = [("DEL", f"kg:worker:{worker}") for worker in self._workers]
        commands.append(("DEL", f"kg:nodes:{self.node}"))
        commands.append(("EVAL", _REMOVE.source, 1, f"kgnb:node:{self.node}", self._identity))
        await self._link.trip(commands)
        self._workers = set()

    async def publish_progress(self, channel: str, payload: Mapping[str, Any]) -> None:
        """Publishes one message as JSON."""
        await self._link.one(("PUBLISH", channel, json.dumps(payload, ensure_ascii=False)))
