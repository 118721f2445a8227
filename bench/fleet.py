"""Fifty nodes on one queue: what they cost idle, how they share a book, how they come back after an outage.

    scripts/services.sh start; set -a; source .services/test-env; set +a
    python bench/fleet.py [--nodes 50] [--chapters 400] [--latency 2] [--seconds 20]

Nodes are whole workers, forked from one process that has imported them. Empties Redis and Neo4j and restarts
Redis once. Prints one JSON object:

    idle            Redis commands a second of all nodes, those inside scripts not counted
    each            chapters of the node that did fewest and of the one that did most
    spread          standard deviation of a node's chapters over their mean
    after_outage    commands in each second from the first one that a restarted Redis got
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kgnb.app import run_worker  # noqa: F401 (imported once, for all nodes)
from kgnb.cli.main import main as kgnb
from tests.support.cluster import Cluster, cluster, server_start, server_stop
from tests.support.commands import llm, novel

CALM = 75.0
"""Seconds until nodes look as seldom as they will."""
DONE = re.compile(r"chapter \d+: completed")


def main() -> None:
    args = arguments()
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder, llm(latency=args.latency) as model:
        place = Path(folder)
        with cluster(place / "fleet", model, KGNB_LEASE_SECONDS="30", KG_WORKER_GUARD_INTERVAL="30") as fleet:
            logs = [place / f"{number}.log" for number in range(args.nodes)]
            nodes = [context.Process(target=node, args=(fleet.env, log)) for log in logs]
            for one in nodes:
                one.start()
            try:
                print(json.dumps(figures(fleet, logs, args)), flush=True)
            finally:
                for one in nodes:
                    one.terminate()
                for one in nodes:
                    one.join(30)
                    one.kill()


def node(env: dict[str, str], log: Path) -> None:
    """A worker, in this process."""
    os.environ.update(env, KG_WORKER_NODE_NAME=log.stem)
    out = log.open("w")
    os.dup2(out.fileno(), 1)
    os.dup2(out.fileno(), 2)
    sys.exit(kgnb(["worker", "--slots", "2", "--data", str(log.with_suffix(""))]))


def figures(fleet: Cluster, logs: list[Path], args: argparse.Namespace) -> dict[str, object]:
    fleet.wait_until(
        lambda: len(list(fleet.redis.scan_iter("kg:nodes:*"))) == args.nodes, 600, "all are there"
    )
    time.sleep(CALM)
    idle = sum(commands(fleet, args.seconds).values()) / args.seconds
    task = fleet.submit(novel(logs[0].with_name("book.txt"), args.chapters, lines=5))
    fleet.wait_until(lambda: fleet.finished(task), 900, "the book is done", every=0.5)
    each = [len(DONE.findall(log.read_text("utf-8"))) for log in logs]
    server_stop("redis")
    time.sleep(5)
    server_start("redis")
    after = commands(fleet, args.seconds)
    return {
        "nodes": args.nodes,
        "idle": round(idle, 1),
        "each": [min(each), max(each)],
        "spread": round(statistics.pstdev(each) / statistics.mean(each), 2),
        "after_outage": [after[second] for second in range(round(args.seconds))],
    }


def commands(fleet: Cluster, seconds: float) -> Counter[int]:
    """Commands that clients send, by the second from now on."""
    found: Counter[int] = Counter()
    began = time.monotonic()
    with fleet.redis.monitor() as monitor:
        while (passed := time.monotonic() - began) < seconds:
            if monitor.connection.can_read(timeout=0.2) and monitor.next_command()["client_type"] != "lua":
                found[int(passed)] += 1
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=50)
    parser.add_argument("--chapters", type=int, default=400)
    parser.add_argument("--latency", type=float, default=2.0, help="seconds")
    parser.add_argument("--seconds", type=float, default=20.0, help="that are counted")
    return parser.parse_args()


if __name__ == "__main__":
    main()
