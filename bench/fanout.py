"""One book on two nodes against one node, with the same slots each.

    scripts/services.sh start; set -a; source .services/test-env; set +a
    python bench/fanout.py [--chapters 200] [--slots 5] [--latency 1.0] [--runs 3]

Empties Redis and Neo4j. Prints one JSON object a run and one of medians:

    one, two        seconds from the first request to the last chapter's end, with one and with two nodes
    ratio           one over two
    closed_ratio    the same from the first request to the closing of the task, refresh included
    shares          percent of the chapters that each of the two nodes did
    ideal           seconds that one node would take if nothing but the LLM took time
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kgnb.core.model import BEIJING
from tests.support.cluster import cluster
from tests.support.commands import llm, novel

DONE = re.compile(r"chapter \d+: completed")


@dataclass(frozen=True)
class Took:
    """A run: seconds to the last chapter's end and to the task's, and the chapters of each node."""

    chapters: float
    closed: float
    each: list[int]


def main() -> None:
    args = arguments()
    runs = []
    for number in range(1, args.runs + 1):
        one, two = (took(args, nodes) for nodes in (1, 2))
        run = {
            "run": number,
            "one": round(one.chapters, 2),
            "two": round(two.chapters, 2),
            "ratio": round(one.chapters / two.chapters, 2),
            "closed_ratio": round(one.closed / two.closed, 2),
            "shares": [round(100 * n / args.chapters) for n in two.each],
            "ideal": round(args.chapters * args.latency / args.slots, 2),
        }
        runs.append(run)
        print(json.dumps(run), flush=True)
    keys = ("one", "two", "ratio", "closed_ratio")
    print(json.dumps({"median of": len(runs)} | {k: statistics.median(r[k] for r in runs) for k in keys}))


def took(args: argparse.Namespace, count: int) -> Took:
    """One run on ``count`` nodes that are at home before the book comes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        llm(latency=args.latency) as model,
        cluster(Path(folder), model, KGNB_LEASE_SECONDS="30", KG_WORKER_GUARD_INTERVAL="30") as nodes,
    ):
        started = [nodes.start_node(f"n{i}", args.slots) for i in range(count)]
        nodes.joined(*started)
        task = nodes.submit(novel(Path(folder) / "book.txt", args.chapters, lines=args.lines))
        nodes.wait_until(lambda: nodes.finished(task), 600, "the book is done", every=0.2)
        assert nodes.chapters(task) == {"completed": args.chapters}
        assert model.stats.requests == args.chapters, model.stats
        ended = "SELECT max(completed_at) FROM knowledge_graph_chapter_status WHERE kg_task_id = :id"
        closed = "SELECT completed_at FROM knowledge_graph_tasks WHERE id = :id"
        last, end = (nodes.sql(query, id=task)[0][0].replace(tzinfo=BEIJING) for query in (ended, closed))
        each = [len(DONE.findall(node.log())) for node in started]
        return Took(last.timestamp() - model.stats.first, end.timestamp() - model.stats.first, each)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chapters", type=int, default=200)
    parser.add_argument("--lines", type=int, default=10, help="of each chapter, 30 characters each")
    parser.add_argument("--slots", type=int, default=5, help="of each node")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds")
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
