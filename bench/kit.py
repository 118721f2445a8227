"""What the benchmarks share: commands in processes of their own, servers, memory, medians."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kgnb.core.settings import Settings

ROOT = Path(__file__).resolve().parents[1]

OURS = ("KG_", "KGNB_", "REDIS_", "DB_", "NEO4J_", "OPENAI_", "ANTHROPIC_", "LOG_LEVEL")
OUTSIDE = ("REDIS_", "DB_", "NEO4J_")
"""Variables that name real servers; ``scripts/services.sh env`` prints them."""


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a module's docstring as it stands."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def environment(outside: bool = False, **more: str) -> dict[str, str]:
    """This process's environment without kgnb's settings; with ``outside`` those of real servers stay."""
    keep = OUTSIDE if outside else ()
    # With PYTHONDONTWRITEBYTECODE each process compiles its packages: more work than hundreds of chapters.
    dropped = (*OURS, "PYTHONDONTWRITEBYTECODE")
    bare = {k: v for k, v in os.environ.items() if not k.startswith(dropped) or k.startswith(keep)}
    return {**bare, "PYTHONPATH": str(ROOT)} | more


def has_servers() -> bool:
    """Whether the environment names all three real servers."""
    return all(os.environ.get(name) for name in ("REDIS_HOST", "DB_HOST", "NEO4J_URI"))


def provider_env(base_url: str) -> dict[str, str]:
    """Makes the dry-run server at ``base_url`` the provider "dryrun"."""
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "bench",
        "OPENAI_MODEL": "dryrun",
        "KGNB_PROVIDER_NAME": "dryrun",
    }


@contextmanager
def dryrun(latency: float) -> Iterator[str]:
    """A dry-run LLM server in a process of its own; gives its base_url."""
    command = [sys.executable, "-m", "kgnb.llm.dryrun", "--latency", str(latency)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def stats(base_url: str) -> dict[str, Any]:
    """What the dry-run server was asked."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as answer:
        return dict(json.load(answer))


def peak_kib(pid: int, most: int = 0) -> int:
    """The process's own peak memory (VmHWM) in KiB, or ``most`` where that is more or it is gone."""
    try:
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return most
    return max(most, int(found[1]) if found else 0)


def cpu_seconds(pid: int, before: float = 0.0) -> float:
    """Processor seconds of a process, not of its helper processes; ``before`` where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return before
    return max(before, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


def children(pid: int) -> list[int]:
    """The processes that it started and that still run, engines not included: they have left it."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def queue_server(folder: Path) -> int:
    """The process of the embedded Valkey of a data folder, 0 where none runs."""
    from kgnb.stores.embedded.data_folder import DataFolder, socket_path

    if folder.exists():
        place = str(socket_path(DataFolder(folder.resolve())).parent)
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.readlink(path / "cwd") == place:
                    return int(path.name)
    return 0


def servers(place: Path) -> list[int]:
    """The embedded Valkey of ``place``/data, and every dry-run server that this process started."""
    mine = [pid for pid in children(os.getpid()) if "kgnb.llm.dryrun" in command_line(pid)]
    return mine + [pid for pid in [queue_server(place / "data")] if pid]


def command_line(pid: int) -> str:
    """A process's words; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
    except OSError:
        return ""


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty folder whose engines, if any, are gone a moment later."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        time.sleep(0.1)


@contextmanager
def redis_url(outside: bool) -> Iterator[str]:
    """A Redis: the real one, or an embedded Valkey of its own."""
    if outside:
        yield Settings.load().redis_url.get_secret_value()
        return
    from kgnb.stores.embedded.connect import open_queue

    with data_folder() as folder, open_queue(folder / "data") as engines:
        yield engines.redis_url.get_secret_value()


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure over several runs; of a text, the first."""
    return {
        key: round(statistics.median(run[key] for run in runs), 3)
        if isinstance(value, int | float)
        else value
        for key, value in runs[0].items()
    }


def seconds(work: Callable[[], object], times: int) -> float:
    """The median of how long ``work`` takes."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return round(statistics.median(took), 3)


def tell(figures: dict[str, Any]) -> None:
    """Prints the result: one JSON object on one line."""
    print(json.dumps(figures, ensure_ascii=False), flush=True)


def run(work: Any) -> Any:
    """A coroutine's result, on the kind of loop that kgnb uses."""
    from kgnb.core.event_loop import new_loop

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)
