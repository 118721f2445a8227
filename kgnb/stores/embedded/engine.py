"""Base class of the engines: run as a child process, wait until ready, stop with SIGTERM, then SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

from kgnb.core.errors import EngineError
from kgnb.core.process_id import ProcessId, holders_of, identify, is_alive, send_signal
from kgnb.core.safe_text import one_line
from kgnb.core.shortages import shortages, small_files
from kgnb.stores.embedded.data_folder import DataFolder, try_lock

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_POLL = 0.03  # seconds between two looks at a starting engine or a lock
_STOP_GRACE = 20.0  # seconds for a clean end before SIGKILL; ArcadeDB flushes its pages in it
_ORPHAN_GRACE = 10.0
_SAID_CHARS = 300  # of a log's end, in an error


class Engine(ABC):
    """One engine of a data folder, run as a child of the supervisor."""

    name: ClassVar[str]

    def __init__(self, folder: DataFolder, run_dir: Path) -> None:
        self.folder = folder
        self.run_dir = run_dir
        self.process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None
        self._log_start = 0  # offset in the log of what the running process says

    @abstractmethod
    def prepare(self) -> tuple[list[str], bytes]:
        """Write the files that the engine reads; return its command line (without secrets) and its input."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether the engine accepts its credentials and answers."""

    @abstractmethod
    def endpoint(self) -> dict[str, str]:
        """Return the answer's fields by which a client reaches it, secrets included."""

    def started(self) -> None:  # noqa: B027 (a hook, empty by default)
        """Called once the engine is ready."""

    def has_moved(self, said: bytes) -> bool:  # noqa: ARG002 (a hook)
        """Whether the engine ``said`` that another program has its port; then it has chosen others."""
        return False

    @property
    def identity(self) -> ProcessId | None:
        """The running process."""
        return identify(self.process.pid) if self.process else None

    async def adopt_folder(self, recorded: ProcessId | None) -> None:
        """Take the engine's lock; an orphan of an earlier supervisor that holds it is stopped first.

        Raises EngineError when the holder can't be found here: the folder is open on another machine.
        """
        path = self.folder.lock_file(self.name)
        self._lock = try_lock(path)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._lock is not None:
                return
            for orphan in _orphans(path, recorded):
                send_signal(orphan, number)
            self._lock = await _lock_soon(path)
        if self._lock is None:
            raise EngineError("engine.open_elsewhere", path=self.folder.root)

    def release_lock(self) -> None:
        """Release the engine's lock; the engine doesn't run."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def start(self, timeout: float) -> None:
        """Run the engine and wait until it is ready. Raises EngineError; then nothing is left running."""
        for lack, facts in small_files():
            raise EngineError(lack, **facts)
        log = self.folder.log(self.name)
        self.process = await self._spawn(log)
        try:
            async with asyncio.timeout(timeout):
                while not await self.is_ready():
                    if (code := self.process.returncode) is not None:
                        raise self._failed("engine.start_failed", log, code=code)
                    if self.has_moved(self._said(log)):
                        self.process.kill()
                        await self.process.wait()
                        self.process = await self._spawn(log)
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            await self.stop()
            raise self._failed("engine.start_timeout", log, seconds=timeout) from None
        self.started()

    def _failed(self, key: str, log: Path, **facts: object) -> EngineError:
        """The error of a failed start; what the engine lacks comes before what it says itself."""
        for lack, lack_facts in shortages(self.folder.root):
            return EngineError(lack, **lack_facts)
        # Also here: the log of a folder that was only looked at goes with it.
        said = one_line(" ".join(self._said(log).decode("utf-8", "replace").split())[-_SAID_CHARS:])
        return EngineError(key, engine=self.name, log=log, said=said, **facts)

    def _said(self, log: Path) -> bytes:
        """What the process that was started last has written to its log."""
        return log.read_bytes()[self._log_start :]

    async def stop(self) -> None:
        """Stop the engine with SIGTERM, or SIGKILL when it doesn't end."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_GRACE)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _spawn(self, log: Path) -> asyncio.subprocess.Process:
        assert self._lock is not None, "adopt_folder comes first"
        argv, text = self.prepare()
        with log.open("ab") as output:
            self._log_start = output.tell()
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    env={"LC_ALL": "C.UTF-8"},  # paths in any script, whatever the user's locale
                    cwd=self.run_dir,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    pass_fds=(self._lock,),  # so that it holds the lock for as long as it lives
                    start_new_session=True,
                    preexec_fn=_die_with_parent(),
                )
            except OSError as error:
                raise EngineError(
                    "engine.cannot_run", engine=self.name, path=argv[0], reason=error.strerror
                ) from error
        assert process.stdin is not None
        # It may have died already; start() sees its exit code.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(text)
            await process.stdin.drain()
            process.stdin.close()
        return process


async def exchange(opening: Awaitable[Connection], request: bytes, size: int = -1) -> bytes:
    """Send ``request`` over a connection; return ``size`` bytes of the answer, or all; empty without one."""
    try:
        reader, writer = await opening
    except OSError:
        return b""
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(size), 5)
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()


def _orphans(path: Path, recorded: ProcessId | None) -> list[ProcessId]:
    """Return the lock's holders: exact on Linux, elsewhere as the earlier supervisor recorded them."""
    if holders := holders_of(path):
        return holders
    return [recorded] if recorded is not None and is_alive(recorded) else []


async def _lock_soon(path: Path) -> int | None:
    for _ in range(int(_ORPHAN_GRACE / _POLL)):
        if (handle := try_lock(path)) is not None:
            return handle
        await asyncio.sleep(_POLL)
    return None


def _die_with_parent() -> Callable[[], None] | None:
    """Return a hook that asks Linux for SIGTERM when the supervisor dies: a fallback.

    The kernel watches the spawning thread, and the supervisor spawns from its main thread.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc, supervisor = ctypes.CDLL(None), os.getpid()

    def set_death_signal() -> None:
        libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor:
            os._exit(1)

    return set_death_signal
