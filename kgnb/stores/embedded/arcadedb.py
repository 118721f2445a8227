"""ArcadeDB: the graph of a data folder, over Bolt on a loopback port.

It runs as a process of its own on the Java runtime of its wheel. Its root folder (users, logs, events) is
the private runtime directory; only the databases lie in the data folder, so no secret gets there.

Write through explicit transactions only: ArcadeDB commits an auto-commit statement (``session.run``) row by
row, many times slower and not atomically.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import Any, ClassVar

from kgnb.core.errors import EngineError
from kgnb.stores.embedded.data_folder import DataFolder
from kgnb.stores.embedded.engine import Engine, exchange

USER = "root"
DATABASE = "kgnb"
HEAP_MB = 512

_HOST = "127.0.0.1"
# Parts of the wheel that are left out: fewer classes to load, no other listeners, and no IMPORT, EXPORT and
# BACKUP, which read and write files and addresses.
_UNWANTED = ("mcp", "postgresw", "redisw", "graphql", "console", "python-bridge", "integration")
_SCHEMAS = ("schema.json", "schema.prev.json")
_RUNNABLE = ("triggers", "functions", "materializedViews", "continuousAggregates")
"""Parts of a database's schema that run commands; kgnb makes none."""
_JVM = (
    # C1 alone: on two cores the second compiler took 4.8 of the engine's 8 seconds of processor time for a
    # book of 600 chapters. Without it more than 22,000 nodes and edges a second are written.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",  # least memory, and enough for the graph of a book
    "-XX:-UsePerfData",  # it would show the properties in a file in /tmp
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor restarts it
    "-XX:-CreateCoredumpOnCrash",
    "-Djava.awt.headless=true",
    "--add-modules=jdk.incubator.vector",
    "--enable-native-access=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
)
_PORT_TAKEN = b"Unable to listen"
_BOLT_HELLO = b"\x60\x60\xb0\x17" + b"\x00\x00\x04\x05" + b"\x00" * 12  # magic, then version 5.4


class ArcadeDb(Engine):
    """An ArcadeDB server with one database."""

    name: ClassVar[str] = "graph"

    def __init__(self, folder: DataFolder, run_dir: Path, java: str, heap_mb: int = HEAP_MB) -> None:
        super().__init__(folder, run_dir)
        self._java = Path(java)
        self._heap_mb = heap_mb
        self._root = run_dir / "graph"
        self._password_file = self._root / "password"
        self._choose_ports()

    def _choose_ports(self) -> None:
        # With a new password: the program that has the port may have been sent it.
        self._password = secrets.token_urlsafe(24)
        # The HTTP server can't be switched off.
        self._held, self._bolt_port, self._http_port = _free_ports()

    def has_moved(self, said: bytes) -> bool:
        """Whether it ``said`` that a port was taken, after which it hangs; then it has chosen others."""
        if moved := _PORT_TAKEN in said:
            self._held.close()
            self._choose_ports()
        return moved

    def prepare(self) -> tuple[list[str], bytes]:
        """Remove an earlier run's users; write the password to a file of mode 600.

        Raises EngineError when the database holds commands.
        """
        self._refuse_commands()
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(mode=0o700)
        self._password_file.touch(mode=0o600, exist_ok=False)
        self._password_file.write_text(self._password)
        argv = [
            str(self._java),
            f"-Xmx{self._heap_mb}m",
            *_JVM,
            f"-XX:ErrorFile={self.folder.logs / 'graph-crash.log'}",
            f"-Djava.io.tmpdir={self._root}",
            *(f"-Darcadedb.{key}={value}" for key, value in self._settings().items()),
            "-cp",
            os.pathsep.join(self._jars()),
            "com.arcadedb.server.ArcadeDBServer",
        ]
        return argv, b""

    def _refuse_commands(self) -> None:
        """The folder may be somebody else's, and the engine would run what its schema says."""
        for path in (self.folder.graph / DATABASE / name for name in _SCHEMAS):
            try:
                if not (text := path.read_text("utf-8")):  # a cut-short write: the engine reads the other one
                    continue
                schema = json.loads(text, object_pairs_hook=_unique)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (ValueError, RecursionError):
                schema = None
            if not isinstance(schema, dict) or any(schema.get(part) for part in _RUNNABLE):
                raise EngineError("engine.graph_foreign", path=self.folder.graph)

    def started(self) -> None:
        """Remove the file of the password, which has been read."""
        self._password_file.unlink(missing_ok=True)

    async def is_ready(self) -> bool:
        """Whether it accepts the password, has the database, and answers Bolt."""
        # Bolt opens before the database exists, so HTTP is asked first.
        token = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        request = (
            f"GET /api/v1/exists/{DATABASE} HTTP/1.1\r\nHost: {_HOST}\r\n"
            f"Authorization: Basic {token}\r\nConnection: close\r\n\r\n"
        )
        if b'"result":true' not in await self._ask(self._http_port, request.encode()):
            return False
        return await self._ask(self._bolt_port, _BOLT_HELLO, 4) == b"\x00\x00\x04\x05"

    async def _ask(self, port: int, request: bytes, size: int = -1) -> bytes:
        return await exchange(asyncio.open_connection(_HOST, port), request, size)

    def endpoint(self) -> dict[str, str]:
        """Return where the neo4j driver finds it, and the password of :data:`USER`."""
        return {"bolt_uri": f"bolt://{_HOST}:{self._bolt_port}", "bolt_password": self._password}

    def _settings(self) -> dict[str, object]:
        return {
            "server.rootPath": self._root,
            "server.databaseDirectory": self.folder.graph,
            "server.logsDirectory": self._root / "log",
            "server.rootPasswordPath": self._password_file,
            "server.mode": "development",  # "production" hides what is wrong with a user's Cypher
            "command.timeout": 120_000,  # ms; it ignores Bolt's transaction timeout
            "txWalFlush": 1,  # flushed at each commit, as in production
            "opencypher.loadCsv.allowFileUrls": "false",
            "opencypher.loadCsv.allowRemoteUrls": "false",
            "server.defaultDatabases": f"{DATABASE}[]",
            "server.httpIncomingHost": _HOST,
            "server.httpIncomingPort": self._http_port,
            "polyglotEngineEnabled": "false",
            "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
            "server.saltIterations": 1,  # many rounds protect a weak password; ours is 192 random bits
            "serverMetrics": "false",  # nobody reads them
            "bolt.host": _HOST,
            "bolt.port": self._bolt_port,
            "bolt.defaultDatabase": DATABASE,
        }

    def _jars(self) -> list[str]:
        unwanted = tuple(f"arcadedb-{name}" for name in _UNWANTED)
        jars = sorted((self._java.parents[2] / "jars").glob("*.jar"))
        return [str(jar) for jar in jars if not jar.name.startswith(unwanted)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without repeated keys, of which another parser may see the first. Raises ValueError."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a repeated key")
    return found


def _free_ports() -> tuple[socket.socket, int, int]:
    """Return a socket and two random ports, which no other kgnb takes while the socket is open: it holds the
    port before them, the first of three.

    They are below those of outgoing connections, which could take them before Java binds them.
    """
    while True:
        first, held = 20_000 + 3 * secrets.randbelow(4_000), socket.socket()
        with socket.socket() as bolt, socket.socket() as http, contextlib.suppress(OSError):
            for port, one in enumerate((held, bolt, http), first):
                one.bind((_HOST, port))
            return held, first + 1, first + 2
        held.close()
