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
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from typing import Any

from kgnb.core.errors import KgnbError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.worker.session import LEAVE_SECONDS, Session

log = logging.getLogger(__name__)

RESTART_SECONDS = 5.0
"""Pause before a process that died is replaced."""
MESSAGE_MARK = b"\x1e"
"""First byte of a message: a JSON object with ``state`` (kgnb.worker.counters) or ``failure`` (a text)."""
LENGTH_BYTES = 4
"""Size of the length prefix of the settings."""
LEAVE, LEAVE_NOW = b"g", b"n"
"""Orders to leave: with the drain time, or without."""
LONGEST_LINE = 1 << 26
"""Bytes in a line of a child's output."""
EXIT_FAILED = 2
"""Exit code of a child that a restart can't help; its ``failure`` came before."""

# -P and -c keep the working folder off sys.path: a user's random.py there must not be imported.
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from kgnb.notebook.process_main import main; main()"
_ROOT = str(Path(__file__).resolve().parents[2])


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
        self._running: list[Process] = []
        self._leaving = asyncio.Event()

    async def run(self, leaving: asyncio.Event) -> None:
        """Return when ``leaving`` is set and all have left; raises KgnbError when one failed for good."""
        supervisors = [asyncio.create_task(self._supervise()) for _ in range(self._count)]
        waiting = asyncio.create_task(leaving.wait())
        try:
            # A supervisor ends when its process failed for good, or when it is time to leave.
            await asyncio.wait([waiting, *supervisors], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            self.leave()
            patience = self._session.drain_seconds(self._settings.drain_seconds) + LEAVE_SECONDS
            await asyncio.wait(supervisors, timeout=patience)
            for process in self._running:
                with suppress(ProcessLookupError):
                    process.kill()
            await asyncio.gather(*supervisors)

    def leave(self, *, now: bool = False) -> None:
        """Order every process to leave and start no more."""
        self._leaving.set()
        for process in self._running:
            _send(process, LEAVE_NOW if now else LEAVE)

    async def _supervise(self) -> None:
        while not self._leaving.is_set():
            process = await self._start()
            failure = await self._read_output(process)
            self._running.remove(process)
            if self._leaving.is_set() or self._session.is_ending:
                return
            if process.returncode == EXIT_FAILED:
                raise KgnbError("notebook.quits", reason=failure)
            facts = {"pid": process.pid, "code": process.returncode}
            log.warning(say("notebook.child_ended", **facts, seconds=round(RESTART_SECONDS)))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), RESTART_SECONDS)

    async def _start(self) -> Process:
        """Start a node process, send its settings, and return it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _BOOT, _ROOT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=LONGEST_LINE,
        )
        self._running.append(process)
        given = pickle.dumps((self._settings, self._session))
        _send(process, len(given).to_bytes(LENGTH_BYTES, "big") + given)
        if self._leaving.is_set():
            _send(process, LEAVE_NOW)
        return process

    async def _read_output(self, process: Process) -> str:
        """Read until the process has ended; return the failure that it told."""
        assert process.stdout is not None
        failure = ""
        async for line in process.stdout:
            if not line.startswith(MESSAGE_MARK):
                log.info("[%s] %s", process.pid, line.decode("utf-8", "replace").rstrip())
                continue
            with suppress(ValueError):  # truncated, because the process was killed
                message = json.loads(line.removeprefix(MESSAGE_MARK))
                if "state" in message:
                    self._states[process.pid] = message["state"]
                failure = message.get("failure", failure)
        await process.wait()
        if (state := self._states.get(process.pid)) is not None:
            self._states[process.pid] = state | {"in_flight": {}, "open_tasks": [], "down": {}}
        return failure


def _send(process: Process, data: bytes) -> None:
    """Write to the process's standard input; does nothing when it has ended."""
    assert process.stdin is not None
    with suppress(OSError, RuntimeError):
        process.stdin.write(data)
