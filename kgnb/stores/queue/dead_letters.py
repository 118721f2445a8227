"""What commands on tasks need of the queues: removing dead entries, and who still holds a task."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kgnb.stores.queue.connection import RedisConnection
from kgnb.stores.queue.types import Command, DeadItem, QueueName


async def remove_dead_items(connection: RedisConnection, items: Iterable[DeadItem]) -> int:
    """Take entries off the dead lists, starting nothing; return how many were still there."""
    wanted = list(items)
    removals: list[Command] = [("HDEL", i.queue.own_key("dead"), i.member) for i in wanted]
    confirmations: list[Command] = [("SREM", i.queue.own_key("untold"), i.member) for i in wanted]
    replies = await connection.send([*removals, *confirmations])
    return sum(map(int, replies[: len(removals)]))


async def is_leased(connection: RedisConnection, queues: Iterable[QueueName], task_id: int) -> bool:
    """Whether any node holds the task or one of its chapters, by a lease that hasn't run out."""
    names = list(queues)
    if not names:
        return False
    seconds, micro = await connection.send_one(("TIME",))
    now = int(seconds) * 1_000 + int(micro) // 1_000
    commands: list[Command] = [("ZRANGEBYSCORE", q.own_key("lease"), f"({now}", "+inf") for q in names]
    members = [member.decode("utf-8", "replace") for one in await connection.send(commands) for member in one]
    return any(m == f"t:{task_id}" or m.startswith(f"c:{task_id}:") for m in members)


async def unanswered_queues(
    connection: RedisConnection, queues: Iterable[QueueName], task_id: int
) -> list[QueueName]:
    """Return the queues where a node holds a fresh item of the task: opening it starts a paused task."""
    names = list(queues)
    commands: list[Command] = [("HGET", q.own_key("held"), f"t:{task_id}") for q in names]
    held = await connection.send(commands)
    return [q for q, raw in zip(names, held, strict=True) if raw is not None and _is_fresh(json.loads(raw))]


def _is_fresh(record: dict[str, Any]) -> bool:
    """The same rule as common.lua's."""
    return not record["opened"] or int(record["asked"]) > int(record["answered"])
