"""Node processes of one kernel, for who wants more than a thread; they end with it, however it ends.

Each child gets its settings over its standard input, which stays open: a byte on it is the word to leave, its
end means that the parent is gone. It tells what it does on its standard output, between its log lines.
Nothing secret is on a command line or in a child's environment because of us. Children lead sessions of their
own: a kernel's interrupt goes to its whole process group, and a kernel that shuts down first ends every
process in it.
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
from types import TracebackType
from typing import Any, Self

from kgnb.core.errors import KgnbError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.worker.session import Session

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0
"""A process that died is started anew after this."""
LEAVE_SECONDS = 5.0
"""Beyond the drain time: how long a process may take to leave before it is killed."""
MARK = b"\x1e"
"""Begins a line that isn't for people: a JSON object with ``state`` (kgnb/tally.py) or ``quits`` (why)."""
LENGTH_BYTES = 4
"""Before the settings: how many bytes they are."""
GRACEFULLY, NOW = b"g", b"n"
"""Words to leave: with the drain time, or without."""
WRONG = 2
"""Exit code of a child that waiting can't help; its reason came before."""

# -P and -c keep the working folder off the path: somebody's random.py must not be imported there.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.notebook.process_main import main; main()"


class NodeProcesses:
    """``count`` node processes with the settings of this one. ``states``: what each process did, by its pid,
    kept also of those that ended."""

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
        self._quits = ""
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        self.leave()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.to_thread(self._wait_for_all)

    async def run(self, leaving: asyncio.Event) -> None:
        """Returns when ``leaving`` is set; raises KgnbError when the processes can't work."""
        waiting = asyncio.create_task(leaving.wait())
        try:
            done, _ = await asyncio.wait([waiting, *self._keepers], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {waiting}:
                await task  # raises what it failed of
            if waiting not in done:  # all that ends a keeper without an error is that it is time to leave
                await waiting
        finally:
            waiting.cancel()

    def leave(self, *, now: bool = False) -> None:
        """Tells every process to leave, and starts none any more. May be called from any thread."""
        with self._guard:
            self._leaving = True
            running = list(self._running)
        for child in running:
            child.tell(NOW if now else GRACEFULLY)

    async def _keep(self) -> None:
        while not self._leaving:
            ended = asyncio.Event()
            child = await asyncio.to_thread(self._start, asyncio.get_running_loop(), ended)
            if child is None:
                return
            await ended.wait()
            self._running.remove(child)
            if self._leaving or self._session.is_ending:
                return
            if child.process.returncode == WRONG:
                raise KgnbError("notebook.quits", reason=child.quits)
            log.warning(
                say(
                    "notebook.child_ended",
                    pid=child.process.pid,
                    code=child.process.returncode,
                    seconds=round(AGAIN_SECONDS),
                )
            )
            await asyncio.sleep(AGAIN_SECONDS)

    def _start(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> _NodeProcess | None:
        def over() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

        with self._guard:
            if self._leaving:
                return None
            child = _NodeProcess(self._settings, self._session, self._states, over)
            self._running.append(child)
            return child

    def _wait_for_all(self) -> None:
        for child in list(self._running):
            child.end(self._session.drain(self._settings.drain_seconds) + LEAVE_SECONDS)


class _NodeProcess:
    """One process, and the thread that reads what it says."""

    def __init__(
        self,
        settings: Settings,
        session: Session,
        states: dict[int, dict[str, Any]],
        over: Callable[[], None],
    ) -> None:
        self.quits = ""
        self._states = states
        self._over = over
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-P", "-c", _BOOT, str(Path(__file__).resolve().parents[2])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, name="kgnb-child", daemon=True).start()
        assert self.process.stdin is not None
        with suppress(OSError):  # it died at once: its exit code tells
            first = pickle.dumps((settings, session))
            self.process.stdin.write(len(first).to_bytes(LENGTH_BYTES, "big") + first)
            self.process.stdin.flush()

    def tell(self, word: bytes) -> None:
        """Says the word; a process that is gone hears nothing."""
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):
            self.process.stdin.write(word)
            self.process.stdin.flush()

    def end(self, seconds: float) -> None:
        """Waits for it to leave, then kills it."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(MARK):
                self._hear(line.removeprefix(MARK))
            else:  # its lines appear among this process's
                log.info("[%s] %s", self.process.pid, line.decode("utf-8", "replace").rstrip())
        self.process.wait()
        if (state := self._states.get(self.process.pid)) is not None:
            self._states[self.process.pid] = state | {"in_flight": {}, "open_tasks": [], "down": {}}
        self._over()

    def _hear(self, line: bytes) -> None:
        with suppress(ValueError):  # cut off as the process was killed
            told = json.loads(line)
            if "state" in told:
                self._states[self.process.pid] = told["state"]
            self.quits = told.get("quits", self.quits)
