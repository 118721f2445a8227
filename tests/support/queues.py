"""What the queue's tests share: nodes on one server, and the moves they make."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, Literal

from pydantic import SecretStr

from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim, ClaimRequest, PollResult, QueueName

NEW = QueueName("kg:task:queue:openai")
OLD = QueueName("kg:ai_queue:openai")

Maker = Callable[..., Queue]


@asynccontextmanager
async def nodes_on(redis_url: str) -> AsyncIterator[Maker]:
    """Makes nodes and closes them."""
    made: list[Queue] = []

    def one(node: str = "a", *, lease: float = 30.0, hold: float = 900.0, cap: int = 20) -> Queue:
        made.append(
            Queue(SecretStr(redis_url), node=node, lease_seconds=lease, hold_seconds=hold, max_open_tasks=cap)
        )
        return made[-1]

    yield one
    for queue in made:
        await queue.close()


@asynccontextmanager
async def closed(renewer: LeaseRenewer) -> AsyncIterator[None]:
    """Closes the connection of a renewer whose thread isn't started."""
    yield
    await renewer.connection.close()


def claim_of(task: int, chapter: int = 0, key: QueueName = NEW) -> Claim:
    """A claim of a chapter, or of the task itself, that was given just now."""
    kind: Literal["task", "chapter"] = "chapter" if chapter else "task"
    given = {"fresh": False, "alone": False, "asked": 0, "sent_at": time.monotonic()}
    return Claim(key, kind, task, chapter, token=1, deliveries=1, failures=0, **given)


async def take(queue: Queue, key: QueueName = NEW, **wants: Any) -> PollResult:
    return await queue.poll([ClaimRequest(key, **wants)])


async def opened(queue: Queue, task_id: int, chapters: int, key: QueueName = NEW, *, first: int = 1) -> Claim:
    """A task that was pushed, claimed and opened with so many chapters."""
    await queue.push(key, task_id)
    (claim,) = (await take(queue, key, tasks=1)).claims
    assert claim.task_id == task_id
    assert await queue.open_task(claim, range(first, first + chapters))
    return claim


async def die(queue: Queue, **wants: Any) -> list[Claim]:
    """Claims, and dies with what it got; the next poll reaps it."""
    claims = (await take(queue, **wants)).claims
    await queue.forget_node(queue.node)
    return claims


async def fail_for_good(queue: Queue, claim: Claim, reason: str = "broken") -> None:
    """The claim fails for the last time: its earlier failures are made up."""
    held = claim.queue.own_key("held")
    record = json.loads(await queue.connection.client.hget(held, claim.member))
    await queue.connection.client.hset(held, claim.member, json.dumps(record | {"failures": 2}))
    assert await queue.fail(claim, reason) == "dead"


async def items(queue: Queue, key: QueueName = NEW) -> list[dict[str, Any]]:
    """The waiting items, next in line first."""
    found = [json.loads(raw) for raw in await queue.connection.client.lrange(key, 0, -1)]
    return found if key == OLD else found[::-1]


async def old_worker(queue: Queue, name: str, task_id: int) -> None:
    """An old worker shows itself, at work on a task."""
    node = {"node_id": f'"{name}"', "node_type": '"worker"', "workers_per_provider": "2", "pid": "7"}
    await queue.connection.send_one(("HSET", f"kg:nodes:{name}", *chain(*node.items())))
    slot = {"provider": '"openai"', "pid": "8", "node_name": f'"{name}"', "task_id": str(task_id)}
    await queue.connection.send_one(("HSET", f"kg:worker:{task_id}", *chain(*slot.items())))


def ids(poll: PollResult) -> list[tuple[int, int]]:
    return [(c.task_id, c.chapter_id) for c in poll.claims]


async def until_expired(claim: Claim, lease: float) -> None:
    """Waits for the server's clock to pass the end of the lease."""
    await asyncio.sleep(max(0.0, claim.sent_at + lease - time.monotonic()) + 0.1)


async def let_pass(seconds: float, queue: Queue) -> None:
    """As if so much time had passed on the server: what lasts for longer than a test may stand still ends."""
    client = queue.connection.client
    for key in (NEW.own_key("lease"), NEW.own_key("later")):
        for member, at in await client.zrange(key, 0, -1, withscores=True):
            await client.zadd(key, {member: at - 1_000 * seconds})


async def seconds_left(claim: Claim, queue: Queue) -> float:
    """Until the lease ends, by the server's clock."""
    async with queue.connection.client.pipeline(transaction=True) as both:
        (seconds, micros), end = (
            await both.time().zscore(claim.queue.own_key("lease"), claim.member).execute()
        )
    return float(end / 1_000 - seconds - micros / 1_000_000)


def aged(claim: Claim, seconds: float) -> Claim:
    """The same lease as if its node had it for so much longer."""
    return replace(claim, sent_at=claim.sent_at - seconds)
