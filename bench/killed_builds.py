"""Builds that are killed -9 at random moments and started again, and builds whose queue's server is killed.

    python bench/killed_builds.py [--kills 20] [--valkeys 5] [--chapters 120] [--slots 10] [--latency 0.3]
        [--seed 7]

First the same book without a kill. Then each build is killed at a moment drawn between its start and the
time that the first took, and started again until it ends by itself. Prints one JSON object for each kind of
death: how many died, ``other_graphs`` than without a death, and ``asked``, the requests above one a chapter,
of which the ``bound`` is what was in flight at the deaths: the slots of each. Exits 1 where a graph differs,
or more was asked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kit
from books import write_novel


def build(args: argparse.Namespace, place: Path, base_url: str) -> subprocess.Popen[bytes]:
    env = kit.environment(KGNB_KEYS=str(place / "keys")) | kit.provider_env(base_url)
    command = [sys.executable, "-m", "kgnb", "build", str(place / "book.txt"), "--provider", "dryrun"]
    command += ["--slots", str(args.slots), "--data", str(place / "data"), "-o", str(place / "graph.json")]
    log = (place / "log").open("ab")
    return subprocess.Popen(command, env=env, stdout=log, stderr=log)


def graph(place: Path) -> Any:
    """The exported graph without the times of its making."""
    told = json.loads((place / "graph.json").read_text("utf-8"))
    return [sorted(map(repr, told[key])) for key in ("nodes", "edges")]


def end_queue(place: Path) -> bool:
    """Kill the queue's server of the build's data folder; return whether there was one."""
    if pid := kit.queue_server(place / "data"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pid)


def read_book(args: argparse.Namespace, moments: list[float], *, queue: bool) -> dict[str, Any]:
    """Read the book with a death after each of ``moments``, seconds from the last start."""
    deaths = 0
    with kit.dryrun(args.latency) as base_url, kit.data_folder() as place:
        write_novel(place / "book.txt", args.chapters, 1500)
        began = time.monotonic()
        process = build(args, place, base_url)
        for moment in moments:
            try:
                process.wait(moment)
                break
            except subprocess.TimeoutExpired:
                pass
            if queue:
                deaths += end_queue(place)
                continue
            process.kill()
            process.wait()
            deaths += 1
            process = build(args, place, base_url)
        code = process.wait()
        if code:
            sys.exit(f"build: exit {code}\n{(place / 'log').read_text('utf-8')[-2000:]}")
        asked = kit.stats(base_url)["requests"]
        return {
            "deaths": deaths,
            "asked": asked - args.chapters,
            "seconds": round(time.monotonic() - began, 1),
            "graph": graph(place),
        }


def main() -> None:
    parser = kit.argument_parser(__doc__)
    for name, default in (("kills", 20), ("valkeys", 5), ("chapters", 120), ("slots", 10), ("seed", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--latency", type=float, default=0.3)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    whole = read_book(args, [], queue=False)
    wrong = False
    for kind, wanted in (("build", args.kills), ("queue", args.valkeys)):
        deaths = asked = differ = runs = 0
        while deaths < wanted:
            moments = [rng.uniform(0.3, whole["seconds"]) for _ in range(min(4, wanted - deaths))]
            run = read_book(args, moments, queue=kind == "queue")
            deaths, asked, runs = deaths + run["deaths"], asked + run["asked"], runs + 1
            differ += run["graph"] != whole["graph"]
        bound = deaths * args.slots
        kit.tell(
            {"killed": kind, "deaths": deaths, "runs": runs, "other_graphs": differ, "asked": asked}
            | {"bound": bound}
        )
        wrong = wrong or differ > 0 or asked > bound
    sys.exit(wrong)


if __name__ == "__main__":
    main()
