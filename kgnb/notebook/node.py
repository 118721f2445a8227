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
from typing import TYPE_CHECKING, Any, TypeVar

from kgnb.app.session_report import SessionReport
from kgnb.app.shutdown import HOOKS
from kgnb.core import colab
from kgnb.core.errors import InputError
from kgnb.core.formatting import duration, time_of_day
from kgnb.core.host import Host, detect_host
from kgnb.core.messages import say
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings
from kgnb.notebook.log_buffer import LogBuffer
from kgnb.notebook.node_thread import NodeRun, State
from kgnb.worker.counters import Counters, summed
from kgnb.worker.session import Session

if TYPE_CHECKING:
    from kgnb.app.context import App

R = TypeVar("R")

log = logging.getLogger(__name__)

STATUS_LINE_SECONDS = 30.0
"""How often a batch run prints a line: hosts end runs that stay silent."""
IDLE_POLLS = 2
"""A batch run has drained when more polls in a row than this found nothing in any queue."""
SLOTS_A_THREAD = 500
"""Slots that one thread serves well: it manages about 100 chapters a second (docs/processes.md), and no model
answers one within 5 s."""

_current: Node | None = None
_guard = threading.RLock()


class Node:
    """This kernel's worker node, one at a time: starting another one stops the one before.

    Nothing happens before :meth:`start`. Methods return within a second, except :meth:`run_until` and a
    :meth:`stop` that waits.
    """

    def __init__(self, settings: Settings, host: Host | None = None) -> None:
        self.settings = settings
        self._initial_settings = settings
        self.host = host or detect_host()
        self.recent = LogBuffer()
        """The last log lines."""
        self.sources: dict[str, str] = {}
        """Where each variable's value was found (:mod:`kgnb.core.secrets`); others are defaults or given."""
        self._counters = Counters()
        self.process_states: dict[int, dict[str, Any]] = {}
        self._run: NodeRun | None = None
        self._last_warning = 0

    @classmethod
    def from_env(cls, **given: Any) -> Node:
        """Return a node with settings from environment, secrets and ``.env``, overridden by ``given`` (fields
        of kgnb.core.settings.Settings, such as ``data`` or ``resume_from``). On Colab ``data="drive"`` keeps
        a copy of the record on Drive and goes on from it; ``provider_name="colab"`` uses Colab's own models.

        If the running node was made from the same settings, that node is returned, so that running a cell
        again keeps what its panel changed. Raises SettingsError that names the setting.
        """
        host = detect_host()
        settings, found = load_settings(host=host, **given)
        with _guard:
            if _current is not None and _current.is_alive and _current._initial_settings == settings:
                return _current
        node = cls(settings, host)
        node.sources = {variable: secret.source for variable, secret in found.items()}
        return node

    def __repr__(self) -> str:
        return say("notebook.node", name=self.name or "-", state=say(f"notebook.state_{self.state}"))

    # --- start and stop

    @property
    def state(self) -> State:
        """The node's state; STOPPED before its first start."""
        return self._run.state if self._run is not None else State.STOPPED

    @property
    def error(self) -> str:
        """The message of the error that the node failed with; "" if it did not fail."""
        failure = self._run.failure if self._run is not None else None
        return "" if failure is None else str(failure) or repr(failure)

    @property
    def name(self) -> str:
        """The node's name among all nodes; "" before it is connected."""
        return self._run.name if self._run is not None else ""

    @property
    def is_alive(self) -> bool:
        """Whether the node was started and has not ended."""
        return self._run is not None and self._run.is_alive

    @property
    def session(self) -> Session:
        """This kernel's session, of KGNB_SESSION_SECONDS, else of the host's limit."""
        seconds = self.host.seconds(self.settings.session_seconds)
        return Session(self.host.started_at, seconds, self.settings.session_margin)

    def start(self, processes: int | None = None) -> Node:
        """Start working and return this node at once.

        A running node goes on as it is; a stopping one starts again when it has left. ``processes``: run so
        many node processes, each with its own slots, instead of this kernel's thread (0). None: several that
        share the slots where a thread couldn't keep up and cores are free (docs/processes.md), else a thread.
        Raises InputError on Colab for a shared queue without KGNB_COLAB_PAID.
        """
        global _current
        with _guard:
            if self._run is not None and self._run.is_alive and not self._run.is_leaving:
                return self
            if (
                self.host.kind == "colab"
                and not self.settings.embedded_redis
                and not self.settings.colab_paid
            ):
                raise InputError("notebook.colab_paid")
            previous = _current._run if _current is not None else None
            if previous is not None:
                previous.ask_to_stop()
            report = SessionReport(self.settings, self.host, self.session, self._local_status)
            count, settings = shared_out(self.settings, self.host.cpus)
            if processes is not None:
                count, settings = processes, self.settings
            run = NodeRun(settings, report, self._counters, self.process_states, self.recent, count)
            run.wants_report = self.host.batch
            self._run, _current = run, self
            run.start(previous)
        return self

    def stop(self, *, now: bool = False, wait: bool = True) -> None:
        """Stop: claim no new chapters, give those in flight up to ``drain_seconds`` (``now``: none) and hand
        the rest back. ``wait``: return when the node has left, else at once."""
        if self._run is not None:
            self._run.ask_to_stop(0.0 if now else math.inf)
            if wait:
                self._run.join()
        HOOKS.tidy()

    # --- for people and panels

    def status(self) -> dict[str, Any]:
        """Return what is known now, JSON-ready, without a round trip.

        ``cluster`` is `kgnb status --json`, at most two seconds old, None before the first read; ``report``
        is the path of the last report.
        """
        HOOKS.tidy()
        session, run = self.session, self._run
        return {
            "state": self.state.value,
            "error": self.error,
            "error_service": getattr(run.failure, "service", "") if run is not None else "",
            "name": self.name,
            "place": self.host.kind,
            "session_left": session.left,
            "session_ends_at": session.ends_at,
            "session_leaves_at": session.leaves_at,
            "session_note": self._session_note(),
            "local": self._local_status(),
            "cluster": run.cluster if run is not None else None,
            "cluster_error": run.cluster_error if run is not None else "",
            "report": str(run.report_path or "") if run is not None else "",
        }

    def _session_note(self) -> str:
        """Return how this session ends, and what to do so that it doesn't end early; "" where nothing ends
        it.
        """
        service, session = self.host.service, self.session
        parts = []
        if service is not None and not self.host.batch and service.idle_minutes:
            key = f"notebook.idle_{service.idle}"
            parts.append(say(key, place=service.name, minutes=round(service.idle_minutes)))
        if session.leaves_at is not None:
            parts.append(say("notebook.leaves_at", time=time_of_day(session.leaves_at)))
        return " ".join(parts)

    def _local_status(self) -> dict[str, Any]:
        """Return the sum of this kernel's and its processes' counts."""
        return summed([self._counters.snapshot(), *list(self.process_states.values())])

    def call(
        self,
        work: Callable[[App], Awaitable[R]],
        *,
        queue: bool = True,
        graph: bool = False,
        model: bool = False,
    ) -> Future[R]:
        """Run ``work`` with connected stores, in the node's thread while it runs, else in kgnb's own; return
        its future.

        ``queue`` and ``graph`` say which services to open where the node's can't be used, ``model`` whether
        to start a local model. A leaving node cancels work that it can't wait for.
        """
        from kgnb.app.api import spawn

        future = self._run.call(work) if self._run is not None else None
        return future if future is not None else spawn(self._opened(work, queue, graph, model))

    async def _opened(self, work: Callable[[App], Awaitable[R]], queue: bool, graph: bool, model: bool) -> R:
        """Return what ``work`` returns for an app that is open for it."""
        from kgnb.app.context import open_app
        from kgnb.app.local_model import open_to_work

        async with (open_to_work if model else open_app)(self.settings, queue=queue, graph=graph) as app:
            return await work(app)

    def submit(
        self,
        book: str | Path,
        provider: str | None = None,
        *,
        title: str | None = None,
        author: str | None = None,
        edition_of: int | None = None,
        again: bool = False,
    ) -> int:
        """Import a book, queue it for the nodes and return its task's number.

        ``edition_of`` as in :func:`kgnb.build`. Raises InputError for a book that can't be read,
        SettingsError for an unknown provider.
        """
        from kgnb.app.submit import submit

        given: Any = {"title": title, "author": author, "edition_of": edition_of, "again": again}
        submitted = self.call(lambda app: submit(app, Path(book), provider, **given), model=True)
        return submitted.result().task.id

    # --- batch runs

    def run_until(
        self, deadline: float | None = None, *, drained: bool = True, end_runtime: bool = False
    ) -> dict[str, Any]:
        """Block until everything is done (``drained``), until ``deadline`` (epoch seconds) or the session's
        end, or until interrupted; then stop, write a report and return the last :meth:`status`.

        For batch runs, which end with their last cell. Prints a line every 30 seconds, and warnings. The
        report, kgnb-report.html and .json, goes to the host's output folder, else to KGNB_COPY_TO or the
        data folder. ``end_runtime``: on Colab give the runtime back afterwards, with all that isn't on Drive,
        unless interrupted. Raises the error that the node failed with.
        """
        reason = ""
        try:
            self.start()
            reason = self._block(deadline, drained)
        except KeyboardInterrupt:
            reason, end_runtime = "interrupted", False
            log.warning(say("notebook.interrupted"))
        run = self._run
        assert run is not None
        run.reason, run.wants_report = reason, True
        try:
            self.stop()
        except KeyboardInterrupt:
            end_runtime = False
            self.stop(now=True)
        status = self._finish(run)
        if end_runtime and self.host.kind == "colab":
            print(say("colab.ends"), flush=True)
            colab.end_runtime()
        return status

    def _finish(self, run: NodeRun) -> dict[str, Any]:
        """Print how a batch run ended and return the last status. Raises the node's error if it failed."""
        if not run.is_alive:
            run.write_report()
        self._print_warnings()
        status = self.status()
        print(self._status_line(status), flush=True)
        if run.report_path is not None:
            print(say("farewell.written", path=run.report_path), flush=True)
        if run.failure is not None:
            raise run.failure
        return status

    def _block(self, deadline: float | None, drained: bool) -> str:
        """Return the reason to stop; "" when the node ended by itself."""
        run = self._run
        assert run is not None
        run.wants_report = True
        idle, polls, printed_at = 0, run.polls, -math.inf
        while run.is_alive:
            if deadline is not None and time.time() >= deadline:
                return "deadline"
            # Polls from before this call don't count: a book may have been submitted since.
            if (now_polls := run.polls) != polls:
                polls = now_polls
                idle = idle + 1 if run.nothing_left else 0
            if drained and idle > IDLE_POLLS:
                return "drained"
            self._print_warnings()
            if time.monotonic() - printed_at >= STATUS_LINE_SECONDS:
                printed_at = time.monotonic()
                print(self._status_line(self.status()), flush=True)
            run.join(1.0)
        return ""

    def _print_warnings(self) -> None:
        """Print new warnings from here: a batch run keeps only the main thread's output."""
        for line in self.recent.lines(logging.WARNING, after=self._last_warning):
            self._last_warning = line.number
            at = time.strftime("%H:%M:%S", time.localtime(line.at))
            print(f"{at} {logging.getLevelName(line.level)} {line.text}", flush=True)

    def _status_line(self, status: dict[str, Any]) -> str:
        """Return a line with time, state, chapters and speed."""
        local, left = status["local"], status["session_left"]
        return say(
            "notebook.line",
            time=time.strftime("%H:%M:%S"),
            state=say(f"notebook.state_{status['state']}"),
            completed=local["outcomes"].get("completed", 0),
            failed=local["outcomes"].get("failed", 0),
            in_flight=sum(local["in_flight"].values()),
            rate=sum(local["per_minute"][-2:-1]) or local["per_minute"][-1],
            left=say("notebook.unlimited") if left is None else duration(left),
        )


def shared_out(settings: Settings, cpus: int) -> tuple[int, Settings]:
    """Return how many node processes share the slots, 0 for one thread, and the settings of each of them.

    No provider gets more slots than before: there are at most as many processes as the least of them has.
    """
    wanted = [settings.slots_for(key) for key in ("", *settings.slots_each)]
    count = min(cpus - 1, math.ceil(max(wanted) / SLOTS_A_THREAD), *wanted)
    if count < 2:
        return 0, settings
    caps = ("slots", "max_slots", "max_slots_per_provider")
    shares: dict[str, object] = {cap: max(1, getattr(settings, cap) // count) for cap in caps}
    shares["slots_each"] = {key: int(amount) // count for key, amount in settings.slots_each.items()}
    return count, settings.model_copy(update=shares)


def current() -> Node | None:
    """Return the node that was started last in this kernel, also when it has stopped; None before
    any start.
    """
    return _current
