"""A task's row on the run tab: bar and buttons; it opens to its chapters, and a failed one can be retried."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from kgnb.app.dead_letters import RetryResult, retry_dead_letters
from kgnb.app.task_chapters import ListedChapter, list_chapters
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import CONFIRM_SECONDS, Command, PanelController
from kgnb.render.formatting import cut

REREAD_SECONDS = 2.0
"""An open row's chapters are read again no sooner than this, and only when the task's counts changed."""


class TaskRow:
    """One task; ``show_graph(novel_id)`` leads to its graph."""

    def __init__(
        self, controller: PanelController, task_id: int, show_graph: Callable[[int], None] = lambda _: None
    ) -> None:
        self._controller, self._id = controller, task_id
        self._status, self._novel = "", 0
        self._delete_clicked_at = 0.0
        self._about = widgets.html(flex="1 1 300px")
        self.chapters = ChapterList(controller, task_id)
        self.open = self._button("panel.open_row", self.chapters.toggle)
        self.graph = self._button("panel.see_graph", lambda: show_graph(self._novel))
        self.pause = self._button("panel.pause", self._toggle_pause)
        self.retry = self._button("panel.retry", self._retry)
        self.cancel = self._button("panel.cancel", self._cancel)
        self.delete = self._button("panel.delete", self._delete)
        parts = (self.open, self.graph, self.pause, self.retry, self.cancel, self.delete)
        buttons = widgets.row(*parts, flex="0 1 auto", max_width="100%")
        head = widgets.row(self._about, buttons, grid_gap="2px 14px")
        self.box = widgets.column(head, self.chapters.box)
        self.box.add_class("kgnb-row")

    def _button(self, key: str, click: Callable[[], None]) -> Any:
        return widgets.button(say(key), self._controller.safely(click))

    def update(self, task: html.Item) -> None:
        """Show the task's current state."""
        self._status, self._novel = task["status"], task["novel_id"]
        widgets.show(self._about, html.block(html.task(task)))
        open_ = self._status in ("created", "running")
        widgets.label(self.pause, say("panel.resume" if self._status == "paused" else "panel.pause"))
        confirming = time.monotonic() - self._delete_clicked_at < CONFIRM_SECONDS
        widgets.label(self.delete, say("panel.sure" if confirming else "panel.delete"))
        widgets.label(self.open, say("panel.close_row" if self.chapters.is_open else "panel.open_row"))
        can_retry = bool(task["failed"]) or self._status in ("failed", "cancelled")
        widgets.enable(self.pause, open_ or self._status == "paused")
        widgets.enable(self.retry, can_retry)
        widgets.enable(self.cancel, open_ or self._status == "paused")
        widgets.visible(self.graph, bool(task["completed"]) and not open_)
        self.chapters.update(task)

    # --- clicks

    def _toggle_pause(self) -> None:
        if self._status == "paused":
            self._command("resume")
        else:
            self._command("pause")

    def _retry(self) -> None:
        self._command("retry")

    def _cancel(self) -> None:
        self._command("cancel")

    def _delete(self) -> None:
        if time.monotonic() - self._delete_clicked_at >= CONFIRM_SECONDS:
            self._delete_clicked_at = time.monotonic()
            widgets.label(self.delete, say("panel.sure"))
            return
        self._delete_clicked_at = 0.0
        self._command("delete")

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
        self._table = widgets.html(margin="2px 0 4px")
        self.failed = widgets.choice(say("panel.f_chapter"), [("-", 0)], flex="0 1 420px")
        self.retry = widgets.button(say("panel.retry_chapter"), controller.safely(self._retry))
        self._again = widgets.row(self.failed, self.retry)
        self.box = widgets.column(self._again, self._table)
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
        self._reading = True
        task_id = self._id
        future = self._controller.node.call(lambda app: list_chapters(app, task_id))

        def on_read(found: Sequence[ListedChapter]) -> None:
            self._listed = found

        def on_end(_: object) -> None:
            self._reading, self._read_at = False, time.monotonic()

        future.add_done_callback(on_end)
        self._controller.track("", future, on_read)

    def _show(self) -> None:
        listed = self._listed
        shown = html.dim(say("panel.reading_chapters")) if listed is None else html.chapters(listed)
        widgets.show(self._table, html.block(shown))
        failed = [
            (cut(f"{one.number} · {one.title}", 60), one.number)
            for one in listed or ()
            if one.status == "failed"
        ]
        widgets.options(self.failed, failed or [("-", 0)])
        widgets.visible(self._again, bool(failed))

    def _retry(self) -> None:
        task_id, number = self._id, self.failed.value
        if not number:
            raise InputError("panel.no_chapter_failed")

        def done(_: RetryResult) -> str:
            self._counts = None
            self._controller.read_status_of_others()
            return say("panel.chapter_again", task=task_id, chapter=number)

        future = self._controller.node.call(lambda app: retry_dead_letters(app, task_id, number))
        doing = say("panel.doing_task", what=say("panel.retry_chapter"), task=task_id)
        self._controller.track(doing, future, done)
