"""One start-to-stop run of a notebook's node, in a daemon thread of its own.

A thread that isn't a daemon would keep a kernel from ending. This one is told to leave by
:mod:`kgnb.app.shutdown`; for what it doesn't finish then, the leases expire.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kgnb.app.shutdown import HOOKS, SHUTDOWN_DRAIN_SECONDS, SHUTDOWN_SECONDS, End
from kgnb.core.errors import KgnbError, ServiceDown
from kgnb.core.event_loop import cancel_others, new_loop
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.notebook.log_buffer import LogBuffer
from kgnb.notebook.processes import NodeProcesses
from kgnb.stores.queue.types import QueueName
from kgnb.worker.counters import Counters
from kgnb.worker.session import LEAVE_SECONDS, Departure

if TYPE_CHECKING:
    from kgnb.app.context import App
    from kgnb.app.session_report import SessionReport
    from kgnb.worker.node import WorkerNode

R = TypeVar("R")

log = logging.getLogger(__name__)

STATUS_SECONDS = 2.0
"""How often a running node reads the state of queues, tasks and nodes."""
ENGINE_CHECK_SECONDS = 1.0
"""How often the parent of node processes checks that the embedded engines are alive."""
LAST_STATUS_SECONDS = 10.0
"""Limit of the last status read: a service that hangs must not keep a session from ending."""
CALLS_SECONDS = 5.0
"""How long a leaving node waits for the panel's calls."""


class State(StrEnum):
    """State of a notebook's node."""

    STOPPED = "stopped"
    STARTING = "starting"  # connecting, or waiting for services that are down
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"  # see NodeRun.failure


