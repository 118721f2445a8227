"""A node inside a notebook's kernel: it works in a daemon thread, so that every cell returns at once.

>>> node = kgnb.Node.from_env()  # doctest: +SKIP
>>> node.start()  # doctest: +SKIP
>>> kgnb.panel(node)  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from kgnb import building
from kgnb.app import App, open_app
from kgnb.children import Children
from kgnb.credentials import load_settings
from kgnb.errors import InputError, KgnbError, ServiceDown
from kgnb.hooks import Hooks
from kgnb.loops import new_loop
from kgnb.node import Node as Worker
from kgnb.overview import Overview
from kgnb.recent import Recent
from kgnb.serving import serve
from kgnb.session import Session
from kgnb.settings import Settings
from kgnb.tally import Tally
from kgnb.texts import say, use_language
from kgnb.where import Place, where_am_i

R = TypeVar("R")

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often a running node looks at all queues, tasks and nodes for :meth:`Node.status`."""
LINE_SECONDS = 30.0
"""Between two status lines of a batch run: places end runs that stay silent."""
IDLE_LOOKS = 2
"""So many looks at all queues must find nothing left before a batch run takes it for the end."""
HURRY_SECONDS, HURRY_JOIN_SECONDS = 0.5, 1.5
"""When the kernel goes: how long chapters in flight may take, and how long all of leaving may (a kernel is
killed about 2.6 s after its shutdown began)."""


class State(StrEnum):
    """Where a node's life is."""

    STOPPED = "stopped"
    STARTING = "starting"  # connecting, or waiting for services that are down
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"  # see Node.error


_current: Node | None = None
_guard = threading.RLock()


