"""How close a build comes to what the LLM's latency allows, and what memory the node takes.

    python bench/throughput.py [--chapters 600] [--chars 3000] [--people 10] [--latency 0.3] [--slots 60]
                               [--runs 1] [--outside [--away 0]]

Starts the dry-run LLM server and `kgnb build` as processes of their own, on the embedded engines (with
``--outside`` on those that REDIS_HOST, DB_HOST and NEO4J_URI name, as if they were so many milliseconds
``--away``). Prints one JSON object, the medians of all runs:

    start     seconds from the process's start to its first request
    wall      seconds from the first request to the last chapter's write
    ratio     wall over the ideal: chapters x latency / slots; asking_ratio, up to the last reply; end_ratio,
              up to the end of the process
    sdk       seconds of the same requests through the openai SDK alone, as many at a time, in the same run;
              asking_sdk and end_sdk, what asking_ratio and end_ratio are over that instead of the ideal
    refresh   seconds that making the graph took; closing, from the last chapter to the closed task
    overhead  characters of a request beside the chapter's own
    peak_mb   the node process's own peak memory (VmHWM); helper_mb, that of its largest helper
    cpu       its processor seconds, helper processes not included; others_cpu, those of the embedded engines
              and of the dry-run server, which share the machine with it

Before that, on stderr, the processor milliseconds of one request: the client's and its SDK's alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
from books import chapters, write_novel
from kit import (
    argument_parser,
    children,
    cpu_seconds,
    data_folder,
    dryrun,
    environment,
    medians,
    peak_kib,
    provider_env,
    servers,
    stats,
    tell,
)
from pydantic import SecretStr

from kgnb.core.model import Provider, TaskConfig
from kgnb.core.settings import Settings
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.client import LlmClient
from tests.support.proxy import Proxy


def main() -> None:
    args = arguments()
    runs = []
    with dryrun(0.0) as base_url:
        print(asyncio.run(client_cpu(base_url)), file=sys.stderr)
    for number in range(args.runs):
        with data_folder() as place, dryrun(args.latency) as base_url:
            book = place / "bench.txt"
            # Real servers keep the last run's book: each run has a text of its own.
            mark = f"{time.time()}.{number}"
            write_novel(book, args.chapters, args.chars, mark=mark, people=args.people)
            with far(args.away) as names:
                runs.append(measure(args, place, book, base_url, names))
        with dryrun(args.latency) as base_url:
            runs[-1] |= beside_sdk(runs[-1], asyncio.run(sdk_alone(book_texts(args), base_url, args.slots)))
            print(runs[-1], file=sys.stderr)
    tell(medians(runs))


async def client_cpu(base_url: str, requests: int = 300, at_once: int = 60) -> dict[str, float]:
    """Processor milliseconds of one request: the client's, and the SDK's alone with the same body."""
    provider = Provider("bench", base_url, SecretStr("k"), ("dryrun",))
    client = LlmClient(provider, timeout=60, tries=1, connections=at_once)
    texts = iter(f"第{number}句。" for number in range(4 * requests))
    prompter = PromptBuilder("zh", [], TaskConfig())
    http = openai.DefaultAioHttpClient(timeout=60)
    sdk = openai.AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0, http_client=http)

    async def by_client() -> None:
        await client.ask(prompter.prompt(next(texts)), "dryrun")

    async def by_sdk() -> None:
        body = await client.body(prompter.prompt(next(texts)), "dryrun")
        await sdk.chat.completions.create(**body)

    used = {}
    for name, ask in (("client_ms", by_client), ("sdk_ms", by_sdk)):
        slots = asyncio.Semaphore(at_once)

        async def one(ask: Callable[[], Awaitable[None]] = ask, slots: asyncio.Semaphore = slots) -> None:
            async with slots:
                await ask()

        await one()  # imports, the first connection
        began = time.process_time()
        await asyncio.gather(*(one() for _ in range(requests)))
        used[name] = round((time.process_time() - began) * 1000 / requests, 2)
    await client.close()
    await sdk.close()
    return used


def book_texts(args: argparse.Namespace) -> list[str]:
    return list(islice(chapters(args.chars, per_chapter=args.people), args.chapters))


async def sdk_alone(texts: list[str], base_url: str, at_once: int) -> float:
    """Seconds of one request for each text through the openai SDK, ``at_once`` at a time."""
    provider = Provider("bench", base_url, SecretStr("k"), ("dryrun",))
    client = LlmClient(provider, timeout=60, tries=1, connections=at_once)
    prompter = PromptBuilder("zh", [], TaskConfig())
    bodies = [await client.body(prompter.prompt(text), "dryrun") for text in texts]
    await client.close()
    http = openai.DefaultAioHttpClient(timeout=60)
    sdk = openai.AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0, http_client=http)
    slots = asyncio.Semaphore(at_once)

    async def one(body: dict[str, Any]) -> None:
        async with slots:
            await sdk.chat.completions.create(**body)

    await sdk.models.list()  # imports, the first connection
    began = time.monotonic()
    await asyncio.gather(*map(one, bodies))
    seconds = time.monotonic() - began
    await sdk.close()
    return seconds


def beside_sdk(run: dict[str, Any], seconds: float) -> dict[str, Any]:
    asking, end = (run[ratio] * run["ideal"] / seconds for ratio in ("asking_ratio", "end_ratio"))
    return {"sdk": round(seconds, 2), "asking_sdk": round(asking, 3), "end_sdk": round(end, 3)}


@contextmanager
def far(away: float) -> Iterator[dict[str, str]]:
    """Names of the real servers behind a line on which a round trip takes ``away`` milliseconds."""
    if not away:
        yield {}
        return
    own = Settings.load()
    bolt = urlsplit(own.neo4j_uri)
    ends = [
        (own.redis_host or "", own.redis_port),
        (own.db_host or "", own.db_port),
        (bolt.hostname or "", bolt.port or 7687),
    ]
    with ExitStack() as stack:
        redis, db, graph = (stack.enter_context(Proxy(*end, latency=away / 1000)).port for end in ends)
        yield {
            **{"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis), "DB_HOST": "127.0.0.1"},
            **{"DB_PORT": str(db), "NEO4J_URI": f"bolt://127.0.0.1:{graph}"},
        }


def measure(
    args: argparse.Namespace, place: Path, book: Path, base_url: str, names: dict[str, str]
) -> dict[str, Any]:
    more = {"LOG_LEVEL": "INFO", "KGNB_LOG_JSON": "1", "KGNB_KEYS": str(place / "keys")} | names
    env = environment(args.outside, **provider_env(base_url), **more)
    command = [sys.executable, "-m", "kgnb", "build", str(book), "--provider", "dryrun", "--json"]
    command += ["--slots", str(args.slots), "--data", str(place / "data")]
    log, began = place / "log", time.time()
    with log.open("wb") as errors:
        build = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
        watched = watch(build, place)
    ended = time.time()
    said = build.stdout.read() if build.stdout else ""
    if build.returncode:
        sys.exit(f"build: exit {build.returncode}\n{log.read_text('utf-8')[-2000:]}")
    result = json.loads(said)
    asked = stats(base_url)
    last, closed, refresh = times(log)
    wall, ideal = last - asked["first"], args.chapters * args.latency / args.slots
    return {
        "chapters": result["completed"],
        "start": round(asked["first"] - began, 2),
        "requests_a_chapter": round(asked["requests"] / result["completed"], 3),
        "overhead": round((2 * result["prompt_tokens"] - result["chars"]) / asked["requests"]),
        "wall": round(wall, 2),
        "ideal": round(ideal, 2),
        "ratio": round(wall / ideal, 3),
        "asking_ratio": round((asked["answered_at"] - asked["first"]) / ideal, 3),
        "end_ratio": round((ended - asked["first"]) / ideal, 3),
        "refresh": refresh,
        "closing": round(closed - last, 2),
        "seconds_in_all": result["seconds"],
        "peak_mb": round(watched.peak / 1024, 1),
        "helper_mb": round(watched.helper / 1024, 1),
        "cpu": round(watched.cpu, 2),
        "others_cpu": round(sum(watched.others.values()), 2),
        "most_in_flight": asked["most_in_flight"],
        "nodes": sum(result[k] for k in ("characters", "locations", "organizations", "events")),
        "relations": result["relations"],
    }


@dataclass
class Watched:
    """A process's peak resident size in KiB, its helper processes' largest, its processor seconds, and those
    of the servers that it uses, by process id."""

    peak: int = 0
    helper: int = 0
    cpu: float = 0.0
    others: dict[int, float] = field(default_factory=dict)


def watch(process: subprocess.Popen[Any], place: Path | None = None) -> Watched:
    """Looks at a process until it has ended, and at the servers of ``place``."""
    seen, engines, looked_at = Watched(), list[int](), -math.inf
    while process.poll() is None:
        if place and time.monotonic() - looked_at >= 1.0:
            engines, looked_at = servers(place), time.monotonic()
        seen.peak = peak_kib(process.pid, seen.peak)
        for child in children(process.pid):
            seen.helper = peak_kib(child, seen.helper)
        seen.cpu = cpu_seconds(process.pid, seen.cpu)
        for pid in engines:
            seen.others[pid] = cpu_seconds(pid, seen.others.get(pid, 0.0))
        time.sleep(0.1)
    return seen


def times(log: Path) -> tuple[float, float, float]:
    """When the last chapter ended and the task was closed (epoch seconds), and the refresh's own seconds."""
    last = closed = refresh = 0.0
    for line in log.read_text("utf-8").splitlines():
        told = json.loads(line)
        at = datetime.fromisoformat(told["time"]).timestamp()
        if told["event"] == "node.chapter":
            last = at
        elif told["event"] == "node.task_closed":
            closed, refresh = at, told["facts"]["seconds"]
    return last, closed, refresh


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--chapters", type=int, default=600)
    parser.add_argument("--chars", type=int, default=3000)
    parser.add_argument("--people", type=int, default=10, help="in each chapter")
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--slots", type=int, default=60)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--outside", action="store_true", help="keep REDIS_HOST, DB_HOST, NEO4J_URI")
    parser.add_argument("--away", type=float, default=0.0, help="milliseconds of a round trip to them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