@dataclass(eq=False, repr=False)
class NodeRun:
    """Runs once. Its thread writes the attributes; any thread may read them."""

    _settings: Settings
    _session_report: SessionReport
    _counters: Counters
    process_states: dict[int, dict[str, Any]]
    _recent: LogBuffer
    _processes: int

    def __post_init__(self) -> None:
        self.state = State.STARTING
        self.failure: Exception | None = None
        self.name = ""
        self.cluster: dict[str, Any] | None = None
        self.cluster_error = ""
        self.status_reads = 0
        self.wants_report = False
        """Whether to write a report at the end; the end of the session always writes one."""
        self.reason = ""
        """Why it ended, for the report; "": find out."""
        self.report_path: Path | None = None
        self._session = self._session_report.session
        self._loop = new_loop()
        self._departure = Departure()
        self.is_leaving = False
        self._kernel_ends = False
        self._is_hurried = False
        self._guard = threading.Lock()
        self._app: App | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._node_processes: NodeProcesses | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    # --- from other threads

    @property
    def is_alive(self) -> bool:
        """Whether the run was started and has not ended."""
        return self._thread is not None and not self._ended.is_set()

    def start(self, previous: NodeRun | None) -> None:
        """Start as soon as ``previous`` has ended; returns at once."""
        HOOKS.add(self._on_shutdown)
        self._thread = threading.Thread(target=self._main, args=(previous,), name="kgnb-node", daemon=True)
        self._thread.start()

    def ask_to_stop(self, drain_limit: float = math.inf) -> None:
        """Leave, with at most ``drain_limit`` seconds for chapters in flight; returns at once."""
        self.is_leaving = True
        with suppress(RuntimeError):  # the loop is closed: it has left
            self._loop.call_soon_threadsafe(self._leave, drain_limit)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end."""
        if self._thread not in (None, threading.current_thread()):
            self._ended.wait(timeout)  # Python 3.11 takes a thread for ended once join was interrupted

    def _on_shutdown(self, end: End) -> None:
        """Leave within the time that this end of the process grants."""
        self._kernel_ends = True
        self._is_hurried = self._is_hurried or end is not End.EXIT
        limits = {End.KERNEL_SHUTDOWN: SHUTDOWN_DRAIN_SECONDS, End.EXIT: math.inf, End.HURRIED: 0.0}
        self.ask_to_stop(limits[end])
        if end is not End.KERNEL_SHUTDOWN:
            drain = self._session.drain_seconds(self._settings.drain_seconds)
            self.join(SHUTDOWN_SECONDS if self._is_hurried else drain + LEAVE_SECONDS)

    def call(self, work: Callable[[App], Awaitable[R]]) -> Future[R] | None:
        """Run ``work`` on the node's loop with its stores and return its future; None where the stores aren't
        open, or the node runs in processes.
        """
        with self._guard:
            app = self._app
            if app is None or self._processes:
                return None
            return asyncio.run_coroutine_threadsafe(self._tracked(work, app), self._loop)

    @property
    def polls(self) -> tuple[int, int]:
        """(status reads, polls of the node): a pair that changes with every look at the queues."""
        worker = self._departure.node
        return self.status_reads, worker.poll_count if worker is not None else 0

    @property
    def nothing_left(self) -> bool:
        """Whether the served queues were empty at the last look, and this node has neither a chapter nor a
        task.
        """
        if not self._processes:
            worker = self._departure.node
            return worker is not None and worker.nothing_left
        if self.cluster is None:
            return False
        wanted, counts = self._settings.providers, ("waiting", "chapters", "leased", "delayed")
        queues = [q for q in self.cluster["queues"] if any(q[count] for count in counts)]
        return all(wanted and QueueName(q["queue"]).provider_key not in wanted for q in queues)

    # --- in its thread

    def _main(self, previous: NodeRun | None) -> None:
        asyncio.set_event_loop(self._loop)
        if previous is not None:
            previous.join()
        self._recent.listen(self._settings.log_level)
        end = State.STOPPED
        try:
            self._loop.run_until_complete(self._run_processes() if self._processes else self._run_worker())
        except KgnbError as error:
            end, self.failure = State.FAILED, error
            log.error(say("notebook.failed", reason=str(error)))
        except Exception as error:  # a bug: shown in the panel, not as another cell's traceback
            end, self.failure = State.FAILED, error
            log.exception(say("notebook.broke"))
        finally:
            self._close(end)

    def _close(self, end: State) -> None:
        self._disconnect()
        self._departure.node = None
        self._loop.run_until_complete(self._cancel_tasks())
        self._loop.close()
        try:
            self.write_report()
        finally:
            self.state = end
            HOOKS.remove(self._on_shutdown)
            self._recent.mute()
            self._ended.set()

    async def _cancel_tasks(self) -> None:
        """Cancel everything left, so that no other thread waits for a closed loop."""
        await asyncio.sleep(0)  # lets calls of the last moment begin: only then they can be cancelled
        # Its reading of the status may have failed, which nobody has seen.
        await cancel_others(*filter(None, [self._reading]))
        await self._loop.shutdown_asyncgens()

    def write_report(self) -> None:
        """Write the report once, if it is wanted; called again for a run that failed before it was."""
        session_ends = self._session.is_ending
        if self._kernel_ends or self.report_path is not None or not (self.wants_report or session_ends):
            return
        reason = self.reason or ("session" if session_ends else "stopped")
        if self.failure is not None:
            reason = "failed"
        self._session_report.node = self.name
        self.report_path = self._session_report.write(reason, str(self.failure or ""))

    async def _run_worker(self) -> None:
        from kgnb.app.run_worker import serve

        await serve(
            self._settings,
            self._departure,
            self._counters,
            session=self._session,
            on_ready=self._on_ready,
            on_left=self._on_left,
        )

    def _on_ready(self, app: App, worker: WorkerNode) -> None:
        self.name = worker.name
        self._on_connected(app)

    def _on_connected(self, app: App) -> None:
        with self._guard:
            self._app = app
        self._reading = asyncio.create_task(self._read_status(app))
        if self.state is State.STARTING:
            self.state = State.RUNNING

    def _disconnect(self) -> None:
        with self._guard:
            self._app = None
        if self._reading is not None:
            self._reading.cancel()

    async def _on_left(self, app: App) -> None:
        """The node has handed everything back: wait for calls that use its stores, then read the status."""
        if self._session.is_ending:
            self.state = State.STOPPING
        self._disconnect()
        if self._kernel_ends:
            return
        await asyncio.sleep(0)
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=CALLS_SECONDS)
        await self._read_last_status(app)

    async def _read_last_status(self, app: App) -> None:
        try:
            async with asyncio.timeout(LAST_STATUS_SECONDS):
                await self._session_report.read_status(app)
        except TimeoutError:
            self._session_report.unknown = self._session_report.unknown or "timeout"
        if self._session_report.cluster is not None:
            self.cluster, self.cluster_error = self._session_report.cluster, ""

    async def _run_processes(self) -> None:
        """Run node processes; this process only watches, and reconnects when the engines were restarted."""
        from kgnb.app.context import open_app
        from kgnb.app.run_worker import leaving_when

        settings, session = self._settings, self._session
        async with leaving_when(self._departure.wanted, session) as leaving:
            processes = NodeProcesses(settings, session, self._processes, self.process_states)
            self._node_processes = processes
            working = asyncio.create_task(processes.run(leaving))
            try:
                while not working.done():
                    await self._watch_engines(leaving, working)
            finally:
                processes.leave(now=math.isfinite(self._departure.drain_limit))
                await working
            if not self._kernel_ends:
                async with open_app(settings, graph=False) as app:
                    await self._on_left(app)

    async def _watch_engines(self, leaving: asyncio.Event, working: asyncio.Task[None]) -> None:
        from kgnb.app.context import open_app, when_up

        async with when_up(lambda: open_app(self._settings, graph=False), leaving) as app:
            if app is None:
                await asyncio.wait([working])
                return
            self._on_connected(app)
            while not working.done() and app.queue_alive:
                await asyncio.wait([working], timeout=ENGINE_CHECK_SECONDS)
            self._disconnect()

    async def _read_status(self, app: App) -> None:
        from kgnb.app.status import StatusReport

        status_report = StatusReport(app)
        while True:
            try:
                self.cluster, self.cluster_error = await status_report.read(), ""
                self.status_reads += 1
            except KgnbError as error:
                self.cluster_error = str(error)
                if not isinstance(error, ServiceDown):
                    log.warning(say("notebook.look_failed", reason=str(error)))
            await asyncio.sleep(STATUS_SECONDS)

    async def _tracked(self, work: Callable[[App], Awaitable[R]], app: App) -> R:
        """Return what ``work`` returns; meanwhile it counts as a running call."""
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await work(app)
        finally:
            self._calls.discard(task)

    def _leave(self, drain_limit: float) -> None:
        self._departure.ask(drain_limit)
        if self.state in (State.STARTING, State.RUNNING):
            self.state = State.STOPPING
        if self._node_processes is not None and math.isfinite(self._departure.drain_limit):
            self._node_processes.leave(now=True)
