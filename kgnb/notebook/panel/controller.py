"""What the panel's tabs share: the node, commands under way, the last word said. Plain data, any thread."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from kgnb.app.status import StatusReport
from kgnb.core.errors import KgnbError
from kgnb.core.messages import say, use_language
from kgnb.core.secrets import ENVIRONMENT
from kgnb.core.settings import Settings
from kgnb.notebook.node import Node
from kgnb.notebook.panel.cell_watch import CellWatch

R = TypeVar("R")

log = logging.getLogger(__name__)

SAID_SECONDS = 120.0
"""How long the panel shows how the last command ended; errors stay until the next one."""


@dataclass(frozen=True, slots=True)
class Word:
    """Something the panel says: ``tone`` good, warn or bad."""

    text: str
    tone: str
    at: float


class PanelController:
    """Commands go in from clicks and never block the main thread; the refresher shows what they did."""

    def __init__(self, node: Node, wake: Callable[[], None] = lambda: None) -> None:
        self.node = node
        self.busy = CellWatch()
        self.wake = wake
        """Makes the refresher run at once."""
        self.refresh: Callable[[], None] = lambda: None
        """Shows everything as it is now: after a click, which is on the main thread."""
        self._word: Word | None = None
        self._running: dict[int, str] = {}
        self._numbers = itertools.count()
        self._looked: dict[str, Any] | None = None
        self._next: Settings | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._typed: set[str] = set()
        self._stopping = False

    def turn_to(self, node: Node) -> None:
        """From now on it is about this node."""
        if node is not self.node:
            self.node, self._next, self._looked = node, None, None
            self._typed = set()

    # --- what is shown

    def source(self, variable: str) -> str:
        """Where the value of this setting came from, in words."""
        field = Settings.variables()[variable]
        if field in self._typed:
            return say("panel.source_typed")
        found = self.node.sources.get(variable)
        if found is None:
            return say("panel.source_given")
        return say("panel.source_environment") if found == ENVIRONMENT else found

    def status(self) -> dict[str, Any]:
        """:meth:`Node.status`, with the last known cluster where the node doesn't look at it."""
        status = self.node.status()
        if status["cluster"] is not None:
            self._looked = status["cluster"]
        else:
            status["cluster"] = self._looked
        return status

    @property
    def word(self) -> Word | None:
        """How the last command ended, for a while."""
        word = self._word
        if word is not None and word.tone == "good" and time.monotonic() - word.at > SAID_SECONDS:
            return None
        return word

    @property
    def under_way(self) -> list[str]:
        """Commands that haven't ended yet."""
        return list(self._running.values())

    def say(self, text: str, tone: str = "good") -> None:
        """The panel says ``text``."""
        self._word = Word(text, tone, time.monotonic())
        self.wake()

    def failed(self, error: BaseException) -> None:
        """The panel says what went wrong; what isn't kgnb's own error goes to the log whole."""
        if isinstance(error, KgnbError):
            self.say(str(error), "bad")
        else:
            log.error(say("panel.broke"), exc_info=error)
            self.say(say("panel.bug", reason=type(error).__name__), "bad")

    # --- what is done

    def safely(self, do: Callable[..., None]) -> Callable[..., None]:
        """A click's callback: whatever it raises is shown in the panel, not in some cell."""

        def clicked(*given: Any) -> None:
            self.remember_loop()
            try:
                do(*given)
            except Exception as error:  # noqa: BLE001 — shown and logged by failed()
                self.failed(error)
            self.refresh()

        return clicked

    def do(self, doing: str, future: Future[R], done: Callable[[R], str | tuple[str, str]]) -> None:
        """Shows ``doing`` until ``future`` ends, then what ``done`` makes of its result (with a tone, if it
        isn't good), or its error."""
        number = next(self._numbers)
        self._running[number] = doing

        def ended(future: Future[R]) -> None:
            self._running.pop(number, None)
            try:
                told = done(future.result())
                self.say(*((told,) if isinstance(told, str) else told))
            except CancelledError:
                self.say(say("panel.cut_short"), "warn")
            except Exception as error:  # noqa: BLE001 — shown and logged by failed()
                self.failed(error)

        future.add_done_callback(ended)
        self.wake()

    def work(self, doing: str, work: Callable[[], R], done: Callable[[R], str | tuple[str, str]]) -> None:
        """:meth:`do` for blocking ``work``, in a thread of its own."""
        future: Future[R] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except Exception as error:  # noqa: BLE001 — the future's reader shows it
                future.set_exception(error)

        threading.Thread(target=run, name="kgnb-panel-work", daemon=True).start()
        self.do(doing, future, done)

    def look(self) -> None:
        """Looks at queues and tasks although no node runs that does."""

        def looked(found: dict[str, Any]) -> str:
            self._looked = found
            return say("panel.looked")

        self.do(say("panel.looking"), self.node.call(lambda app: StatusReport(app).read()), looked)

    # --- the node

    def remember_loop(self) -> None:
        """The main thread's event loop, which can be asked to start a node there later."""
        with suppress(RuntimeError):
            if threading.current_thread() is threading.main_thread():
                self._loop = asyncio.get_running_loop()

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """The node's settings with ``changes``. Raises SettingsError."""
        now = self._next or self.node.settings
        return Settings.load(**{name: getattr(now, name) for name in type(now).model_fields} | dict(changes))

    def use(self, settings: Settings, *, typed: Iterable[str] = ()) -> None:
        """The node goes on with these settings; a running one leaves first and starts anew with them.

        ``typed``: the fields that a person gave.
        """
        self._next = settings
        self._typed |= set(typed)
        if self.node.is_alive:
            self.node.stop(wait=False)
            self.say(say("panel.restarting"), "warn")
        else:
            self._take_over()
            self.say(say("panel.settings_kept"))

    def turn(self) -> None:
        """Called by the refresher: tells that the node has left, or starts it anew with other settings."""
        if self.node.is_alive:
            return
        if self._stopping and self._next is None:
            self.say(say("panel.stopped"))
        self._stopping = False
        if self._next is None:
            return
        self._take_over()
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._start)  # signals can be heard on the main thread only
        else:
            self._start()

    def _take_over(self) -> None:
        assert self._next is not None
        self.node.settings, self._next = self._next, None
        use_language(self.node.settings.lang)
        self._looked = None

    def start(self) -> None:
        """Starts the node. Raises InputError where it may not join a shared queue."""
        self.node.start()
        self.say(say("panel.started"))

    def stop(self, *, now: bool = False) -> None:
        """Stops the node; the panel tells when it has left."""
        self._stopping = True
        self.node.stop(now=now, wait=False)
        self.say(say("panel.stopping_now" if now else "panel.stopping"), "warn")

    def _start(self) -> None:
        try:
            self.start()
        except KgnbError as error:
            self.failed(error)
