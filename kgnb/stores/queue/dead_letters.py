"""The dead lists of all queues: where they are, and taking entries off without starting anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kgnb.stores.queue.connection import Command, RedisConnection
from kgnb.stores.queue.types import DeadItem, QueueName


async def take_off(link: RedisConnection, items: Iterable[DeadItem]) -> int:
    """Takes entries off the dead lists; returns how many were still there."""
    wanted = list(items)
    commands: list[Command] = [("HDEL", i.queue.own_key("dead"), i.member) for i in wanted]
    commands += [("SREM", i.queue.own_key("untold"), i.member) for i in wanted]
    replies = await link.trip(commands) if commands else []
    return sum(map(int, replies[: len(wanted)]))


async def leased(link: RedisConnection, queues: Iterable[QueueName], task_id: int) -> bool:
    """Whether any node holds the task or one of its chapters, by a lease that hasn't run out."""
    names = list(queues)
    if not names:
        return False
    seconds, micro = await link.one(("TIME",))
    now = int(seconds) * 1_000 + int(micro) // 1_000
    commands: list[Command] = [("ZRANGEBYSCORE", q.own_key("lease"), f"({now}", "+inf") for q in names]
    own = (f"t:{task_id}", f"c:{task_id}:")
    members = [member.decode("utf-8", "replace") for one in await link.trip(commands) for member in one]
    return any(member == own[0] or member.startswith(own[1]) for member in members)


async def asked_in(link: RedisConnection, queues: Iterable[QueueName], task_id: int) -> list[QueueName]:
    """The queues where a task's item is held and not answered yet: whoever opens it starts a paused task."""
    names = list(queues)
    commands: list[Command] = [("HGET", q.own_key("held"), f"t:{task_id}") for q in names]
    held = await link.trip(commands) if commands else []
    return [q for q, raw in zip(names, held, strict=True) if raw is not None and _is_fresh(json.loads(raw))]


def _is_fresh(record: dict[str, Any]) -> bool:
    """As common.lua has it."""
    return not record["opened"] or int(record["asked"]) > int(record["answered"])
