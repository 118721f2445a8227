"""The panel's run tab: start and stop the node, submit a book, tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kgnb.core.messages import say
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.submit_box import SubmitBox
from kgnb.notebook.panel.task_row import TaskRow

MAX_TASKS = 30
"""Rows shown; `kgnb status` shows the rest."""


class RunTab:
    """The tab; ``show_graph(novel_id)`` leads to a book's graph."""

    def __init__(
        self, controller: PanelController, show_graph: Callable[[int], None] = lambda _: None
    ) -> None:
        self._controller, self._show_graph = controller, show_graph
        self._rows: dict[int, TaskRow] = {}
        start, stop = controller.safely(controller.start), controller.safely(controller.stop)
        now = controller.safely(lambda: controller.stop(now=True))
        self.start = widgets.button(say("panel.start"), start, style="primary", width="96px")
        self.stop = widgets.button(say("panel.stop"), stop, tip=say("panel.stop_tip"), width="96px")
        self.now = widgets.button(say("panel.stop_now"), now, tip=say("panel.stop_now_tip"), width="96px")
        self.book = SubmitBox(controller)
        self._hint = widgets.html()
        self._list = widgets.column()
        self.box = widgets.column(
            widgets.row(self.start, self.stop, self.now), self.book.box, self._hint, self._list
        )

    def refresh(self, status: html.Item) -> None:
        """Show the current tasks."""
        alive, state = self._controller.node.is_alive, status["state"]
        widgets.enable(self.start, not alive)
        widgets.enable(self.stop, alive and state != "stopping")
        widgets.enable(self.now, alive)
        cluster = status["cluster"] or {}
        self.book.refresh([provider["name"] for provider in cluster.get("providers", ())])
        self._show_tasks(cluster.get("tasks", ()), known=bool(cluster))

    def _show_tasks(self, tasks: Any, *, known: bool) -> None:
        shown = tasks[:MAX_TASKS]
        for one in shown:
            task_id = one["task_id"]
            if task_id not in self._rows:
                self._rows[task_id] = TaskRow(self._controller, task_id, self._show_graph)
            self._rows[task_id].update(one)
        self._rows = {one["task_id"]: self._rows[one["task_id"]] for one in shown}
        widgets.children(self._list, [row.box for row in self._rows.values()])
        hint = "" if shown else say("panel.no_tasks" if known else "panel.unknown_tasks")
        if len(tasks) > len(shown):
            hint = say("panel.more_tasks", count=len(tasks) - len(shown))
        widgets.show(self._hint, html.block(html.dim(hint)) if hint else "")
