"""A node inside a notebook's kernel: it works in a daemon thread, so that every cell returns at once.

>>> node = kgnb.Node.from_env()  # doctest: +SKIP
>>> node.start()  # doctest: +SKIP
>>> kgnb.panel(node)  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from kgnb.app import build
from kgnb.app.api import spawn
from kgnb.app.context import App, open_app
from kgnb.app.session_report import SessionReport
from kgnb.core.errors import InputError
from kgnb.core.host import Host, detect_host
from kgnb.core.log_buffer import LogBuffer
from kgnb.core.messages import say, use_language
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings
from kgnb.notebook.node_thread import NodeRun, State
from kgnb.notebook.shutdown import HOOKS
from kgnb.worker.counters import Counters, look
from kgnb.worker.session import Session

R = TypeVar("R")

log = logging.getLogger(__name__)

LINE_SECONDS = 30.0
"""Between two status lines of a batch run: places end runs that stay silent."""
IDLE_LOOKS = 2
"""So many looks at all queues must find nothing left before a batch run takes it for the end."""
SHORT_SECONDS = 120.0
"""Below this what is left of a session is told in seconds."""

_current: Node | None = None
_guard = threading.RLock()


class Node:
    """A worker node of this kernel, one at a time: starting another one stops the one before.

    Nothing happens before :meth:`start`; every method returns within a second but :meth:`run_until`, and
    :meth:`stop` where it waits.
    """

    def __init__(self, settings: Settings, place: Host | None = None) -> None:
        self.settings = settings
        self._asked = settings  # as the cell that made it found them
        self.place = place or detect_host()
        self.recent = LogBuffer()
        """The last log lines."""
        self.sources: dict[str, str] = {}
        """Where each variable's value was found (:mod:`kgnb.core.secrets`); others are defaults or given."""
        self._tally = Counters()
        self._states: dict[int, dict[str, Any]] = {}  # of node processes
        self._stint: NodeRun | None = None
        self._told = 0

    @classmethod
    def from_env(cls, **given: Any) -> Node:
        """A node of the settings in environment, secrets and ``.env``; ``given`` (names of
        kgnb.core.settings.Settings fields, such as ``data`` or ``resume_from``) win.
        The one that runs already, if they are what that one was made of: what a person changed in its panel
        since outlives another run of the cell.

        Raises SettingsError that names the setting.
        """
        place = detect_host()
        settings, found = load_settings(place=place, **given)
        use_language(settings.lang)
        with _guard:
            if _current is not None and _current.is_alive and _current._asked == settings:
                return _current
        node = cls(settings, place)
        node.sources = {variable: secret.source for variable, secret in found.items()}
        return node

    def __repr__(self) -> str:
        return say("notebook.node", name=self.name or "-", state=say(f"notebook.state_{self.state}"))

    # --- start and stop

    @property
    def state(self) -> State:
        """Where its life is."""
        return self._stint.state if self._stint is not None else State.STOPPED

    @property
    def error(self) -> str:
        """Why it failed; "" unless it did."""
        failure = self._stint.failure if self._stint is not None else None
        return "" if failure is None else str(failure) or repr(failure)

    @property
    def name(self) -> str:
        """The node's name in the cluster; "" before it has one."""
        return self._stint.name if self._stint is not None else ""

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._stint is not None and self._stint.is_alive

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
        """Starts working and returns at once; a node that runs already goes on as it is, one that is just
        stopping starts anew when it has.

        ``processes``: so many node processes instead of this kernel's thread, each with its slots. Raises
        InputError where a shared queue may not be joined from here without saying so (Colab).
        """
        global _current
        with _guard:
            if self._stint is not None and self._stint.is_alive and not self._stint.is_leaving:
                return self
            self._check_terms()
            before = _current._stint if _current is not None else None
            if before is not None:
                before.ask_to_stop()
            farewell = SessionReport(self.settings, self.place, self.session, self._done_here)
            stint = NodeRun(self.settings, farewell, self._tally, self._states, self.recent, processes)
            stint.reports = self.place.batch
            self._stint, _current = stint, self
            stint.start(before)
        return self

    def _check_terms(self) -> None:
        if self.place.kind == "colab" and self.shares_queue and not self.settings.colab_paid:
            raise InputError("notebook.colab_paid")

    def stop(self, *, now: bool = False, wait: bool = True) -> None:
        """Stops: no new chapters, up to ``drain_seconds`` for those in flight (``now``: none), the rest is
        handed back. ``wait``: returns when it has left; else at once."""
        if self._stint is not None:
            self._stint.ask_to_stop(0.0 if now else math.inf)
            if wait:
                self._stint.join()
        HOOKS.tidy()

    # --- for people and panels

    def status(self) -> dict[str, Any]:
        """What is known right now, JSON-ready; costs no round trip. ``cluster`` is `kgnb status --json` as
        of at most two seconds ago, None before the first look; ``report`` the path of the last one."""
        HOOKS.tidy()
        session, stint = self.session, self._stint
        return {
            "state": self.state.value,
            "error": self.error,
            "name": self.name,
            "place": self.place.kind,
            "session_left": session.left,
            "session_ends_at": session.ends_at,
            "session_leaves_at": session.leaves_at,
            "local": self._done_here(),
            "cluster": stint.cluster if stint is not None else None,
            "cluster_error": stint.cluster_error if stint is not None else "",
            "report": str(stint.report or "") if stint is not None else "",
        }

    def _done_here(self) -> dict[str, Any]:
        return look([self._tally.state(), *list(self._states.values())])

    def call(
        self, work: Callable[[App], Awaitable[R]], *, queue: bool = True, graph: bool = False
    ) -> Future[R]:
        """Runs ``work`` with connected stores, in the node's thread while it runs, else in kgnb's own.

        ``queue`` and ``graph`` say which services the work needs where they have to be opened for it. Work
        that a leaving node can't wait for is cancelled.
        """
        future = self._stint.call(work) if self._stint is not None else None
        return future if future is not None else spawn(self._opened(work, queue, graph))

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
            read = await build.read(path, title, None)
            return (await build.plan(app, read, path, provider, again=again)).task.id

        return self.call(import_it).result()

    # --- batch runs

    def run_until(self, deadline: float | None = None, *, drained: bool = True) -> dict[str, Any]:
        """Blocks until everything is done (``drained``), ``deadline`` (epoch seconds) or the session's end
        has come, or the cell is interrupted; then stops, writes a report (kgnb-report.html and .json in the
        place's output folder, else in the data folder), and returns the last :meth:`status`.

        For batch runs, which end with their last cell; prints a line every 30 seconds, and warnings. Raises
        what the node failed of.
        """
        why = ""
        try:
            self.start()
            why = self._block(deadline, drained)
        except KeyboardInterrupt:
            why = "interrupted"
            log.warning(say("notebook.interrupted"))
        stint = self._stint
        assert stint is not None
        stint.why, stint.reports = why, True
        try:
            self.stop()
        except KeyboardInterrupt:
            self.stop(now=True)
        return self._ended(stint)

    def _ended(self, stint: NodeRun) -> dict[str, Any]:
        if not stint.is_alive:
            stint.tell()
        self._tell_warnings()
        status = self.status()
        print(self._line(status), flush=True)
        if stint.report is not None:
            print(say("farewell.written", path=stint.report), flush=True)
        if stint.failure is not None:
            raise stint.failure
        return status

    def _block(self, deadline: float | None, drained: bool) -> str:
        """Why it is time to stop; "" where the node knows better."""
        stint = self._stint
        assert stint is not None
        stint.reports = True
        idle, seen, told = 0, stint.seen, -math.inf
        while stint.is_alive:
            if deadline is not None and time.time() >= deadline:
                return "deadline"
            # What was seen before this call may be older than a book that was submitted since.
            if (now_seen := stint.seen) != seen:
                seen = now_seen
                idle = idle + 1 if stint.nothing_left else 0
            if drained and idle > IDLE_LOOKS:
                return "drained"
            self._tell_warnings()
            if time.monotonic() - told >= LINE_SECONDS:
                told = time.monotonic()
                print(self._line(self.status()), flush=True)
            stint.join(1.0)
        return ""

    def _tell_warnings(self) -> None:
        """Prints what went wrong since the last time: a batch run keeps only the main thread's words."""
        for line in self.recent.lines(logging.WARNING, after=self._told):
            self._told = line.number
            at = time.strftime("%H:%M:%S", time.localtime(line.at))
            print(f"{at} {logging.getLevelName(line.level)} {line.text}", flush=True)

    def _line(self, status: dict[str, Any]) -> str:
        local = status["local"]
        return say(
            "notebook.line",
            time=time.strftime("%H:%M:%S"),
            state=say(f"notebook.state_{status['state']}"),
            completed=local["outcomes"].get("completed", 0),
            failed=local["outcomes"].get("failed", 0),
            in_flight=sum(local["in_flight"].values()),
            rate=sum(local["per_minute"][-2:-1]) or local["per_minute"][-1],
            left=_left(status["session_left"]),
        )


def _left(seconds: float | None) -> str:
    if seconds is None:
        return say("notebook.unlimited")
    if seconds < SHORT_SECONDS:
        return say("notebook.seconds", count=round(seconds))
    return say("notebook.minutes", count=round(seconds / 60))


def current() -> Node | None:
    """The node that was started last in this kernel."""
    return _current
