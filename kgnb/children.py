"""Node processes of one kernel, for who wants more than a thread; they end with it, however it ends.

Each child gets its settings over its standard input, which stays open: its end is the word to leave, also
when the parent was killed. Nothing secret is on a command line or in a child's environment because of us.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

from kgnb.session import Session
from kgnb.settings import Settings
from kgnb.texts import say

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0
"""A process that died is started anew after this."""
LEAVE_SECONDS = 5.0
"""Beyond the drain time: how long a process may take to leave before it is killed."""


class Children:
    """``count`` node processes with the settings of this one."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._count = count
        self._running: list[subprocess.Popen[bytes]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._leaving = False

    async def __aenter__(self) -> Self:
        self._keepers = [asyncio.create_task(self._keep()) for _ in range(self._count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.to_thread(self._end_all)

    async def wait(self, stop: asyncio.Event, session: Session) -> None:
        """Returns when ``stop`` is set or the session ends (the processes know the session too)."""
        while not stop.is_set() and not session.is_ending:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)

    async def _keep(self) -> None:
        while True:
            child = await asyncio.to_thread(self._start)
            code = await asyncio.to_thread(child.wait)
            self._running.remove(child)
            log.warning(say("notebook.child_ended", pid=child.pid, code=code, seconds=round(AGAIN_SECONDS)))
            await asyncio.sleep(AGAIN_SECONDS)

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", "kgnb.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._running.append(child)
        assert child.stdin is not None
        assert child.stdout is not None
        threading.Thread(target=_forward, args=(child.pid, child.stdout), daemon=True).start()
        with suppress(BrokenPipeError):  # it died at once: its keeper tells
            pickle.dump(self._settings, child.stdin)
            child.stdin.flush()
        return child

    def _end_all(self) -> None:
        running = list(self._running)
        for child in running:
            assert child.stdin is not None
            with suppress(OSError):
                child.stdin.close()
        for child in running:
            try:
                child.wait(self._settings.drain_seconds + LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _forward(pid: int, output: IO[bytes]) -> None:
    """A child's lines appear among this process's."""
    for line in output:
        log.info("[%s] %s", pid, line.decode("utf-8", "replace").rstrip())
