"""The process that owns the Valkey server of one data folder; it imports only the standard library.

The server keeps nothing on disk: a queue is filled from the record, as after FLUSHALL. It needs no password:
its socket lies in a directory that only this user can enter.

Each client holds a shared lock on the folder's ``.clients``, which the system takes away however the client
ends. When nobody has held it for the grace period, this process stops the server and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kgnb.core.messages import say, use_language
from kgnb.stores.embedded.data_folder import DataFolder

STARTS = 5
"""Times that a server which dies is started."""
_POLL = 0.1  # seconds between two looks at clients and server
_NEW_SECONDS = 60.0
_STOP_GRACE = 5.0  # seconds for a clean end before SIGKILL
_CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 600
dir {run_dir}
appendonly no
save ""
maxmemory-policy noeviction
logfile ""
daemonize no
"""


@dataclass(frozen=True)
class Plan:
    """What the client that starts the supervisor hands over, beside the descriptor of the folder's lock."""

    data_dir: str
    socket: str
    server: str  # the program
    grace: float
    language: str


def serve(plan: Plan) -> None:
    """Keep the server running until the last client has left or the server keeps dying, then stop it."""
    folder, run_dir = DataFolder(Path(plan.data_dir)), Path(plan.socket).parent
    _remove_deserted(run_dir.parent)
    with folder.clients.open("a") as clients:  # closed last: a client that waits for it finds no server
        for _ in range(STARTS):
            try:
                server = _start(plan, folder)
            except OSError as error:
                _log(str(error))
                return
            try:
                if _is_left(server, clients, plan.grace):
                    break
            finally:
                _stop(server)
            _log(say("engine.log_restart", code=server.returncode))
        shutil.rmtree(run_dir, ignore_errors=True)
    _log(say("engine.log_stopped"))


def _remove_deserted(base: Path) -> None:
    """Remove the directories of sockets that killed supervisors left: those where nobody listens."""
    for place in base.glob("[0-9a-f]" * 12):
        with contextlib.suppress(OSError):
            is_new = time.time() - place.stat().st_mtime < _NEW_SECONDS  # its server may be about to listen
            if not (is_new or any(map(_is_listened_to, place.iterdir()))):
                shutil.rmtree(place)


def _is_listened_to(path: Path) -> bool:
    """Return whether a server listens at a socket's path. A server that stands still, with a full queue of
    connections, listens too: it must not be waited for.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        return connection.connect_ex(str(path)) != errno.ECONNREFUSED


def _is_left(server: subprocess.Popen[bytes], clients: IO[str], grace: float) -> bool:
    """Wait; return True once no client has been there for ``grace`` seconds, False when the server ended.

    Where it is True, this process holds the clients' lock until its end, so that none joins.
    """
    left_at: float | None = None
    while server.poll() is None:
        try:
            fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left_at = None
        else:
            left_at = left_at or time.monotonic()
            if time.monotonic() >= left_at + grace:
                return True
            fcntl.flock(clients, fcntl.LOCK_UN)
        time.sleep(_POLL)
    return False


def _start(plan: Plan, folder: DataFolder) -> subprocess.Popen[bytes]:
    """Start the server and return its process; its configuration goes through a pipe."""
    run_dir = Path(plan.socket).parent
    run_dir.mkdir(mode=0o700, exist_ok=True)
    config = _CONFIG.format(socket=_quoted(plan.socket), run_dir=_quoted(str(run_dir)))
    with folder.log("queue").open("ab") as output:
        server = subprocess.Popen(  # noqa: S603 (the wheel's program)
            [plan.server, "-"],
            env={"LC_ALL": "C.UTF-8"},  # paths in any script, whatever the user's locale
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent(),
        )
    assert server.stdin is not None
    with contextlib.suppress(OSError), server.stdin:  # it may have died already
        server.stdin.write(config.encode())
    return server


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Stop it with SIGTERM, or SIGKILL when it doesn't end."""
    server.terminate()
    try:
        server.wait(_STOP_GRACE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _log(text: str) -> None:
    print(time.strftime("%F %T"), text, file=sys.stderr, flush=True)


def _quoted(path: str) -> str:
    """Return a path in quotes for Valkey's configuration, each byte as \\xNN."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def _die_with_parent() -> Callable[[], None] | None:
    """Return a hook that asks Linux for SIGTERM when the supervisor dies.

    The kernel watches the spawning thread, and the supervisor has one. Elsewhere the next client ends a
    server that was left.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc, supervisor = ctypes.CDLL(None), os.getpid()

    def set_death_signal() -> None:
        libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor:
            os._exit(1)

    return set_death_signal


def main() -> None:
    """Read the plan from standard input, leave the client's process tree, serve."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    use_language("en" if plan.language == "en" else "zh")
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal it was started from may close
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())  # by way of the server's end
    serve(plan)
