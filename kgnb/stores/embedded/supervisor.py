"""The process that owns the engines of one data folder; it imports only the standard library.

Clients connect to its unix socket, ask for engines with one JSON line, and keep the connection open. When the
last connection has been gone for the grace period, it stops the engines and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kgnb.core.errors import EngineError
from kgnb.core.files import write_json
from kgnb.core.messages import say, use_language
from kgnb.core.process_id import ProcessId, host_id, identify
from kgnb.stores.embedded.arcadedb import ArcadeDb
from kgnb.stores.embedded.data_folder import DataFolder, read_note
from kgnb.stores.embedded.engine import Engine
from kgnb.stores.embedded.valkey import Valkey

PROTOCOL = 1
SOCKET_NAME = "s.sock"

_FIRST_GRACE = 10.0  # seconds for the first client to connect
_RESTARTS, _RESTART_WINDOW = 5, 60.0  # an engine that dies more often than this is given up
_HOUSEKEEPING = 600.0  # seconds

log = logging.getLogger("kgnb.stores.embedded")


@dataclass(frozen=True)
class Plan:
    """What the client that starts the supervisor hands over."""

    data_dir: str
    run_dir: str
    lock: int  # the descriptor that holds the folder's lock
    grace: float
    heap_mb: int
    language: str


class _ShuttingDown(ConnectionAbortedError):
    """The supervisor is about to end; the client starts or joins the next one."""


class Supervisor:
    """Serves clients and keeps the engines alive until the last client has gone."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = DataFolder(Path(plan.data_dir))
        self._identity = self._folder.identity
        self._run_dir = Path(plan.run_dir)
        self._engines: dict[str, Engine] = {}
        self._starting = asyncio.Lock()
        self._watchers: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._stopping = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._orphans = _recorded_engines(self._folder)

    async def run(self) -> None:
        """Serve until told to stop or left by the last client, then stop the engines."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal it was started from may close
        socket_path = self._run_dir / SOCKET_NAME
        server = await asyncio.start_unix_server(self._serve, socket_path)
        self._write_note()
        self._stop_after(_FIRST_GRACE)
        housekeeping = asyncio.create_task(self._keep_house())
        await self._stopping.wait()
        housekeeping.cancel()
        socket_path.unlink(missing_ok=True)  # from here on a client waits for the lock
        server.close()
        await self._stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        if self._timer:
            self._timer.cancel()
        try:
            while (line := await reader.readline()) and not self._stopping.is_set():
                answer = await self._answer(json.loads(line))
                writer.write(json.dumps(answer, default=str).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError) as error:  # a client that died while it sent its request
            log.info(say("engine.log_client_lost", reason=error))
        finally:
            writer.close()
            self._clients.discard(writer)
            if not self._clients:
                self._stop_after(self._plan.grace)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("protocol") != PROTOCOL:
            return {"error": "engine.other_version", "facts": {"path": self._folder.root}}
        try:
            answer: dict[str, Any] = {"protocol": PROTOCOL}
            for name, package in request["want"].items():
                answer |= (await self._ensure_engine(name, package, float(request["timeout"]))).endpoint()
        except EngineError as error:
            log.error(say(error.key, **error.facts))
            return {"error": error.key, "facts": error.facts}
        except _ShuttingDown:
            raise
        except OSError as error:  # a full disk, mostly
            facts: dict[str, object] = {"path": self._folder.root, "reason": error}
            log.exception(say("engine.folder_unusable", **facts))
            return {"error": "engine.folder_unusable", "facts": facts}
        return answer

    async def _ensure_engine(self, name: str, package: str, timeout: float) -> Engine:
        async with self._starting:
            if self._stopping.is_set():
                raise _ShuttingDown
            if name in self._engines:
                return self._engines[name]
            began = time.monotonic()
            if name == Valkey.name:
                engine: Engine = Valkey(self._folder, self._run_dir, package)
            else:
                engine = ArcadeDb(self._folder, self._run_dir, package, self._plan.heap_mb)
            await engine.adopt_folder(self._orphans.get(name))
            try:
                await engine.start(timeout)
            except EngineError:
                engine.release_lock()
                raise
            self._engines[name] = engine
            self._write_note()
            self._watchers.add(asyncio.create_task(self._watch(engine)))
            log.info(say("engine.log_started", engine=name, seconds=round(time.monotonic() - began, 2)))
            return engine

    async def _watch(self, engine: Engine) -> None:
        """Restart an engine whenever it dies, at the same address with the same credentials."""
        deaths: deque[float] = deque(maxlen=_RESTARTS + 1)
        while engine.process is not None:
            code = await engine.process.wait()
            deaths.append(time.monotonic())
            if len(deaths) > _RESTARTS and deaths[-1] - deaths[0] < _RESTART_WINDOW:
                log.error(say("engine.log_given_up", engine=engine.name, code=code))
                self._stopping.set()
                return
            log.warning(say("engine.log_restart", engine=engine.name, code=code))
            try:
                await engine.start(_RESTART_WINDOW)
            except EngineError as error:
                log.error(say(error.key, **error.facts))
            self._write_note()

    async def _stop(self) -> None:
        async with self._starting:  # an engine that is just starting is stopped too
            for watcher in self._watchers:
                watcher.cancel()
            await asyncio.gather(*self._watchers, return_exceptions=True)
            await asyncio.gather(*(engine.stop() for engine in self._engines.values()))
        self._folder.note.unlink(missing_ok=True)
        shutil.rmtree(self._run_dir, ignore_errors=True)
        for client in self._clients:
            client.close()
        log.info(say("engine.log_stopped"))

    def _stop_after(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._stopping.set)

    def _write_note(self) -> None:
        note = {
            "host": host_id(),
            "folder": self._identity,
            "socket": str(self._run_dir / SOCKET_NAME),
            "supervisor": _as_dict(identify(os.getpid())),
            "engines": {name: _as_dict(engine.identity) for name, engine in self._engines.items()},
        }
        with contextlib.suppress(FileNotFoundError):  # the folder was deleted while it was open
            write_json(self._folder.note, note)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING)
            for path in (self._run_dir.parent, self._run_dir, *self._run_dir.rglob("*")):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path)  # cleaners of /tmp leave young files alone
            self._folder.trim_logs()


def _as_dict(process: ProcessId | None) -> dict[str, Any] | None:
    return asdict(process) if process else None


def _recorded_engines(folder: DataFolder) -> dict[str, ProcessId]:
    """Return the engines that an earlier supervisor of this boot and container recorded."""
    note = read_note(folder)
    if note.get("host") != host_id():
        return {}
    engines = note.get("engines", {})
    return {name: ProcessId(one["pid"], one["start"]) for name, one in engines.items() if one}


def main() -> None:
    """Read the plan from standard input, leave the client's process tree, serve."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    use_language("en" if plan.language == "en" else "zh")
    os.umask(0o077)
    asyncio.run(Supervisor(plan).run())
