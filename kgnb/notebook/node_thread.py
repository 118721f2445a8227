"""One stretch of a notebook's node, from its start to its end, in a daemon thread of its own.

A thread that isn't a daemon would keep a kernel from ending; this one is told to leave by the process's hooks
(kgnb/hooks.py), and whatever it doesn't manage then, the leases do.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from kgnb.app.context import App, open_app, open_waiting
from kgnb.app.run_worker import leaving_when, serve
from kgnb.app.session_report import SessionReport
from kgnb.app.status import StatusReport
from kgnb.core.errors import KgnbError, ServiceDown
from kgnb.core.event_loop import new_loop
from kgnb.core.log_buffer import LogBuffer
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.notebook.processes import NodeProcesses
from kgnb.notebook.shutdown import HOOKS
from kgnb.worker.counters import Counters
from kgnb.worker.node import WorkerNode as Worker
from kgnb.worker.session import Session

R = TypeVar("R")

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often a running node looks at all queues, tasks and nodes."""
ENGINES_LOOK_SECONDS = 1.0
"""How often node processes' parent looks whether the embedded engines are still there."""
LAST_LOOK_SECONDS = 10.0
"""How long the last look may take, so that a service that hangs doesn't keep a session from ending."""
CALLS_SECONDS = 5.0
"""How long a leaving node waits for what its panel asked for."""
HURRY_SECONDS, HURRY_JOIN_SECONDS = 0.4, 1.5
"""When the kernel goes: how long chapters in flight may take, and how long all of leaving may (a kernel is
killed about 2.6 s after its shutdown began)."""


class State(StrEnum):
    """Where a node's life is."""

    STOPPED = "stopped"
    STARTING = "starting"  # connecting, or waiting for services that are down
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"  # see NodeRun.failure


