"""One node process of a notebook (see children.py): it leaves when it is told to, or its parent is gone."""

from __future__ import annotations

import asyncio
import json
import math
import os
import pickle
import signal
import sys
import threading
from typing import Any

from kgnb.app.context import App
from kgnb.app.run_worker import serve
from kgnb.core import logging as log_setup
from kgnb.core.errors import KgnbError
from kgnb.core.event_loop import new_loop, tune_process
from kgnb.core.messages import use_language
from kgnb.core.settings import Settings
from kgnb.notebook.processes import LENGTH_BYTES, MARK, NOW, WRONG
from kgnb.worker.counters import Counters
from kgnb.worker.node import WorkerNode
from kgnb.worker.session import Session

STDIN = 0
TELL_SECONDS = 1.0
"""How often it tells its parent what it does."""
ORPHAN_SECONDS = 0.5
"""How long chapters in flight may take when the parent is gone: the machine may vanish next."""


def main() -> None:
    """Reads its settings from standard input and serves until that says otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the kernel's cell
    settings, session = pickle.loads(_read(int.from_bytes(_read(LENGTH_BYTES), "big")))  # noqa: S301 - ours
    use_language(settings.lang)
    log_setup.configure(settings.log_level, sys.stdout, as_json=False)
    tune_process()
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_Life(settings, session).run())
    except KgnbError as error:
        _tell("quits", str(error))
        sys.exit(WRONG)


def _read(count: int) -> bytes:
    """So many bytes of standard input, past Python's buffer: a thread that waits for that one's lock would
    abort the process at its exit."""
    found = b""
    while len(found) < count:
        part = os.read(STDIN, count - len(found))
        if not part:
            sys.exit(0)  # the parent went before it said anything
        found += part
    return found


def _tell(what: str, value: object) -> None:
    line = MARK.decode() + json.dumps({what: value}) + "\n"
    try:
        sys.stdout.write(line)
        sys.stdout.flush()
    except OSError:  # the parent is gone, and standard input says so too
        return


class _Life:
    def __init__(self, settings: Settings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._hurry = math.inf
        self._worker: WorkerNode | None = None
        self._tally = Counters()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop,), daemon=True).start()
        loop.add_signal_handler(signal.SIGTERM, self._leave, math.inf)
        telling = asyncio.create_task(self._tell_always())
        try:
            await serve(
                self._settings,
                self._stop,
                session=self._session,
                listener=self._tally.heard,
                ready=self._ready,
                hurry=lambda: self._hurry,
            )
        finally:
            telling.cancel()
            _tell("state", self._tally.state())

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """A word to leave, then perhaps a more urgent one; the end says that the parent is gone."""
        while word := os.read(STDIN, 1):
            loop.call_soon_threadsafe(self._leave, 0.0 if word == NOW else math.inf)
        loop.call_soon_threadsafe(self._leave, ORPHAN_SECONDS)

    def _leave(self, hurry: float) -> None:
        self._hurry = min(self._hurry, hurry)
        self._stop.set()
        if self._worker is not None and math.isfinite(self._hurry):
            asyncio.get_running_loop().call_later(self._hurry, self._worker.cut_short)

    def _ready(self, app: App, worker: WorkerNode) -> None:
        self._worker = worker
        self._tally.ready(app.spent, worker)
        log_setup.name_node(worker.name)

    async def _tell_always(self) -> None:
        told: dict[str, Any] = {}
        while True:
            if (state := self._tally.state()) != told:
                _tell("state", state)
                told = state
            await asyncio.sleep(TELL_SECONDS)


if __name__ == "__main__":
    main()
