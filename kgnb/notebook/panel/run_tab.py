"""The panel's run tab: start and stop the node, submit a book, command tasks."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import ipywidgets as w

from kgnb.app.build import Plan, submit
from kgnb.app.context import App
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import Command, PanelController

MAX_TASKS = 30
"""Rows shown; `kgnb status` shows the rest."""
CONFIRM_SECONDS = 5.0
"""A second click on Delete within this time deletes."""
MAX_NAME_CHARS = 60
"""Bound on an uploaded file's name: in any script it fits a file system's 255 bytes."""


class TaskRow:
    """One task with its bar and buttons."""

    def __init__(self, controller: PanelController, task_id: int) -> None:
        self._controller, self._id = controller, task_id
        self._status = ""
        self._delete_clicked_at = 0.0
        self._about = widgets.html(flex="1 1 auto")
        self.pause = widgets.button(say("panel.pause"), controller.safely(self._toggle_pause))
        retry, cancel = controller.safely(self._retry), controller.safely(self._cancel)
        self.retry = widgets.button(say("panel.retry"), retry)
        self.cancel = widgets.button(say("panel.cancel"), cancel)
        self.delete = widgets.button(say("panel.delete"), controller.safely(self._delete))
        buttons = widgets.row(self.pause, self.retry, self.cancel, self.delete, wrap=False, flex="0 0 auto")
        self.box = widgets.row(self._about, buttons, wrap=False, grid_gap="14px")
        self.box.add_class("kgnb-row")

    def update(self, task: html.Item) -> None:
        """Show the task's current state."""
        self._status = task["status"]
        widgets.show(self._about, html.block(html.task(task)))
        open_ = self._status in ("created", "running")
        widgets.label(self.pause, say("panel.resume" if self._status == "paused" else "panel.pause"))
        confirming = time.monotonic() - self._delete_clicked_at < CONFIRM_SECONDS
        widgets.label(self.delete, say("panel.sure" if confirming else "panel.delete"))
        can_retry = bool(task["failed"]) or self._status in ("failed", "cancelled")
        widgets.enable(self.pause, open_ or self._status == "paused")
        widgets.enable(self.retry, can_retry)
        widgets.enable(self.cancel, open_ or self._status == "paused")

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


class RunTab:
    """The tab."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self._rows: dict[int, TaskRow] = {}
        start, stop = controller.safely(controller.start), controller.safely(controller.stop)
        now = controller.safely(lambda: controller.stop(now=True))
        self.start = widgets.button(say("panel.start"), start, style="primary", width="96px")
        self.stop = widgets.button(say("panel.stop"), stop, tip=say("panel.stop_tip"), width="96px")
        self.now = widgets.button(say("panel.stop_now"), now, tip=say("panel.stop_now_tip"), width="96px")
        self.upload = w.FileUpload(
            accept=".txt,.md,.epub",
            multiple=False,
            description=say("panel.upload"),
            layout=w.Layout(width="128px", margin="2px"),
        )
        self.path = widgets.field(say("panel.f_path"), hint="/kaggle/input/…/book.txt", flex="1 1 260px")
        self.provider = widgets.choice(say("panel.f_by"), [(say("panel.by_default"), "")], flex="0 1 240px")
        self.submit = widgets.button(
            say("panel.submit"), controller.safely(self._submit), style="primary", width="96px"
        )
        self._hint = widgets.html()
        self._list = widgets.column()
        self.box = widgets.column(
            widgets.row(self.start, self.stop, self.now), self._form(), self._hint, self._list
        )

    def _form(self) -> Any:
        inputs = (self.upload, self.path, self.provider, self.submit)
        return widgets.card(
            say("panel.submit_title"), widgets.row(*inputs, grid_gap="4px 10px"), margin="10px 0 12px"
        )

    # --- clicks

    def _submit(self) -> None:
        name, content = uploaded(self.upload)
        path = self.path.value.strip()
        if not content and not path:
            raise InputError("panel.no_book")
        provider = self.provider.value or None  # an ipywidgets list takes None for "nothing chosen"

        async def work(app: App) -> Plan:
            if content:
                return await _from_upload(app, name, content, provider)
            return await submit(app, await asyncio.to_thread(Path(path).expanduser), provider)

        shown = name or Path(path).name
        self._controller.track(
            say("panel.submitting", name=shown), self._controller.node.call(work), self._submitted
        )
        empty(self.upload)
        self.path.value = ""

    def _submitted(self, plan: Plan) -> str:
        alive = self._controller.node.is_alive
        if not alive:
            self._controller.read_status()
        key = "panel.found_finished" if plan.found_finished else "panel.submitted"
        told = say(key, title=plan.book.title, task=plan.task.id, chapters=plan.book.chapters)
        return told if alive or plan.found_finished else told + " " + say("panel.start_it")

    # --- refreshing

    def refresh(self, status: html.Item) -> None:
        """Show the current tasks."""
        alive, state = self._controller.node.is_alive, status["state"]
        widgets.enable(self.start, not alive)
        widgets.enable(self.stop, alive and state != "stopping")
        widgets.enable(self.now, alive)
        cluster = status["cluster"] or {}
        names = [(p["name"], p["name"]) for p in cluster.get("providers", ())]
        widgets.options(self.provider, [(say("panel.by_default"), ""), *names])
        self._show_tasks(cluster.get("tasks", ()), known=bool(cluster))

    def _show_tasks(self, tasks: Any, *, known: bool) -> None:
        shown = tasks[:MAX_TASKS]
        for one in shown:
            task_id = one["task_id"]
            if task_id not in self._rows:
                self._rows[task_id] = TaskRow(self._controller, task_id)
            self._rows[task_id].update(one)
        self._rows = {one["task_id"]: self._rows[one["task_id"]] for one in shown}
        widgets.children(self._list, [row.box for row in self._rows.values()])
        hint = "" if shown else say("panel.no_tasks" if known else "panel.unknown_tasks")
        if len(tasks) > len(shown):
            hint = say("panel.more_tasks", count=len(tasks) - len(shown))
        widgets.show(self._hint, html.block(html.dim(hint)) if hint else "")


async def _from_upload(app: App, name: str, content: bytes, provider: str | None) -> Plan:
    with tempfile.TemporaryDirectory(prefix="kgnb-") as folder:
        book = Path(folder, name)
        await asyncio.to_thread(book.write_bytes, content)
        return await submit(app, book, provider)


def uploaded(upload: Any) -> tuple[str, bytes]:
    """Return the chosen file's name and content, empty when there is none; works with ipywidgets 7 and 8."""
    value = upload.value
    if not value:
        return "", b""
    if isinstance(value, dict):  # ipywidgets 7: {name: {"metadata": …, "content": …}}
        name, one = next(iter(value.items()))
    else:
        one = value[0]
        name = one["name"]
    last = Path(str(name).replace("\\", "/").replace("\0", "")).name
    if last in ("", ".", ".."):
        last = "book.txt"
    path = Path(last)
    return path.stem[:MAX_NAME_CHARS] + path.suffix[:8], bytes(one["content"])


def empty(upload: Any) -> None:
    """Forget the chosen file: a saved notebook would contain all of it."""
    if hasattr(upload, "_counter"):  # ipywidgets 7
        upload.data, upload.metadata = [], []
        upload.set_trait("_counter", 0)
        upload.set_trait("value", {})
    else:
        upload.value = ()
