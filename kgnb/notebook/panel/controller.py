"""State shared by the panel's tabs: the node, running commands, the last message. Thread-safe, no widgets."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from kgnb.app.condition import add_conditions
from kgnb.core.errors import KgnbError
from kgnb.core.messages import say, use_language
from kgnb.core.secrets import ENVIRONMENT
from kgnb.core.settings import Settings
from kgnb.notebook.node import Node
from kgnb.notebook.panel.alert import service_down
from kgnb.notebook.panel.cell_watch import CellWatch

if TYPE_CHECKING:
    from kgnb.app.context import App
    from kgnb.app.tasks import CommandResult

R = TypeVar("R")

log = logging.getLogger(__name__)

Done: TypeAlias = Callable[[R], str | tuple[str, str] | None]
"""What a command brought → what to say: a text, a text and a tone other than good, or nothing."""
Command = Literal["pause", "resume", "cancel", "retry", "delete"]

_OUTCOMES: Mapping[Command, str] = {
    "pause": "operate.was_paused",
    "resume": "operate.was_resumed",
    "cancel": "panel.was_cancelled",
    "retry": "operate.was_started_again",
    "delete": "operate.was_deleted",
}
"""The text that says that a command on a task is done."""
MESSAGE_SECONDS = 120.0
"""How long a success is shown; warnings and errors stay until the next message."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something the panel says: ``tone`` good, warn or bad."""

    text: str
    tone: str
    at: float