class NodeRun:
    """Runs once. Attributes are written in its thread and may be read from any."""

    def __init__(
        self,
        settings: Settings,
        farewell: SessionReport,
        tally: Counters,
        states: dict[int, dict[str, Any]],
        recent: LogBuffer,
        processes: int,
    ) -> None:
        self.state = State.STARTING
        self.failure: Exception | None = None
        self.name = ""
        self.cluster: dict[str, Any] | None = None
        self.cluster_error = ""
        self.looks = 0
        self.reports = False
        """Whether its end is to be told in a report; the end of its session always is."""
        self.why = ""
        """What the report is to say about the end, where that isn't plain."""
        self.report: Path | None = None
        self._settings = settings
        self._farewell = farewell
        self._session: Session = farewell.session
        self._tally = tally
        self._states = states
        self._recent = recent
        self._processes = processes
        self._loop = new_loop()
        self._stop = asyncio.Event()
        self._hurry = math.inf
        self._asked = self._kernel_goes = False
        self._guard = threading.Lock()
        self._app: App | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._worker: Worker | None = None
        self._children: NodeProcesses | None = None
        self._thread = threading.Thread(target=self._main, name="kgnb-node", daemon=True)
        self._begun = False
        self._ended = threading.Event()
        self._before: NodeRun | None = None

    # --- from other threads

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._begun and not self._ended.is_set()

    @property
    def is_leaving(self) -> bool:
        """Whether it was told to stop."""
        return self._asked

    def start(self, before: NodeRun | None) -> None:
        """Begins as soon as the one ``before`` has ended; returns at once."""
        self._before = before
        HOOKS.add(self)
        self._begun = True
        self._thread.start()

    def ask_to_stop(self, hurry: float = math.inf) -> None:
        """Leave, with at most ``hurry`` seconds for chapters in flight; returns at once."""
        self._asked = True
        with suppress(RuntimeError):  # its loop is closed: it has left
            self._loop.call_soon_threadsafe(self._stop_here, hurry)

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end."""
        if self._begun and self._thread is not threading.current_thread():
            self._ended.wait(timeout)  # an interrupted Thread.join takes the thread for ended (Python 3.11)

    def kernel_ends(self) -> None:
        """The kernel's process is about to go: leave within what is left of it."""
        self.kernel_will_end()
        self.join(HURRY_JOIN_SECONDS)

    def kernel_will_end(self) -> None:
        """As :meth:`kernel_ends`, but returns at once."""
        if not self._kernel_goes:
            self._kernel_goes = True
            self.ask_to_stop(HURRY_SECONDS)

    def call(self, work: Callable[[App], Awaitable[R]]) -> Future[R] | None:
        """Runs ``work`` on the node's loop, with its stores; None where there are none right now."""
        with self._guard:
            app = self._app
            if app is None or self._processes:
                return None
            return asyncio.run_coroutine_threadsafe(self._tracked(work, app), self._loop)

    @property
    def seen(self) -> tuple[int, int]:
        """Changes with every look at the queues, by the node or for the panel."""
        return self.looks, self._worker.polls if self._worker is not None else 0

    @property
    def nothing_left(self) -> bool:
        """Whether the queues were empty at the last look and nothing is held here."""
        if not self._processes:
            return self._worker is not None and self._worker.nothing_left
        counts = ("waiting", "chapters", "leased", "delayed")
        return self.cluster is not None and not any(q[c] for q in self.cluster["queues"] for c in counts)

    # --- in its thread

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        if self._before is not None:
            self._before.join()
            self._before = None
        self._recent.listen(self._settings.log_level)
        end = State.STOPPED
        try:
            self._loop.run_until_complete(self._with_children() if self._processes else self._serve())
        except KgnbError as error:
            end, self.failure = State.FAILED, error
            log.error(say("notebook.failed", reason=str(error)))
        except Exception as error:  # a bug of ours: shown in the panel, not as another cell's traceback
            end, self.failure = State.FAILED, error
            log.exception(say("notebook.broke"))
        finally:
            self._close(end)

    def _close(self, end: State) -> None:
        with self._guard:
            self._app = None
        self._worker = None
        self._loop.run_until_complete(self._cancel_rest())
        self._loop.close()
        try:
            self.tell()
        finally:
            self.state = end
            HOOKS.remove(self)
            self._recent.mute()
            self._ended.set()

    async def _cancel_rest(self) -> None:
        """Nothing may wait for ever for a loop that is gone."""
        await asyncio.sleep(0)  # calls that came in the last moment begin, so that they can be cancelled
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_asyncgens()

    def tell(self) -> None:
        """Writes the report, where one is wanted and there is none; called again for one that failed before
        anybody could say that a report is wanted."""
        session_ends = self._session.is_ending
        if self._kernel_goes or self.report is not None or not (self.reports or session_ends):
            return
        why = self.why or ("session" if session_ends else "stopped")
        if self.failure is not None:
            why = "failed"
        self._farewell.node = self.name
        self.report = self._farewell.write(why, str(self.failure or ""))

    async def _serve(self) -> None:
        async with self._looking() as look:
            await serve(
                self._settings,
                self._stop,
                session=self._session,
                listener=self._tally.heard,
                ready=lambda app, worker: self._ready(app, worker, look),
                left=self._left,
                hurry=lambda: self._hurry,
            )

    def _ready(self, app: App, worker: Worker, look: Callable[[App], None]) -> None:
        self._worker, self.name = worker, worker.name
        self._tally.ready(app.spent, worker)
        self._opened(app, look)

    def _opened(self, app: App, look: Callable[[App], None]) -> None:
        with self._guard:
            self._app = app
        look(app)
        if self.state is State.STARTING:
            self.state = State.RUNNING

    async def _left(self, app: App) -> None:
        """The node has handed everything back: whoever still uses its stores ends first."""
        if self._session.is_ending:
            self.state = State.STOPPING
        with self._guard:
            self._app = None
        if self._kernel_goes:
            return
        await asyncio.sleep(0)
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=CALLS_SECONDS)
        await self._look_once(app)

    async def _look_once(self, app: App) -> None:
        """The state that is left behind."""
        try:
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                await self._farewell.read_status(app)
        except TimeoutError:
            self._farewell.unknown = self._farewell.unknown or "timeout"
        if self._farewell.cluster is not None:
            self.cluster, self.cluster_error = self._farewell.cluster, ""

    async def _with_children(self) -> None:
        """Node processes; this one only watches them, and connects anew when the engines were."""
        settings, session = self._settings, self._session
        async with leaving_when(self._stop, session) as leaving, self._looking() as look:
            async with NodeProcesses(settings, session, self._processes, self._states) as children:
                self._children = children
                working = asyncio.create_task(children.run(leaving))
                try:
                    while not working.done():
                        await self._watch_from(leaving, look, working)
                    await working
                finally:
                    working.cancel()
                    children.leave(now=math.isfinite(self._hurry))
            if not self._kernel_goes:
                async with open_app(settings, graph=False) as app:
                    await self._left(app)

    async def _watch_from(
        self, leaving: asyncio.Event, look: Callable[[App], None], working: asyncio.Task[None]
    ) -> None:
        async with open_waiting(self._settings, stop=leaving, graph=False) as app:
            if app is None:
                await asyncio.wait([working])
                return
            self._opened(app, look)
            while not working.done() and not app.engines_gone:
                await asyncio.wait([working], timeout=ENGINES_LOOK_SECONDS)

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[Callable[[App], None]]:
        """Gives a function that looks at everything from now on, with the newest app."""
        looking: list[asyncio.Task[None]] = []

        def look(app: App) -> None:
            for task in looking:
                task.cancel()
            looking.append(asyncio.create_task(self._look(app)))

        try:
            yield look
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)

    async def _look(self, app: App) -> None:
        overview = StatusReport(app)
        while True:
            try:
                self.cluster, self.cluster_error = await overview.read(), ""
                self.looks += 1
            except ServiceDown as error:
                self.cluster_error = str(error)
            except KgnbError as error:
                self.cluster_error = str(error)
                log.warning(say("notebook.look_failed", reason=str(error)))
            await asyncio.sleep(LOOK_SECONDS)

    async def _tracked(self, work: Callable[[App], Awaitable[R]], app: App) -> R:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await work(app)
        finally:
            self._calls.discard(task)

    def _stop_here(self, hurry: float) -> None:
        self._hurry = min(self._hurry, hurry)
        self._stop.set()
        if self.state in (State.STARTING, State.RUNNING):
            self.state = State.STOPPING
        if math.isfinite(self._hurry):
            if self._worker is not None:
                self._loop.call_later(self._hurry, self._worker.cut_short)
            if self._children is not None:
                self._children.leave(now=True)
