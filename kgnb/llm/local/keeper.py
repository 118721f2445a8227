"""The process that owns a local model's server.

Each client holds a shared lock on ``clients.lock``, which the system takes away however the client ends. When
nobody holds it any longer this process stops the server and ends. A server that dies is started again once.
The server runs under a leash: a small process that kills the whole group when either end of it is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kgnb.core.files import PRIVATE, write_json
from kgnb.core.host import variables

CLIENTS, KEEPER, NOTE, LOG = "clients.lock", "keeper.lock", "server.json", "server.log"
"""Files of a model's folder: the clients' lock, this process' lock, address and key, the server's output."""
POLL = 0.2
"""Seconds between two looks at clients and server: all is gone within two seconds of the last client."""
STARTS = 2
"""A server that dies, or whose port another program took, is started once more."""
GRACE = 1.0
"""Seconds for a clean end before SIGKILL."""
TRY_SECONDS = 120.0
"""Patience with the first request, which may compile kernels."""

_LEASH = """
import os, signal, subprocess, sys, threading
signal.signal(signal.SIGTERM, lambda *_: None)
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def watch():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGTERM)
    try:
        server.wait(float(os.environ["KGNB_GRACE"]))
    except subprocess.TimeoutExpired:
        pass
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
server.wait()
os.killpg(0, signal.SIGKILL)
"""


@dataclass(frozen=True)
class Plan:
    """What the client that starts the keeper hands over."""

    folder: str
    command: list[str]
    """The server's; ``{port}`` stands for the port."""
    environment: dict[str, str]
    """Variables beside this process's own; ``{key}`` stands for the key."""
    model: str
    """The name by which the server is asked."""
    seconds: float
    """Patience with the start."""


class Keeper:
    """Starts the server, tells clients where it is, and stops it after the last of them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = Path(plan.folder)
        self._key = secrets.token_urlsafe(24)
        self._port = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def run(self) -> None:
        """Serve until the last client has gone, or the server died a second time."""
        # Closed in reverse: a client that waits for its lock finds this process gone.
        with (self._folder / CLIENTS).open("a") as clients, (self._folder / KEEPER).open("a") as own:
            fcntl.flock(own, fcntl.LOCK_EX)
            for _ in range(STARTS):
                if self._start(clients):
                    note = {"url": f"http://127.0.0.1:{self._port}/v1", "key": self._key}
                    write_json(self._folder / NOTE, note, PRIVATE)
                    if self._watch(clients):
                        break
                elif not _is_taken(self._port):
                    break
                else:
                    self._port = 0
            self._stop()

    def _start(self, clients: IO[str]) -> bool:
        """Start the server; return whether it answers a real request. Where not, the note says why."""
        self._stop()
        log = self._folder / LOG
        self._log_start = log.stat().st_size
        self._port = self._port or _free_port()
        command = [str(self._port) if word == "{port}" else word for word in self._plan.command]
        given = {name: value.replace("{key}", self._key) for name, value in self._plan.environment.items()}
        with log.open("ab") as output:
            self._server = subprocess.Popen(  # noqa: S603 (our own interpreter, the user's engine)
                [sys.executable, "-I", "-S", "-c", _LEASH, *command],
                env={**variables(), **given, "KGNB_GRACE": str(GRACE)},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + self._plan.seconds
        answered = threading.Event()
        threading.Thread(target=self._probe, args=(answered,), daemon=True).start()
        while (code := self._server.poll()) is None and time.monotonic() < deadline:
            if answered.wait(POLL) or _is_free(clients):
                return True
        why = "start_failed" if code is not None else "start_timeout"
        write_json(self._folder / NOTE, {"error": why, "said": self._last_words()})
        return False

    def _watch(self, clients: IO[str]) -> bool:
        """Wait; return True once the last client has gone, False once the server has died."""
        assert self._server is not None
        while self._server.poll() is None:
            if _is_free(clients):
                return True
            time.sleep(POLL)
        write_json(self._folder / NOTE, {"error": "died", "said": self._last_words()})
        return False

    def _probe(self, answered: threading.Event) -> None:
        """Wait for the first answer in a thread of its own: it may take long, and clients may leave."""
        while not self._answers():
            time.sleep(POLL)
        answered.set()

    def _answers(self) -> bool:
        """Return whether a real request is answered; while the model loads the port is closed or says 503."""
        body = {"model": self._plan.model, "max_tokens": 1, "messages": [{"role": "user", "content": "1"}]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/v1/chat/completions",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TRY_SECONDS) as answer:
                return bool(answer.read())
        except OSError:  # also an answer with an error's status
            return False

    def _last_words(self) -> str:
        """Return the end of the server's log, since its last start."""
        with (self._folder / LOG).open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - 20_000))
            return log.read().decode("utf-8", "replace")

    def _stop(self) -> None:
        """End the server's whole group, by its leash or without it."""
        if self._server is None:
            return
        assert self._server.stdin is not None
        self._server.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(GRACE + POLL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        self._server = None


def _is_free(clients: IO[str]) -> bool:
    """Return whether no client holds the lock; if so this process holds it until its end, so that none can
    join.
    """
    try:
        fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free_port() -> int:
    """Return a free port on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    """Return whether a program listens at the port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Read the plan from standard input and serve."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Keeper(plan).run()
