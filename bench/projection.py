"""The one projection: whether Neo4j holds exactly it, and how long its readers wait.

    NEO4J_URI=… python bench/projection.py BOOK.txt …

Each book is built by the rules into a data folder of its own. Then: nodes and edges of the projection, how
many of them a Neo4j differs in after the graph was written (0; ``-`` without NEO4J_URI), seconds of
``kgnb.open()`` and ``top(10)`` in a new process (median of five), of the projection itself, of encoding and
decoding it, and of the graphs until each chapter (median and most), all rows in memory.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kit import argument_parser, environment

from kgnb.app.context import open_app
from kgnb.core.secrets import load_settings
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.graph.project import codec
from kgnb.graph.project.projection import project

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.stored_graphs import stored_graph

TIMES = ("created_at", "updated_at")
"""What the store adds to the projection."""
OPENED = """
import time; started = time.perf_counter()
import kgnb; kgnb.open(data={data!r}).top(10)
print(time.perf_counter() - started)
"""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("books", nargs="+", type=Path)
    for book in parser.parse_args().books:
        with tempfile.TemporaryDirectory() as data:
            command = [sys.executable, "-m", "kgnb", "build", str(book), "--provider", "rules"]
            env = environment(outside=True, KGNB_DATA=data)
            subprocess.run(command, check=True, env=env, capture_output=True)
            row = {"book": book.stem, **asyncio.run(measure(Path(data))), "open+top": opened(data)}
        print(" | ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def opened(data: str) -> float:
    """Seconds of opening the book and ranking its people in a new process."""
    seconds = []
    for _ in range(5):
        command = [sys.executable, "-c", OPENED.format(data=data)]
        done = subprocess.run(command, check=True, env=environment(), capture_output=True, text=True)
        seconds.append(float(done.stdout))
    return round(statistics.median(seconds), 3)


async def measure(data: Path) -> dict[str, Any]:
    """The figures of a data folder's first novel, but for opening it."""
    settings, _ = load_settings(data=data)
    async with open_app(settings, queue=False, graph=bool(settings.neo4j_uri)) as app:
        record = await app.ledger.graphs.record(1)
        record = dataclasses.replace(record, rows=list(record.rows))
        graph, whole = timed(lambda: project(record))
        stored, encoding = timed(lambda: codec.encode(graph))
        back, decoding = timed(lambda: codec.decode(stored))
        assert back == graph
        until = [timed(partial(project, record, chapter.number))[1] for chapter in record.chapters]
        return {
            "nodes": len(graph.nodes),
            "edges": len(graph.edges),
            "differ": differences(graph, await stored_graph(app.graph, 1)) if app.graph is not None else "-",
            "project": whole,
            "encode": encoding,
            "decode": decoding,
            "kB": len(stored) // 1000,
            "until": f"{statistics.median(until)}, most {max(until)}",
        }


def differences(wanted: Graph, stored: Graph) -> int:
    """Nodes and edges that only one of the two has, or has otherwise."""
    return _differ(wanted.nodes, stored.nodes) + _differ(wanted.edges, stored.edges)


def _differ(wanted: Mapping[Any, GraphNode | GraphEdge], stored: Mapping[Any, GraphNode | GraphEdge]) -> int:
    found = len(wanted.keys() ^ stored.keys())
    for key in wanted.keys() & stored.keys():
        kept = {name: value for name, value in stored[key].properties.items() if name not in TIMES}
        found += wanted[key].properties != kept
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result and its seconds."""
    started = time.perf_counter()
    found = work()
    return found, round(time.perf_counter() - started, 3)


if __name__ == "__main__":
    main()
