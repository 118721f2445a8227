"""Claims and acknowledgements through the Lua queue, in batches, as many nodes would send them.

    python bench/claims.py [--chapters 100000] [--batch 200] [--tasks 10] [--clients 2] [--outside]

Prints one JSON object: ``pairs_per_s``, chapters claimed and acknowledged by all clients together, which
share the cores with Redis; ``server_us``, Redis's own time for one claim and one acknowledgement, and
``server_pairs_per_s``, what it could do if its clients had cores of their own.
With ``--outside`` on the server that REDIS_HOST names, which is emptied; else on the embedded Valkey.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import time
from concurrent.futures import ProcessPoolExecutor

import redis
from kit import argument_parser, redis_url, run, tell
from pydantic import SecretStr

from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import Claim, ClaimRequest, QueueName

KEY = QueueName("kg:task:queue:bench")


def main() -> None:
    args = arguments()
    with redis_url(args.outside) as url:
        tell(measure(url, args))


def measure(url: str, args: argparse.Namespace) -> dict[str, object]:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        run(fill(url, args.tasks, args.chapters // args.tasks))
        before = spent(client)
        began = time.perf_counter()
        with ProcessPoolExecutor(args.clients) as pool:
            done = sum(pool.map(work, [url] * args.clients, [args.batch] * args.clients))
        took = time.perf_counter() - began
        used = spent(client) - before
    assert done == args.chapters, done
    return {
        "chapters": done,
        "clients": args.clients,
        "pairs_per_s": round(done / took),
        "server_us": round(used / done, 2),
        "server_pairs_per_s": round(1e6 * done / used),
    }


def spent(client: redis.Redis) -> int:
    """Microseconds of the server's processor that scripts took so far."""
    return sum(s["usec"] for name, s in client.info("commandstats").items() if re.search("evalsha", name))


async def fill(url: str, tasks: int, chapters: int) -> None:
    """Opens tasks with their chapters listed."""
    queue = made(url)
    for task in range(1, tasks + 1):
        await queue.push(KEY, task)
        (claim,) = (await queue.poll([ClaimRequest(KEY, tasks=1)])).claims
        assert await queue.open_task(claim, range(task * 1_000_000, task * 1_000_000 + chapters))
    await queue.close()


def work(url: str, batch: int) -> int:
    """One client's share, in a process of its own."""
    return int(run(drain(url, batch)))


async def drain(url: str, batch: int) -> int:
    """Claims a batch while the one before is acknowledged, until nothing is left."""
    queue, done = made(url), 0
    held: list[Claim] = []
    while True:
        acking = asyncio.ensure_future(queue.ack(held))
        poll = await queue.poll([ClaimRequest(KEY, chapters=batch)])
        assert all(await acking)
        done += len(held)
        held = poll.claims
        if not held:
            await queue.close()
            return done


def made(url: str) -> Queue:
    return Queue(SecretStr(url), node=f"bench-{os.getpid()}", lease_seconds=60)


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--chapters", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=200, help="claims and acknowledgements in one call")
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--clients", type=int, default=2, help="processes")
    parser.add_argument("--outside", action="store_true", help="on REDIS_HOST, which is emptied")
    return parser.parse_args()


if __name__ == "__main__":
    main()
