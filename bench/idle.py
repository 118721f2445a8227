"""What a node costs that has nothing to do: Redis round trips, connections, processor time.

    eval "$(scripts/services.sh start redis)"; python bench/idle.py [--seconds 20]

Empties the Redis that REDIS_HOST names and starts a `kgnb worker` with two slots on it, other engines
embedded; waits until it looks as seldom as it will, and counts. Prints one JSON object: ``trips_per_s``,
``connections`` (the most at once, its start included), ``cpu_percent`` of one core.
"""

from __future__ import annotations

import subprocess
import sys
import time

import redis
from kit import (
    argument_parser,
    cpu_seconds,
    data_folder,
    dryrun,
    environment,
    peak_kib,
    provider_env,
    redis_url,
    tell,
)
from redis.connection import parse_url

WARM_UP = 8.0
"""Seconds: its poll backs off to one in two seconds within four."""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    with redis_url(outside=True) as url, data_folder() as place, dryrun(0.1) as base_url:
        tell(measure(args.seconds, url, str(place / "data"), base_url))


def measure(seconds: float, url: str, data: str, base_url: str) -> dict[str, float]:
    from tests.support.proxy import Proxy

    at = parse_url(url)  # type: ignore[no-untyped-call]
    with redis.Redis.from_url(url) as client:
        client.flushall()
    with Proxy(at["host"], at["port"]) as proxy:
        more = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(proxy.port), "REDIS_PASSWORD": at["password"]}
        env = environment(False, **provider_env(base_url), **more)
        command = [sys.executable, "-m", "kgnb", "worker", "--slots", "2", "--data", data]
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as node:
            wait_for_node(url, node)
            time.sleep(WARM_UP)
            before, began = (proxy.trips, cpu_seconds(node.pid)), time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            trips, cpu = proxy.trips - before[0], cpu_seconds(node.pid) - before[1]
            peak = peak_kib(node.pid)
            node.terminate()
    return {
        "trips_per_s": round(trips / took, 2),
        "connections": proxy.most_open,
        "cpu_percent": round(100 * cpu / took, 2),
        "peak_mb": round(peak / 1024, 1),
    }


def wait_for_node(url: str, node: subprocess.Popen[bytes]) -> None:
    """Returns when it has signed in."""
    with redis.Redis.from_url(url) as client:
        while not client.keys("kg:nodes:*"):
            assert node.poll() is None, "the worker has ended"
            time.sleep(0.1)


if __name__ == "__main__":
    main()
