"""Clients of a data folder in processes of their own, and the queue that runs for them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from kgnb.stores.embedded.connect import EmbeddedQueue
from kgnb.stores.embedded.data_folder import DataFolder, socket_path
from kgnb.stores.process_id import ProcessId, identify, is_alive
from tests.support.paths import ROOT as REPOSITORY
from tests.support.patience import happens_within

GRACE = 0.3

CLIENT = """
import json, sys
from pathlib import Path
from kgnb.stores.embedded.connect import open_queue
held = open_queue(Path(sys.argv[1]), **json.loads(sys.argv[2]))
print(json.dumps(held.redis_url.get_secret_value()), flush=True)
exec(sys.argv[3])
sys.stdin.read()
"""


def data_folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder with a blank and Chinese letters in its name; its queue is stopped at the end."""
    path = tmp_path / "三国 data"
    yield path
    if path.is_dir():
        for process in processes(path):
            send_signal(process, signal.SIGTERM)
        all_ended(processes(path), 20)


def start_client(data: Path, *, then: str = "", **options: Any) -> subprocess.Popen[str]:
    options = {"grace": GRACE} | options
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(data), json.dumps(options), then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )


@contextlib.contextmanager
def client(data: Path, **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A client in a process of its own, and the URL that it got."""
    process = start_client(data, **options)
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def url_of(queue: EmbeddedQueue) -> str:
    return queue.redis_url.get_secret_value()


def processes(data: Path) -> list[ProcessId]:
    """Supervisor and server of the folder, as far as they run."""
    if not (server := server_pid(data)):
        return []
    status = Path(f"/proc/{server}/stat").read_text()
    found = identify(int(status.rpartition(")")[2].split()[1])), identify(server)
    return [process for process in found if process]


def server_pid(data: Path) -> int:
    """The process of the folder's Valkey, whose directory is that of its socket; 0 where none runs."""
    place = str(socket_path(DataFolder(data.resolve())).parent) if data.exists() else ""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if place and os.readlink(path / "cwd") == place:
                return int(path.name)
    return 0


def send_signal(process: ProcessId, number: int) -> None:
    if is_alive(process):
        os.kill(process.pid, number)


def engine_of(data: Path) -> ProcessId | None:
    """The folder's Valkey; None while none runs."""
    server = server_pid(data)
    return identify(server) if server else None


def all_ended(watched: list[ProcessId], seconds: float = 10) -> bool:
    return happens_within(seconds, lambda: not any(is_alive(process) for process in watched))


def redis_client(queue: EmbeddedQueue) -> redis.Redis:
    return redis.Redis.from_url(url_of(queue), decode_responses=True)


def files_containing(data: Path, secrets: list[str]) -> list[Path]:
    files = [path for path in data.rglob("*") if path.is_file()]
    return [path for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]


def command_lines() -> bytes:
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes() + b"\n"
    return found
