"""How close a build comes to what the LLM's latency allows, and what memory the node takes.

    python bench/throughput.py [--chapters 600] [--chars 3000] [--latency 0.3] [--slots 60] [--outside]

Starts the dry-run LLM server and `kgnb build` as processes of their own, on the embedded engines (with
``--outside`` on those that REDIS_HOST, DB_HOST and NEO4J_URI name). Prints one JSON object:

    wall      seconds from the first request to the last chapter's write
    ratio     wall over the ideal: chapters x latency / slots
    peak_mb   the node process's own peak memory (VmHWM)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from books import novel

from kgnb.model import BEIJING
from kgnb.settings import Settings
from kgnb.store import tables as t


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        book = place / "bench.txt"
        book.write_text(novel(args.chapters, args.chars), "utf-8")
        server, base_url = start_server(args.latency)
        try:
            print(json.dumps(measure(args, place, book, base_url), ensure_ascii=False, indent=1))
        finally:
            server.terminate()
            server.wait()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chapters", type=int, default=600)
    parser.add_argument("--chars", type=int, default=3000)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--slots", type=int, default=60)
    parser.add_argument("--outside", action="store_true", help="keep REDIS_HOST, DB_HOST, NEO4J_URI")
    return parser.parse_args()


def start_server(latency: float) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "kgnb.llm.dryrun", "--latency", str(latency)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, server.stdout.readline().strip()


def measure(args: argparse.Namespace, place: Path, book: Path, base_url: str) -> dict[str, object]:
    env = {
        **os.environ,
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "bench",
        "OPENAI_MODEL": "dryrun",
        "KGNB_PROVIDER_NAME": "dryrun",
    }
    if not args.outside:
        for name in ("REDIS_HOST", "DB_HOST", "DB_TYPE", "NEO4J_URI"):
            env.pop(name, None)
    command = [sys.executable, "-m", "kgnb", "build", str(book), "--provider", "dryrun", "--json"]
    command += ["--slots", str(args.slots), "--data", str(place / "data")]
    build = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    peak = watch_memory(build)
    result = json.loads(build.stdout.read() if build.stdout else "")
    with urllib.request.urlopen(stats_url(base_url)) as answer:
        stats = json.load(answer)
    wall = last_write(env, place / "data", result["task_id"]) - stats["first"]
    ideal = args.chapters * args.latency / args.slots
    return {
        "chapters": result["completed"],
        "requests": stats["requests"],
        "wall": round(wall, 2),
        "ideal": round(ideal, 2),
        "ratio": round(wall / ideal, 2),
        "seconds_in_all": result["seconds"],
        "peak_mb": round(peak / 1024),
        "nodes": sum(result[k] for k in ("characters", "locations", "organizations", "events")),
        "relations": result["relations"],
    }


def stats_url(base_url: str) -> str:
    return base_url.removesuffix("/v1") + "/stats"


def watch_memory(process: subprocess.Popen[str]) -> int:
    """The process's peak resident size in KiB."""
    peak = 0
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        peak = max(peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
        time.sleep(0.1)
    return peak


def last_write(env: dict[str, str], data: Path, task_id: int) -> float:
    """Epoch seconds of the last chapter's end: after its row and its graph are written."""
    import sqlalchemy as sa

    os.environ.clear()
    os.environ.update(env)
    url = Settings.load(data=data).sql_url.get_secret_value()
    with sa.create_engine(url).connect() as connection:
        s = t.chapter_status.c
        ended = connection.scalar(sa.select(sa.func.max(s.completed_at)).where(s.kg_task_id == task_id))
    return float(ended.replace(tzinfo=BEIJING).timestamp())


if __name__ == "__main__":
    main()
