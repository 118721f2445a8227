"""The panel's run tab: start and stop the node, submit a book, and the tasks, each open to its chapters."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from kgnb.core.errors import InputError
from kgnb.core.formatting import cut
from kgnb.core.messages import say
from kgnb.core.model import ACTIVE_STATUSES
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import Command, PanelController
from kgnb.notebook.panel.submit_box import SubmitBox

if TYPE_CHECKING:
    from kgnb.app.chapters import ListedChapter
    from kgnb.app.dead_letters import RetryResult

MAX_TASKS = 30
"""Rows shown; `kgnb status` shows the rest."""
REREAD_SECONDS = 2.0
"""An open row's chapters are read again no sooner than this, and only when the task's counts changed."""


class RunTab:
    """The tab."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        wide = {"width": "96px"}
        self.start = widgets.button(controller, "panel.start", controller.start, style="primary", **wide)
        self.stop = widgets.button(controller, "panel.stop", controller.stop, tip="panel.stop_tip", **wide)
        stop_now = partial(controller.stop, now=True)
        self.now = widgets.button(controller, "panel.stop_now", stop_now, tip="panel.stop_now_tip", **wide)
        self.book = SubmitBox(controller)
        self._hint = widgets.html()
        self.tasks = widgets.RowList(lambda task: TaskRow(controller, task["task_id"]))
        buttons = widgets.row(self.start, self.stop, self.now)
        self.box = widgets.column(buttons, self.book.box, self._hint, self.tasks.box)

    def refresh(self, status: html.Item) -> None:
        """Show the current tasks."""
        alive, cluster = self._controller.node.is_alive, status["cluster"] or {}
        self.start.disabled = alive
        self.stop.disabled = not alive or status["state"] == "stopping"
        self.now.disabled = not alive
        self.book.refresh([provider["name"] for provider in cluster.get("providers", ())])
        tasks = cluster.get("tasks", ())
        shown = {task["task_id"]: task for task in tasks[:MAX_TASKS]}
        self.tasks.update(shown)
        unknown = "panel.tasks_soon" if status["state"] == "starting" else "panel.unknown_tasks"
        hint = "" if shown else say("panel.no_tasks" if cluster else unknown)
        if len(tasks) > len(shown):
            hint = say("panel.more_tasks", count=len(tasks) - len(shown))
        widgets.show(self._hint, html.dim(hint) if hint else "")


class TaskRow:
    """One task: bar and buttons."""

    def __init__(self, controller: PanelController, task_id: int) -> None:
        self._controller, self._id = controller, task_id
        self._status, self._novel = "", 0
        self.about = widgets.html(flex="1 1 300px")
        self.chapters = ChapterList(controller, task_id)
        self.open = self._button("panel.open_row", self.chapters.toggle)
        self.graph = self._button("panel.see_graph", lambda: controller.show_graph(self._novel))
        self.pause = self._button("panel.pause", self._toggle_pause)
        self.retry = self._button("panel.retry", lambda: self._command("retry"))
        self.cancel = self._button("panel.cancel", lambda: self._command("cancel"))
        self._delete = widgets.ConfirmedButton(controller, "panel.delete", lambda: self._command("delete"))
        self.delete = self._delete.button
        parts = (self.open, self.graph, self.pause, self.retry, self.cancel, self.delete)
        buttons = widgets.row(*parts, flex="0 1 auto", max_width="100%")
        head = widgets.row(self.about, buttons, grid_gap="2px 14px")
        self.box = widgets.column(head, self.chapters.box)
        self.box.add_class("kgnb-row")

    def _button(self, key: str, click: Callable[[], None]) -> Any:
        """Return a button with the text ``key``."""
        return widgets.button(self._controller, key, click)

    def update(self, task: html.Item) -> None:
        """Show the task's current state."""
        self._status, self._novel = task["status"], task["novel_id"]
        widgets.show(self.about, html.task(task))
        is_open = self._status in ACTIVE_STATUSES
        widgets.label(self.pause, say("panel.resume" if self._status == "paused" else "panel.pause"))
        widgets.label(self.open, say("panel.close_row" if self.chapters.is_open else "panel.open_row"))
        self._delete.refresh()
        self.pause.disabled = self.cancel.disabled = not (is_open or self._status == "paused")
        self.retry.disabled = not (task["failed"] or self._status in ("failed", "cancelled"))
        widgets.visible(self.graph, bool(task["completed"]) and not is_open)
        self.chapters.update(task)

    def _toggle_pause(self) -> None:
        self._command("resume" if self._status == "paused" else "pause")

    def _command(self, name: Command) -> None:
        self._controller.command_task(name, self._id)


class ChapterList:
    """A task's chapters by their numbers in the book, those first that need a person; closed at first."""

    def __init__(self, controller: PanelController, task_id: int) -> None:
        self._controller, self._id = controller, task_id
        self.is_open = False
        self._listed: Sequence[ListedChapter] | None = None
        self._counts: object = None  # of the task when its chapters were read last
        self._read_at, self._reading = 0.0, False
        self.table = widgets.html(margin="2px 0 4px")
        self.failed = widgets.choice(say("panel.f_chapter"), [("-", 0)], flex="0 1 420px")
        self.retry = widgets.button(controller, "panel.retry_chapter", self._retry)
        self.again = widgets.row(self.failed, self.retry)
        self.box = widgets.column(self.again, self.table)
        widgets.visible(self.box, False)

    def toggle(self) -> None:
        """Open or close the list."""
        self.is_open = not self.is_open
        self._counts = None
        widgets.visible(self.box, self.is_open)

    def update(self, task: html.Item) -> None:
        """Show what was read last; read again when the task's counts changed."""
        if not self.is_open:
            return
        counts = tuple(task[name] for name in ("status", "completed", "failed", "skipped", "running"))
        if counts != self._counts and not self._reading and time.monotonic() - self._read_at > REREAD_SECONDS:
            self._counts = counts
            self._read()
        self._show()

    def _read(self) -> None:
        from kgnb.app.chapters import list_chapters

        self._reading = True
        future = self._controller.node.call(lambda app: list_chapters(app, self._id))

        def on_read(found: Sequence[ListedChapter]) -> None:
            self._listed = found

        def on_end(_: object) -> None:
            self._reading, self._read_at = False, time.monotonic()

        future.add_done_callback(on_end)
        self._controller.track("", future, on_read)

    def _show(self) -> None:
        listed = self._listed
        shown = html.dim(say("panel.reading_chapters")) if listed is None else html.chapters(listed)
        widgets.show(self.table, shown)
        failed = [one for one in listed or () if one.status == "failed"]
        offered = [(cut(f"{one.number} · {one.title}", 60), one.number) for one in failed]
        widgets.options(self.failed, offered or [("-", 0)])
        widgets.visible(self.again, bool(failed))

    def _retry(self) -> None:
        from kgnb.app.dead_letters import retry_dead_letters

        number = self.failed.value
        if not number:
            raise InputError("panel.no_chapter_failed")

        def done(_: RetryResult) -> str:
            self._counts = None
            self._controller.read_status_of_others()
            return say("panel.chapter_again", task=self._id, chapter=number)

        doing = say("panel.doing_task", what=say("panel.retry_chapter"), task=self._id)
        self._controller.run(doing, lambda app: retry_dead_letters(app, self._id, number), done)
