"""Main of a node process (see :mod:`kgnb.notebook.processes`): leaves on order, or when its parent ends."""

from __future__ import annotations

import asyncio
import json
import math
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from kgnb.app.run_worker import serve
from kgnb.core import logging as log_setup
from kgnb.core.errors import KgnbError
from kgnb.core.event_loop import new_loop
from kgnb.core.messages import use_language
from kgnb.core.process_tuning import tune_process
from kgnb.core.settings import Settings
from kgnb.notebook.processes import EXIT_FAILED, LEAVE_NOW, LENGTH_BYTES, MESSAGE_MARK
from kgnb.worker.counters import Counters
from kgnb.worker.session import Departure, Session

STDIN = 0
STATE_SECONDS = 1.0
"""Shortest time between two states sent to the parent."""
ORPHAN_SECONDS = 0.5
"""How long chapters in flight may take when the parent is gone: the machine may vanish next."""


def main() -> None:
    """Read the settings from standard input and serve until ordered to leave."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the kernel's cell
    settings, session = pickle.loads(_read(int.from_bytes(_read(LENGTH_BYTES), "big")))  # noqa: S301 - ours
    use_language(settings.lang)
    log_setup.configure(settings.log_level, sys.stdout, as_json=False)
    tune_process()
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_ProcessNode(settings, session).run())
    except KgnbError as error:
        _send("failure", str(error))
        sys.exit(EXIT_FAILED)


def _read(count: int) -> bytes:
    """Return ``count`` bytes of standard input, bypassing Python's buffer: a thread that waits for the
    buffer's lock would abort the process at its exit. Exits at the input's end.
    """
    found = b""
    while len(found) < count:
        part = os.read(STDIN, count - len(found))
        if not part:
            sys.exit(0)  # the parent ended before it sent all
        found += part
    return found


def _send(kind: str, value: object) -> None:
    line = MESSAGE_MARK.decode() + json.dumps({kind: value}) + "\n"
    with suppress(OSError):  # the parent is gone; standard input says so too
        sys.stdout.write(line)
        sys.stdout.flush()


class _ProcessNode:
    def __init__(self, settings: Settings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._departure = Departure()
        self._counters = Counters()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read_orders, args=(loop,), daemon=True).start()
        loop.add_signal_handler(signal.SIGTERM, self._departure.ask)
        sending = asyncio.create_task(self._send_states())
        try:
            await serve(
                self._settings,
                self._departure,
                self._counters,
                session=self._session,
                on_ready=lambda _, worker: log_setup.name_node(worker.name),
            )
        finally:
            sending.cancel()
            _send("state", self._counters.snapshot())

    def _read_orders(self, loop: asyncio.AbstractEventLoop) -> None:
        """An order to leave may be followed by a more urgent one; end of file: the parent is gone."""
        while order := os.read(STDIN, 1):
            loop.call_soon_threadsafe(self._departure.ask, 0.0 if order == LEAVE_NOW else math.inf)
        loop.call_soon_threadsafe(self._departure.ask, ORPHAN_SECONDS)

    async def _send_states(self) -> None:
        sent: dict[str, Any] = {}
        while True:
            if (state := self._counters.snapshot()) != sent:
                _send("state", state)
                sent = state
            await asyncio.sleep(STATE_SECONDS)
