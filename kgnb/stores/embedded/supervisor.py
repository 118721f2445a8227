"""The process that owns the Valkey server of one data folder; it imports only the standard library.

The server keeps nothing on disk: a queue is filled from the record, as after FLUSHALL. Clients hold a
connection to this process. When the last one has been gone for the grace period, it stops the server and
ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from kgnb.core.errors import EngineError
from kgnb.core.files import write_json
from kgnb.core.messages import say, use_language
from kgnb.core.safe_text import one_line
from kgnb.core.shortages import shortages
from kgnb.stores.embedded.data_folder import DataFolder, read_note
from kgnb.stores.process_id import ProcessId, host_id, identify, send_signal

PROTOCOL = 2
SOCKET_NAME = "s.sock"

_POLL = 0.005  # seconds between two looks at a starting server
_RESTARTS, _RESTART_WINDOW = 5, 60.0  # a server that dies more often than this is given up
_HOUSEKEEPING = 600.0  # seconds
_STOP_GRACE = 5.0  # seconds for a clean end before SIGKILL
_SAID_CHARS = 300  # of a log's end, in an error
_CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 600
dir {run_dir}
requirepass {password}
appendonly no
save ""
maxmemory-policy noeviction
logfile ""
daemonize no
{disabled}
"""
_DISABLED = (
    *("acl", "config", "module", "debug", "function", "fcall", "monitor", "shutdown", "save", "bgsave"),
    *("bgrewriteaof", "replicaof", "slaveof", "failover", "sync", "psync", "replconf"),
    *("migrate", "restore", "restore-asking"),
)
"""Commands that reach files, other servers or users; kgnb needs none."""


@dataclass(frozen=True)
class Plan:
    """What the client that starts the supervisor hands over."""

    data_dir: str
    run_dir: str
    server: str  # the program
    lock: int  # the descriptor that holds the folder's lock
    client: int  # that of the first client's connection
    grace: float
    start_timeout: float
    language: str


