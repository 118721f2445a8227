"""Moves a queue's waiting items to another queue, in their order."""

from __future__ import annotations

import json

from kgnb.stores.queue.connection import Command, RedisConnection, script
from kgnb.stores.queue.types import QueueName, task_of

MOVED_AT_ONCE = 200
"""Items of one round trip: at most 13 MB."""


async def move(link: RedisConnection, source: QueueName, target: QueueName) -> list[int]:
    """See :meth:`kgnb.stores.queue.store.Queue.move`."""
    found: list[bytes] = await link.one(("LRANGE", source, 0, -1))
    oldest_first = found if source.oldest_left else found[::-1]
    items = [(item, task) for item in oldest_first if (task := task_of(item)) is not None]
    for start in range(0, len(items), MOVED_AT_ONCE):
        part = items[start : start + MOVED_AT_ONCE]
        texts = [_renamed(item, target.provider_key) for item, _ in part]
        await link.one(("RPUSH" if source.oldest_left else "LPUSH", target, *texts))
        # Each is the oldest that is left: looked for from that end it is found at once.
        taken: list[Command] = [("LREM", source, 1 if source.oldest_left else -1, item) for item, _ in part]
        await link.trip([*taken, script("forget").call(source, *{task: None for _, task in part})])
    return list(dict.fromkeys(task for _, task in items))


def _renamed(item: bytes, provider: str) -> bytes:
    """The item with this provider."""
    try:
        return json.dumps(json.loads(item) | {"provider": provider}, separators=(",", ":")).encode()
    except RecursionError:  # it could be read, just so
        return item
