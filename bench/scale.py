"""A long book against a short one: what a node's memory and its time for a chapter do.

    python bench/scale.py [--long 10000] [--short 100] [--chars 3000] [--latency 0.3] [--slots 60]

Each book is submitted and worked by a `kgnb worker --drain` on embedded engines of its own. Prints one JSON
object:

    memory_ratio     the node process's peak with the long book over that with the short one
    time_ratio       seconds for one chapter, from the first request to the last write, likewise
    late_ratio       within the long book: the last tenth's seconds over the second tenth's
    helper_mb        peak of the helper process that counts names and refreshes, which takes a whole book
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from books import write_novel
from kit import argument_parser, data_folder, dryrun, environment, provider_env, stats, tell
from throughput import watch


def main() -> None:
    args = arguments()
    short, long = measure(args, args.short), measure(args, args.long)
    tell(
        {
            "short": short,
            "long": long,
            "memory_ratio": round(long["peak_mb"] / short["peak_mb"], 3),
            "time_ratio": round(long["ms_a_chapter"] / short["ms_a_chapter"], 3),
            "late_ratio": long["late_ratio"],
            "helper_mb": long["helper_mb"],
        }
    )


def measure(args: argparse.Namespace, chapters: int) -> dict[str, Any]:
    with data_folder() as place, dryrun(args.latency) as base_url:
        book, log = place / "bench.txt", place / "log"
        write_novel(book, chapters, args.chars)
        more = {"LOG_LEVEL": "INFO", "KGNB_LOG_JSON": "1", "KGNB_KEYS": str(place / "keys")}
        env = environment(False, **provider_env(base_url), **more)
        kgnb, data = [sys.executable, "-m", "kgnb"], ["--data", str(place / "data")]
        submit = [*kgnb, "submit", str(book), "--provider", "dryrun", *data]
        subprocess.run(submit, env=env, check=True, stdout=subprocess.DEVNULL)
        book.unlink()
        work = [*kgnb, "worker", "--drain", "--slots", str(args.slots), *data]
        with log.open("wb") as out:
            watched = watch(subprocess.Popen(work, env=env, stdout=out, stderr=out))
        ends = chapter_ends(log)
        assert len(ends) == chapters, f"{len(ends)} of {chapters}: {log.read_text('utf-8')[-2000:]}"
        second, last = speed(ends, 0.1, 0.2), speed(ends, 0.9, 1.0)
        return {
            "chapters": chapters,
            "ms_a_chapter": round((ends[-1] - stats(base_url)["first"]) / chapters * 1000, 2),
            "late_ratio": round(last / second, 3) if second else 1.0,
            "peak_mb": round(watched.peak / 1024, 1),
            "helper_mb": round(watched.helper / 1024, 1),
        }


def speed(ends: list[float], start: float, end: float) -> float:
    """Seconds from one share of the chapters to another."""
    return ends[int(len(ends) * end) - 1] - ends[int(len(ends) * start)]


def chapter_ends(log: Path) -> list[float]:
    """Epoch seconds of each chapter's end."""
    lines = (json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{"))
    return [
        datetime.fromisoformat(one["time"]).timestamp() for one in lines if one["event"] == "node.chapter"
    ]


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--long", type=int, default=10_000, help="chapters")
    parser.add_argument("--short", type=int, default=100, help="chapters")
    parser.add_argument("--chars", type=int, default=3000)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--slots", type=int, default=60)
    return parser.parse_args()


if __name__ == "__main__":
    main()