class Valkey:
    """A Valkey server on a unix socket in the private runtime directory."""

    def __init__(self, folder: DataFolder, run_dir: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._run_dir = run_dir
        self._socket = run_dir / "redis.sock"
        self._password = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """redis-py's URL of the unix socket, with the password."""
        return f"unix://{quote(str(self._socket))}?password={self._password}&db=0"

    @property
    def identity(self) -> ProcessId | None:
        """The running process."""
        return identify(self._process.pid) if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the process (negative: signal); None while it runs, or before it was started."""
        return self._process.poll() if self._process else None

    def start(self, timeout: float) -> None:
        """Run it and wait until it answers. Raises EngineError; then nothing is left running."""
        self._socket.unlink(missing_ok=True)
        log = self._folder.log("queue")
        said_before = log.stat().st_size if log.exists() else 0
        self._process = self._spawn(log)
        deadline = time.monotonic() + timeout
        while not self._is_ready():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.stop()
                for lack, facts in shortages(self._folder.root):
                    raise EngineError(lack, **facts)
                text = log.read_bytes()[said_before:].decode("utf-8", "replace")
                said = one_line(" ".join(text.split())[-_SAID_CHARS:])
                key = "engine.start_timeout" if ended is None else "engine.start_failed"
                raise EngineError(key, log=log, said=said, code=ended, seconds=timeout)
            time.sleep(_POLL)

    def stop(self) -> None:
        """Stop it with SIGTERM, or SIGKILL when it doesn't end."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _spawn(self, log: Path) -> subprocess.Popen[bytes]:
        """The configuration goes through a pipe: the password is in no file and on no command line."""
        config = _CONFIG.format(
            socket=_quoted(self._socket),
            run_dir=_quoted(self._run_dir),
            password=self._password,
            disabled="\n".join(f'rename-command {name} ""' for name in _DISABLED),
        )
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(  # noqa: S603 (the wheel's program)
                    [self._program, "-"],
                    env={"LC_ALL": "C.UTF-8"},  # paths in any script, whatever the user's locale
                    cwd=self._run_dir,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_die_with_parent(),
                )
        except OSError as error:
            raise EngineError("engine.cannot_run", path=self._program, reason=error.strerror) from error
        assert process.stdin is not None
        with contextlib.suppress(OSError), process.stdin:  # it may have died already, as its exit code says
            process.stdin.write(config.encode())
        return process

    def _is_ready(self) -> bool:
        """Whether AUTH and PING succeed."""
        with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.connect(str(self._socket))
            connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
            return connection.makefile("rb").read(len(b"+OK\r\n+PONG\r\n")) == b"+OK\r\n+PONG\r\n"
        return False


class Supervisor:
    """Serves clients and keeps the server alive until the last of them has gone."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = DataFolder(Path(plan.data_dir))
        self._identity = self._folder.identity
        self._run_dir = Path(plan.run_dir)
        self._valkey = Valkey(self._folder, self._run_dir, plan.server)
        self._clients: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._left_at: float | None = None  # when the last client left

    def run(self) -> None:
        """Serve until told to stop or left by the last client, then stop the server."""
        signals, wakes = socket.socketpair()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        wakes.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal it was started from may close
        self._selector.register(signals, selectors.EVENT_READ, lambda: signals.recv(1_000))
        first = socket.socket(fileno=self._plan.client)
        _stop_orphan(self._folder)
        if self._start(first):
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(self._run_dir / SOCKET_NAME))
                listener.listen(100)
                self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener))
                self._write_note()
                self._welcome(first)
                self._serve()
                # From here on a client waits for the lock.
                (self._run_dir / SOCKET_NAME).unlink(missing_ok=True)
        self._valkey.stop()
        self._folder.note.unlink(missing_ok=True)
        shutil.rmtree(self._run_dir, ignore_errors=True)
        _log(say("engine.log_stopped"))

    def _start(self, first: socket.socket) -> bool:
        """Start the server; where that fails, tell the client why."""
        began = time.monotonic()
        try:
            self._valkey.start(self._plan.start_timeout)
        except (EngineError, OSError) as error:
            if isinstance(error, OSError):  # a full disk, mostly
                error = EngineError("engine.folder_unusable", path=self._folder.root, reason=error)
            _log(say(error.key, **error.facts))
            _send(first, {"error": error.key, "facts": error.facts})
            return False
        _log(say("engine.log_started", seconds=round(time.monotonic() - began, 2)))
        return True

    def _serve(self) -> None:
        deaths: deque[float] = deque(maxlen=_RESTARTS + 1)
        while not self._stopping:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            if self._left_at is not None and time.monotonic() >= self._left_at + self._plan.grace:
                return
            if self._valkey.exit_code is not None and not self._restarted(deaths):
                return
            self._keep_house()

    def _patience(self) -> float:
        if self._left_at is None:
            return _HOUSEKEEPING
        return max(0.0, self._left_at + self._plan.grace - time.monotonic())

    def _restarted(self, deaths: deque[float]) -> bool:
        """Start a server that died, at the same address with the same password; whether that went well."""
        code = self._valkey.exit_code
        deaths.append(time.monotonic())
        if len(deaths) > _RESTARTS and deaths[-1] - deaths[0] < _RESTART_WINDOW:
            _log(say("engine.log_given_up", code=code))
            return False
        _log(say("engine.log_restart", code=code))
        try:
            self._valkey.start(_RESTART_WINDOW)
        except EngineError as error:
            _log(say(error.key, **error.facts))
            return False
        self._write_note()
        return True

    def _on_signal(self, number: int, _frame: object) -> None:
        self._stopping = self._stopping or number != signal.SIGCHLD

    def _accept(self, listener: socket.socket) -> None:
        self._welcome(listener.accept()[0])

    def _welcome(self, client: socket.socket) -> None:
        self._clients.add(client)
        self._left_at = None
        self._selector.register(client, selectors.EVENT_READ, lambda: self._hear(client))
        _send(client, {"protocol": PROTOCOL, "redis_url": self._valkey.url})

    def _hear(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if client.recv(1_000):  # what an older kgnb asks for
                return
        self._selector.unregister(client)
        self._clients.discard(client)
        client.close()
        if not self._clients:
            self._left_at = time.monotonic()

    def _write_note(self) -> None:
        note = {
            "host": host_id(),
            "folder": self._identity,
            "socket": str(self._run_dir / SOCKET_NAME),
            "supervisor": _as_dict(identify(os.getpid())),
            "engines": {"redis": _as_dict(self._valkey.identity)},
        }
        with contextlib.suppress(FileNotFoundError):  # the folder was deleted while it was open
            write_json(self._folder.note, note)

    def _keep_house(self) -> None:
        for path in (self._run_dir.parent, self._run_dir, *self._run_dir.glob("*")):
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)  # cleaners of /tmp leave young files alone
        self._folder.trim_logs()


def _send(client: socket.socket, answer: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # it died meanwhile
        client.sendall(json.dumps(answer, default=str).encode() + b"\n")


def _log(text: str) -> None:
    print(time.strftime("%F %T"), text, file=sys.stderr, flush=True)


def _quoted(path: Path) -> str:
    """Quote a path for Valkey's configuration, each byte as \\xNN."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in os.fsencode(path)) + '"'


def _as_dict(process: ProcessId | None) -> dict[str, object] | None:
    return asdict(process) if process else None


def _stop_orphan(folder: DataFolder) -> None:
    """End the server that an earlier supervisor of this boot left, where the system didn't (macOS)."""
    note = read_note(folder)
    orphan = note.get("engines", {}).get("redis") if note.get("host") == host_id() else None
    if orphan:
        send_signal(ProcessId(orphan["pid"], orphan["start"]), signal.SIGKILL)


def _die_with_parent() -> Callable[[], None] | None:
    """Return a hook that asks Linux for SIGTERM when the supervisor dies.

    The kernel watches the spawning thread, and the supervisor has one.
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
    Supervisor(plan).run()
