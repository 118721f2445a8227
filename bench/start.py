"""How soon kgnb is there: its import, its help, its embedded queue.

    python bench/start.py [--runs 5]

Prints one JSON object of seconds, medians: ``import`` (`import kgnb`), ``all`` (and what a build needs) and
``help`` (`kgnb --help`), each of a fresh process with Python's own start; ``engines``, until the
queue of an empty data folder answers, and ``again`` of one that was used before.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import redis
from kit import argument_parser, data_folder, environment, seconds, tell

from kgnb.stores.embedded.connect import open_queue

STOPPED = 3.0
"""Seconds after which engines that nobody uses are down for certain."""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    tell(
        {
            "import": seconds(lambda: python("-c", "import kgnb"), runs),
            "all": seconds(lambda: python("-c", "import kgnb; kgnb.build"), runs),
            "help": seconds(lambda: python("-m", "kgnb", "--help"), runs),
        }
        | engines(runs)
    )


def python(*words: str) -> None:
    command = [sys.executable, *words]
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)


def engines(runs: int) -> dict[str, float]:
    """Seconds until a folder's queue answers, new and used."""
    new, used = [], []
    for _ in range(runs):
        with data_folder() as place:
            new.append(up(place / "data"))
            time.sleep(STOPPED)
            used.append(up(place / "data"))
    return {"engines": median(new), "again": median(used)}


def up(data: Path) -> float:
    began = time.perf_counter()
    with open_queue(data, grace=0) as held:
        client = redis.Redis.from_url(held.redis_url.get_secret_value())
        assert client.ping()
        client.close()
        return round(time.perf_counter() - began, 3)


if __name__ == "__main__":
    main()