class Node:
    """A worker node of this kernel, one at a time: starting another one stops the one before.

    Nothing happens before :meth:`start`; every method returns within a second but :meth:`run_until`.
    """

    def __init__(self, settings: Settings, place: Place | None = None) -> None:
        self.settings = settings
        self.place = place or where_am_i()
        self.state = State.STOPPED
        self.error = ""
        self.name = ""
        self.recent = Recent()
        """The last log lines."""
        self.sources: dict[str, str] = {}
        """Where each variable's value was found (:mod:`kgnb.credentials`); the others are defaults or given."""
        self._tally = Tally()
        self._cluster: dict[str, Any] | None = None
        self._cluster_error = ""
        self._looks = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._hurry = math.inf
        self._app: App | None = None
        self._worker: Worker | None = None
        self._children: Children | None = None
        self._hooks = Hooks(self._kernel_ends)

    @classmethod
    def from_env(cls, **given: Any) -> Node:
        """A node of the settings in environment, secrets and ``.env``; ``given`` (names of
        :class:`~kgnb.settings.Settings` fields) win. The one that runs already, if its settings are the same.

        Raises SettingsError that names the setting.
        """
        place = where_am_i()
        settings, found = load_settings(place=place, **given)
        use_language(settings.lang)
        with _guard:
            if _current is not None and _current.is_alive and _current.settings == settings:
                return _current
        node = cls(settings, place)
        node.sources = {variable: secret.source for variable, secret in found.items()}
        return node

    def __repr__(self) -> str:
        return say("notebook.node", name=self.name or "-", state=say(f"notebook.state_{self.state}"))

    # --- start and stop

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def session(self) -> Session:
        """This kernel's session: KGNB_SESSION_SECONDS, else what its place allows."""
        seconds = self.place.seconds(self.settings.session_seconds)
        return Session(self.place.started_at, seconds, self.settings.session_margin)

    @property
    def shares_queue(self) -> bool:
        """Whether it works for others too: its queue is not the embedded one."""
        return not self.settings.embedded_redis

    def start(self, processes: int = 0) -> Node:
        """Starts working and returns at once; a node that runs already goes on as it is.

        ``processes``: so many node processes instead of this kernel's thread, each with its slots. Raises
        InputError where a shared queue may not be joined from here without saying so (Colab).
        """
        global _current
        with _guard:
            if self.is_alive:
                return self
            self._check_terms()
            if _current is not None and _current is not self:
                _current.stop()
            self.state, self.error, self._hurry = State.STARTING, "", math.inf
            self._stop, self._cluster = None, None
            self.recent.listen(self.settings.log_level)
            self._hooks.install()
            started = threading.Event()
            self._thread = threading.Thread(
                target=self._main, args=(processes, started), name="kgnb-node", daemon=True
            )
            self._thread.start()
            started.wait(1.0)
            _current = self
        return self

    def _check_terms(self) -> None:
        if self.place.kind == "colab" and self.shares_queue and not self.settings.colab_paid:
            raise InputError("notebook.colab_paid")

    def stop(self, *, now: bool = False, wait: bool = True) -> None:
        """Stops: no new chapters, up to ``drain_seconds`` for those in flight (``now``: none), the rest is
        handed back. ``wait``: returns when it has left; else at once."""
        self._ask_to_stop(0.0 if now else math.inf)
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _ask_to_stop(self, hurry: float) -> None:
        self._hurry = min(self._hurry, hurry)
        loop, stop = self._loop, self._stop
        if self.is_alive and loop is not None and stop is not None:
            if self.state is not State.FAILED:
                self.state = State.STOPPING
            with suppress(RuntimeError):  # the loop closed in this very moment
                loop.call_soon_threadsafe(self._stop_here)

    def _stop_here(self) -> None:
        assert self._stop is not None
        self._stop.set()
        if self._worker is not None and self._hurry == 0.0:
            self._worker.cut_short()

    def _kernel_ends(self) -> None:
        """The kernel's process is about to go: leave within what is left of it."""
        if self.is_alive and self._thread is not None:
            self._ask_to_stop(HURRY_SECONDS)
            self._thread.join(HURRY_JOIN_SECONDS)

    # --- the thread

    def _main(self, processes: int, started: threading.Event) -> None:
        loop = new_loop()
        asyncio.set_event_loop(loop)
        self._loop, self._stop = loop, asyncio.Event()
        started.set()
        try:
            loop.run_until_complete(self._with_children(processes) if processes else self._serve())
            self.state = State.STOPPED
        except KgnbError as error:
            self._failed(str(error))
        except Exception as error:  # a bug of ours: shown in the panel, not as another cell's traceback
            log.exception(say("notebook.broke"))
            self._failed(repr(error))
        finally:
            self._app = self._worker = None
            self._hooks.remove()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            self.recent.mute()

    def _failed(self, reason: str) -> None:
        self.state, self.error = State.FAILED, reason
        log.error(say("notebook.failed", reason=reason))

    async def _serve(self) -> None:
        looking: list[asyncio.Task[None]] = []
        assert self._stop is not None
        try:
            await serve(
                self.settings,
                self._stop,
                session=self.session,
                listener=self._tally.heard,
                ready=lambda app, worker: self._ready(app, worker, looking),
                hurry=lambda: self._hurry,
            )
        finally:
            for task in looking:
                task.cancel()

    def _ready(self, app: App, worker: Worker, looking: list[asyncio.Task[None]]) -> None:
        self._app, self._worker, self.name = app, worker, worker.name
        self._tally.ready(app, worker)
        for task in looking:
            task.cancel()
        looking[:] = [asyncio.create_task(self._look(app))]
        if self.state is State.STARTING:
            self.state = State.RUNNING

    async def _with_children(self, count: int) -> None:
        """``count`` node processes; this one only watches them."""
        assert self._stop is not None
        async with open_app(self.settings, graph=False) as app, Children(self.settings, count) as children:
            self._app, self._children = app, children
            looking = asyncio.create_task(self._look(app))
            self.state = State.RUNNING
            try:
                await children.wait(self._stop, self.session)
            finally:
                looking.cancel()
                self._children = None

    async def _look(self, app: App) -> None:
        overview = Overview(app)
        while True:
            try:
                self._cluster, self._cluster_error = await overview.look(), ""
                self._looks += 1
            except ServiceDown as error:
                self._cluster_error = str(error)
            except KgnbError as error:
                self._cluster_error = str(error)
                log.warning(say("notebook.look_failed", reason=str(error)))
            await asyncio.sleep(LOOK_SECONDS)

    # --- for people and panels

    def status(self) -> dict[str, Any]:
        """What is known right now, JSON-ready; costs no round trip. ``cluster`` is `kgnb status --json` as
        of at most two seconds ago, None before the first look."""
        session = self.session
        return {
            "state": self.state.value,
            "error": self.error,
            "name": self.name,
            "place": self.place.kind,
            "session_left": session.left,
            "session_ends_at": session.ends_at,
            "session_leaves_at": session.leaves_at,
            "local": self._tally.look(),
            "cluster": self._cluster,
            "cluster_error": self._cluster_error,
        }

    def call(
        self, work: Callable[[App], Awaitable[R]], *, queue: bool = True, graph: bool = False
    ) -> Future[R]:
        """Runs ``work`` with connected stores, in the node's thread while it runs, else in kgnb's own.

        ``queue`` and ``graph`` say which services the work needs where they have to be opened for it.
        """
        loop, app = self._loop, self._app
        if self.is_alive and loop is not None and app is not None and self._children is None:
            return asyncio.run_coroutine_threadsafe(_awaited(work, app), loop)
        from kgnb.sync import spawn

        return spawn(self._opened(work, queue, graph))

    async def _opened(self, work: Callable[[App], Awaitable[R]], queue: bool, graph: bool) -> R:
        async with open_app(self.settings, queue=queue, graph=graph) as app:
            return await work(app)

    def submit(
        self, book: str | Path, provider: str | None = None, *, title: str | None = None, again: bool = False
    ) -> int:
        """Imports a book and queues it for the nodes; returns its task's number.

        Raises InputError for what is wrong with the book, SettingsError for an unknown provider.
        """
        path = Path(book)

        async def import_it(app: App) -> int:
            read = await building.read(path, title, None)
            return (await building.plan(app, read, path, provider, again=again)).task.id

        return self.call(import_it).result()

    def run_until(self, deadline: float | None = None, *, drained: bool = True) -> dict[str, Any]:
        """Blocks until everything is done (``drained``), ``deadline`` (epoch seconds) or the session's end
        has come, or the cell is interrupted; then stops, and returns the last :meth:`status`.

        For batch runs, which end with their last cell; prints a line every 30 seconds.
        """
        self.start()
        try:
            self._block(deadline, drained)
        except KeyboardInterrupt:
            log.warning(say("notebook.interrupted"))
        self.stop()
        status = self.status()
        print(self._line(status), flush=True)
        return status

    def _block(self, deadline: float | None, drained: bool) -> None:
        idle, seen, told = 0, self._seen(), -math.inf
        while self.is_alive and (deadline is None or time.time() < deadline):
            if (
                self._seen() != seen
            ):  # what was seen before this call may be older than a book submitted since
                seen = self._seen()
                idle = idle + 1 if self._nothing_left() else 0
            if drained and idle > IDLE_LOOKS:
                return
            if time.monotonic() - told >= LINE_SECONDS:
                told = time.monotonic()
                print(self._line(self.status()), flush=True)
            time.sleep(1.0)

    def _seen(self) -> tuple[int, int]:
        """Changes with every look at the queues, by the node or for the panel."""
        return self._looks, self._worker.polls if self._worker is not None else 0

    def _nothing_left(self) -> bool:
        if self._worker is not None:
            return self._worker.nothing_left
        if self._children is None or self._cluster is None:
            return False
        counts = ("waiting", "chapters", "leased", "delayed")
        return not any(queue[what] for queue in self._cluster["queues"] for what in counts)

    def _line(self, status: dict[str, Any]) -> str:
        local = status["local"]
        left = status["session_left"]
        return say(
            "notebook.line",
            time=time.strftime("%H:%M:%S"),
            state=say(f"notebook.state_{status['state']}"),
            completed=local["outcomes"].get("completed", 0),
            failed=local["outcomes"].get("failed", 0),
            in_flight=sum(local["in_flight"].values()),
            rate=sum(local["per_minute"][-2:-1]) or local["per_minute"][-1],
            left=say("notebook.unlimited")
            if left is None
            else say("notebook.minutes", count=round(left / 60)),
        )


def current() -> Node | None:
    """The node that was started last in this kernel."""
    return _current


async def _awaited(work: Callable[[App], Awaitable[R]], app: App) -> R:
    return await work(app)
