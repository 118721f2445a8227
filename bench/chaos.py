"""A bad day in figures: nodes killed -9 and replaced, servers stopped and started, an LLM that fails, a
chapter that gets no answer, a provider and a novel that main deletes, two tasks of one novel, an old worker.

    scripts/services.sh start; set -a; source .services/test-env; set +a
    python bench/chaos.py [--chapters 120,80,40] [--nodes 3] [--slots 4] [--kill-every 2] [--lease 30]
        [--seed 7] [--redis server|cluster|sentinels]
        [--without poison,moved,twins,deleted,old_worker,outages]

The same code as tests/worker/test_chaos.py, in any size. First the same books on a good day, then the bad
one; then kills without a replacement, to see how soon the chapters of a dead node are claimed by the others.
With ``--redis`` the bad day has Debian's redis-server as a cluster, whose master dies twice and whose queue's
slot moves, or as a pair under sentinels, whose master dies twice: failovers in place of Redis's outage.
Empties Redis and Neo4j. Prints one JSON object for each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.chaos import bad_day, good_day
from tests.support.chaos_plan import Plan
from tests.support.node_deaths import death_figures

SERVERS = Plan.outages
FAILOVERS = (*SERVERS, ("redis", 0.8))
OUTAGES = {
    "server": SERVERS,
    "sentinels": FAILOVERS,
    "cluster": (SERVERS[0], ("slot", 0.3), *FAILOVERS[1:]),
}


def main() -> None:
    args = arguments()
    plan = Plan(
        chapters=tuple(int(n) for n in args.chapters.split(",")),
        nodes=args.nodes,
        slots=args.slots,
        latency=args.latency,
        lease=args.lease,
        kill_every=args.kill_every,
        limit=args.limit,
        seed=args.seed,
        redis=args.redis,
        **troubles(args.without.split(","), args.chapters.count(",") + 1, args.redis),
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(args.keep or folder)
        if args.chapters != "0":
            good = good_day(place, plan)
            print(bad_day(place, plan, good).line(), flush=True)
        if args.deaths:
            long = round(args.deaths * (args.lease + 15) * 8)
            print(death_figures(place, kills=args.deaths, lease=args.lease, chapters=long).line())


def troubles(without: list[str], books: int, redis: str) -> dict[str, Any]:
    """The plan's troubles. Twins, poison and a provider that leaves have a book each, as one changes what the
    others' figures mean; those for which none is left don't happen.
    """
    every: dict[str, Any] = {"deleted": 40, "old_worker": True}
    of_books = [name for name in ("twins", "poison", "moved") if name not in without]
    for number, name in enumerate(reversed(of_books[:books])):
        every[name] = (number, 3) if name == "poison" else number
    outages = () if "outages" in without else OUTAGES[redis]
    return {name: value for name, value in every.items() if name not in without} | {"outages": outages}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chapters", default="120,80,40", help="of each book; 0 leaves the bad day out")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.4, help="seconds")
    parser.add_argument("--lease", type=float, default=30.0, help="seconds")
    parser.add_argument("--kill-every", type=float, default=2.0, help="seconds")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--redis", choices=OUTAGES, default="server")
    parser.add_argument("--deaths", type=int, default=5, help="kills in the second part")
    parser.add_argument("--without", default="", help="troubles, comma-separated")
    parser.add_argument("--keep", help="a folder for logs and graphs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
