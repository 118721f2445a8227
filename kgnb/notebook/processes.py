"""Node processes of one kernel; they end with it, however it ends.

A child reads its settings from standard input, which stays open: a byte on it is the order to leave, its end
means that the parent is gone. On standard output it sends its state, between its log lines. So no secret is
on a command line or in a child's environment. Children lead sessions of their own, because an interrupt goes
to the kernel's whole process group, and a kernel that shuts down ends every process in it first.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from kgnb.core.errors import KgnbError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.worker.session import Session

log = logging.getLogger(__name__)

RESTART_SECONDS = 5.0
"""Pause before a process that died is replaced."""
LEAVE_SECONDS = 5.0
"""How long a process may take to leave, beyond the drain time, before it is killed."""
MESSAGE_MARK = b"\x1e"
"""First byte of a message: a JSON object with ``state`` (kgnb.worker.counters) or ``failure`` (a text)."""
LENGTH_BYTES = 4
"""Size of the length prefix of the settings."""
LEAVE, LEAVE_NOW = b"g", b"n"
"""Orders to leave: with the drain time, or without."""
EXIT_FAILED = 2
"""Exit code of a child that a restart can't help; its ``failure`` came before."""

# -P and -c keep the working folder off sys.path: a user's random.py there must not be imported.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.notebook.process_main import main; main()"


class NodeProcesses:
    """``count`` node processes with this process's settings, restarted when they die.

    ``states`` gets the last state of each process by pid, also of those that ended.
    """

    def __init__(
        self, settings: Settings, session: Session, count: int, states: dict[int, dict[str, Any]]
    ) -> None:
        self._settings = settings
        self._session = session
        self._count = count
        self._states = states
        self._guard = threading.Lock()
        self._running: list[_NodeProcess] = []
        self._leaving = False
        self._supervisors: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._supervisors = [asyncio.create_task(self._supervise()) for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for supervisor in self._supervisors:
            supervisor.cancel()
        self.leave()
        await asyncio.gather(*self._supervisors, return_exceptions=True)
        await asyncio.to_thread(self._wait_for_all)

    async def run(self, leaving: asyncio.Event) -> None:
        """Return when ``leaving`` is set; raises KgnbError when a process failed for good."""
        waiting = asyncio.create_task(leaving.wait())
        try:
            done, _ = await asyncio.wait([waiting, *self._supervisors], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiting}:
                await task  # raises its error
            if waiting not in done:  # a supervisor ends without an error only when it is time to leave
                await waiting
        finally:
            waiting.cancel()

    def leave(self, *, now: bool = False) -> None:
        """Order every process to leave and start no more. Thread-safe."""
        with self._guard:
            self._leaving = True
            running = list(self._running)
        for child in running:
            child.send(LEAVE_NOW if now else LEAVE)

    async def _supervise(self) -> None:
        while not self._leaving:
            ended = asyncio.Event()
            child = await asyncio.to_thread(self._start, asyncio.get_running_loop(), ended)
            if child is None:
                return
            await ended.wait()
            self._running.remove(child)
            if self._leaving or self._session.is_ending:
                return
            if child.process.returncode == EXIT_FAILED:
                raise KgnbError("notebook.quits", reason=child.failure)
            facts = {"pid": child.process.pid, "code": child.process.returncode}
            log.warning(say("notebook.child_ended", **facts, seconds=round(RESTART_SECONDS)))
            await asyncio.sleep(RESTART_SECONDS)

    def _start(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> _NodeProcess | None:
        def on_end() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        with self._guard:
            if self._leaving:
                return None
            child = _NodeProcess(self._settings, self._session, self._states, on_end)
            self._running.append(child)
            return child

    def _wait_for_all(self) -> None:
        for child in list(self._running):
            child.wait_or_kill(self._session.drain_seconds(self._settings.drain_seconds) + LEAVE_SECONDS)


class _NodeProcess:
    """One process, and the thread that reads its output."""

    def __init__(
        self,
        settings: Settings,
        session: Session,
        states: dict[int, dict[str, Any]],
        on_end: Callable[[], None],
    ) -> None:
        self.failure = ""
        self._states = states
        self._on_end = on_end
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).resolve().parents[2])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._read_output, name="kgnb-child", daemon=True).start()
        given = pickle.dumps((settings, session))
        self.send(len(given).to_bytes(LENGTH_BYTES, "big") + given)

    def send(self, data: bytes) -> None:
        """Write to the process's standard input; does nothing when it has ended."""
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def wait_or_kill(self, seconds: float) -> None:
        """Wait for the process to leave, then kill it."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(MESSAGE_MARK):
                self._receive(line.removeprefix(MESSAGE_MARK))
            else:
                log.info("[%s] %s", self.process.pid, line.decode("utf-8", "replace").rstrip())
        self.process.wait()
        if (state := self._states.get(self.process.pid)) is not None:
            self._states[self.process.pid] = state | {"in_flight": {}, "open_tasks": [], "down": {}}
        self._on_end()

    def _receive(self, line: bytes) -> None:
        with suppress(ValueError):  # truncated, because the process was killed
            message = json.loads(line)
            if "state" in message:
                self._states[self.process.pid] = message["state"]
            self.failure = message.get("failure", self.failure)