class PanelController:
    """Runs commands from clicks without blocking the main thread; the refresher shows their outcome."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.cell_watch = CellWatch()
        self.wake: Callable[[], None] = lambda: None
        """Wakes the refresher."""
        self.refresh: Callable[[], None] = lambda: None
        """Refreshes every widget now; called after a click, on the main thread."""
        self.show_graph: Callable[[int], None] = lambda _: None
        """Leads to a novel's graph."""
        self.shown_tab = ""
        self._message: Message | None = None
        self._running: dict[int, str] = {}
        self._numbers = itertools.count()
        self._last_cluster: dict[str, Any] | None = None  # the newest, read by the node or by a command
        self._node_cluster: dict[str, Any] | None = None  # the node's newest
        self._last_name = ""
        self._typed_fields: set[str] = set()
        self._stopping = self._restarting = False

    def show_node(self, node: Node) -> None:
        """Switch to another node."""
        if node is not self.node:
            self.node = node
            self._last_cluster = self._node_cluster = None
            self._typed_fields = set()

    # --- what is shown

    def source(self, variable: str) -> str:
        """Return where a setting's value came from, in words: the form, the call, the environment or a
        secret's source.
        """
        field = Settings.variables()[variable]
        if field in self._typed_fields:
            return say("panel.source_typed")
        found = self.node.sources.get(variable)
        if found is None:
            return say("panel.source_given")
        return say("providers.source_environment") if found == ENVIRONMENT else found

    def status(self) -> dict[str, Any]:
        """Return :meth:`Node.status`, with the last known cluster (None before the first) while the node
        doesn't read it.

        Its tasks' conditions are as of now, also when the node or a service is gone since.
        """
        status = self.node.status()
        read = status["cluster"]
        if read is not None and read is not self._node_cluster:
            self._last_cluster = self._node_cluster = read
            self._last_name = status["name"]
        is_read = read is not None and status["state"] in ("running", "stopping")
        left = "" if is_read else self._last_name
        if (last := self._last_cluster) is not None:
            stuck = status["local"]["stuck"] if self.node.is_alive else {}
            status["cluster"] = add_conditions(last, left=left, down=service_down(status), stuck=stuck)
        return status

    @property
    def message(self) -> Message | None:
        """The last message; None without one, or when a good one is older than MESSAGE_SECONDS (120)."""
        last = self._message
        if last is not None and last.tone == "good" and time.monotonic() - last.at > MESSAGE_SECONDS:
            return None
        return last

    @property
    def running_commands(self) -> list[str]:
        """Descriptions of the commands that run now."""
        return list(self._running.values())

    def show_message(self, text: str, tone: str = "good") -> None:
        """Show ``text``."""
        self._message = Message(text, tone, time.monotonic())
        self.wake()

    def show_error(self, error: BaseException) -> None:
        """Show an error; one that isn't a KgnbError is logged with its traceback."""
        if isinstance(error, KgnbError):
            self.show_message(str(error), "bad")
        else:
            log.error(say("panel.broke"), exc_info=error)
            self.show_message(say("panel.bug", reason=type(error).__name__), "bad")

    # --- commands

    def safely(self, action: Callable[[], None]) -> Callable[..., None]:
        """Return a callback for clicks that calls ``action`` and refreshes the panel; its errors are shown in
        the panel, not in the output of some cell.
        """

        def clicked(*_: Any) -> None:
            self._message = None  # what was said before this click is over
            try:
                action()
            except Exception as error:  # noqa: BLE001 — shown and logged by show_error()
                self.show_error(error)
            self.refresh()

        return clicked

    def track(self, doing: str, future: Future[R], done: Done[R]) -> None:
        """Show ``doing`` (if not empty) until ``future`` ends, then its error, or ``done(result)``."""
        number = next(self._numbers)
        if doing:
            self._running[number] = doing

        def ended(future: Future[R]) -> None:
            self._running.pop(number, None)
            try:
                outcome = done(future.result())
                if outcome is not None:
                    self.show_message(*((outcome,) if isinstance(outcome, str) else outcome))
            except CancelledError:
                self.show_message(say("panel.cut_short"), "warn")
            except Exception as error:  # noqa: BLE001 — shown and logged by show_error()
                self.show_error(error)
            self.wake()

        future.add_done_callback(ended)
        self.wake()

    def run(self, doing: str, work: Callable[[App], Awaitable[R]], done: Done[R], **stores: bool) -> None:
        """As :meth:`track`, for :meth:`Node.call` of ``work`` with ``stores``."""
        self.track(doing, self.node.call(work, **stores), done)

    def command_task(self, name: Command, task_id: int) -> None:
        """Pause, resume, cancel, retry or delete a task; its outcome is shown."""
        from kgnb.app import tasks

        command: Callable[[App, int], Awaitable[CommandResult]] = getattr(tasks, f"{name}_task")

        def done(result: CommandResult) -> str:
            self.read_status_of_others()
            return say(_OUTCOMES[name], task=task_id, queue=result.queue)

        doing = say("panel.doing_task", what=say(f"panel.{name}"), task=task_id)
        self.run(doing, lambda app: command(app, task_id), done, graph=name == "delete")

    def read_status(self) -> None:
        """Read the cluster's status once, for when no node runs that does."""

        from kgnb.app.status import StatusReport

        def on_read(found: dict[str, Any]) -> str:
            self._last_cluster = found
            return say("panel.looked")

        self.run(say("panel.looking"), lambda app: StatusReport(app).read(), on_read)

    def read_status_of_others(self) -> None:
        """Read the status after a command, unless a node runs here that does."""
        if not self.node.is_alive:
            self.read_status()

    # --- the node

    def settings_with(self, changes: Mapping[str, Any]) -> Settings:
        """Return the node's settings with ``changes``. Raises SettingsError."""
        now = self.node.settings
        return Settings.load(**{name: getattr(now, name) for name in type(now).model_fields} | dict(changes))

    def use_settings(self, settings: Settings, *, typed: Iterable[str] = ()) -> None:
        """Give the node new settings; a running node is restarted with them.

        ``typed``: names of the fields that the user typed.
        """
        self._typed_fields |= set(typed)
        self._stopping, self._restarting = False, self.node.is_alive
        if self._restarting:
            self.node.stop(wait=False)
        self.node.settings = settings
        use_language(settings.lang)
        self._last_cluster = self._node_cluster = None
        if self._restarting:
            self.node.start()  # as soon as the run before has left
            self.show_message(say("panel.restarting"), "warn")
        else:
            self.show_message(say("panel.settings_kept"))

    def note_node(self) -> None:
        """Say when a node that was told to stop has left, or one that was restarted runs; called by the
        refresher.
        """
        if self._stopping and not self.node.is_alive:
            self._stopping = False
            self.show_message(say("panel.stopped"))
        elif self._restarting and self.node.state == "running":
            self._restarting = False
            last = self.message
            saved = last.text if last is not None and last.tone == "good" else ""
            self.show_message(f"{saved} {say('panel.started')}".strip())

    def start(self) -> None:
        """Start the node. Raises InputError where it may not join a shared queue."""
        self.node.start()
        self.show_message(say("panel.started"))

    def stop(self, *, now: bool = False) -> None:
        """Stop the node; a message says when it has left."""
        self._stopping, self._restarting = True, False
        self.node.stop(now=now, wait=False)
        self.show_message(say("panel.stopping_now" if now else "panel.stopping"), "warn")
