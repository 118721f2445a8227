"""A look at queues and nodes that changes nothing: for people, and for the reconciler."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from kgnb.store.claim import DeadItem, Known, QueueState, task_of
from kgnb.store.link import Link, script

NODES = "kgnb:nodes"
"""Hash: name → identity of every kgnb node that was here lately."""
SUSPEND = "ai:provider:suspend:"


class Survey:
    """What queues hold and who is there. Every method may raise ServiceDown and ServiceRefused."""

    def __init__(self, link: Link) -> None:
        self.link = link

    async def states(self, queues: Sequence[str]) -> dict[str, QueueState]:
        """The counts of these queues, without touching anything."""
        replies = await self.link.trip([script("state").call(queue) for queue in queues]) if queues else []
        return {queue: QueueState(*map(int, one)) for queue, one in zip(queues, replies, strict=True)}

    async def suspended(self, providers: Sequence[str]) -> dict[str, float]:
        """The paused ones of these providers → until (epoch seconds)."""
        if not providers:
            return {}
        return read_suspended(
            providers, await self.link.one(("MGET", *(SUSPEND + name for name in providers)))
        )

    async def known(self, queues: Sequence[str]) -> dict[int, Known]:
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

    async def _facts(self, queue: str) -> list[tuple[int, str, int]]:
        tag = f"{{{queue}}}"
        # Leases before and after: an item that is being claimed right now is in one of the three.
        before, items, after, dead, ring = await self.link.trip(
            [
                ("HKEYS", f"kgnb:held:{tag}"),
                ("LRANGE", queue, 0, -1),
                ("HKEYS", f"kgnb:held:{tag}"),
                ("HKEYS", f"kgnb:dead:{tag}"),
                ("LRANGE", f"kgnb:open:{tag}", 0, -1),
            ]
        )
        left = [("SCARD", f"kgnb:rest:{tag}:{task.decode()}") for task in ring]
        counts = await self.link.trip(left) if left else []
        facts = [(int(task), "chapters", int(count)) for task, count in zip(ring, counts, strict=True)]
        facts += [(task_id, "waiting", 1) for item in items if (task_id := task_of(item)) is not None]
        for members, what in (({*before, *after}, "held"), (dead, "dead")):
            facts += [(int(member[2:]), what, 1) for member in members if member.startswith(b"t:")]
        return facts

    async def dead(self, queue: str) -> list[DeadItem]:
        """The dead list, oldest first."""
        raw = await self.link.one(("HGETALL", f"kgnb:dead:{{{queue}}}"))
        items = (DeadItem.read(queue, member, entry) for member, entry in pairs(raw).items())
        return sorted(items, key=lambda dead: dead.at)

    async def nodes(self) -> list[dict[str, Any]]:
        """The kgnb nodes that are here: name, heartbeat (ISO 8601), pid and slots of each."""
        names = sorted(pairs(await self.link.one(("HGETALL", NODES))))
        hashes = await self.link.trip([("HGETALL", f"kg:nodes:{name}") for name in names]) if names else []
        found: list[dict[str, Any]] = []
        for name, raw in zip(names, hashes, strict=True):
            fields = {field: as_json(value) for field, value in pairs(raw).items()}
            if fields:
                found.append(
                    {
                        "name": name,
                        "heartbeat": fields.get("last_heartbeat"),
                        "pid": fields.get("pid"),
                        "slots": fields.get("workers_per_provider"),
                        "started_at": fields.get("started_at"),
                    }
                )
        return found


def read_suspended(providers: Sequence[str], values: Sequence[bytes | None]) -> dict[str, float]:
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
