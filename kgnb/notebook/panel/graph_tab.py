"""The panel's graph tab: a book's picture, corrections of its names, and its page as a file if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as w

from kgnb.app.api import spawn
from kgnb.app.context import App
from kgnb.app.graphs import graph_and_history
from kgnb.app.names import BookNames, names_of
from kgnb.core.errors import InputError, KgnbError
from kgnb.core.messages import say
from kgnb.core.model import RULES
from kgnb.core.safe_text import one_line
from kgnb.graph.book_history import BookHistory
from kgnb.graph.model import Graph
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.ask_box import AskBox
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.corrections_box import Change, CorrectionsBox
from kgnb.render.explorer import page as explorer
from kgnb.render.picture.scene import Scene, lay_out

HEIGHT = 600


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn book; made in a worker thread."""

    title: str
    page: str
    scene: Scene
    names: BookNames
    told: str = ""  # the outcome of a change of names


def draw(
    graph: Graph,
    history: BookHistory,
    names: BookNames,
    told: str,
    title: str,
    before: Scene | None = None,
    opened: str = "",
) -> Drawn:
    """Return page and names of the graph, ready to be shown; characters of the picture ``before`` keep their
    places. ``opened``: whose card is open.
    """
    scene = lay_out(graph, explorer.PAGE_PEOPLE, before)
    return Drawn(
        title=title,
        page=explorer.html(graph, history, title=title, scene=scene, opened=opened),
        scene=scene,
        names=names,
        told=told,
    )


class GraphTab:
    """The tab. While it is seen, it draws the book that was finished last, unless another was chosen."""

    def __init__(self, controller: PanelController) -> None:
        self.controller = controller
        self.drawn: Drawn | None = None
        self._shown: Drawn | None = None
        self._titles: dict[int, str] = {}
        self._tasks: dict[int, int] = {}
        self._finished: set[int] = set()  # tasks
        self._follow = 0  # the novel to draw as soon as the tab is seen
        self._by_hand = False  # whether the book was chosen by a person
        self.corrections = CorrectionsBox(controller, self._shown_task, self._work)
        self.book = widgets.choice(say("panel.f_book"), [(say("panel.no_book_yet"), 0)], flex="0 1 420px")
        self.book.observe(self._chosen, names="value")
        self.draw = widgets.button(controller, "panel.draw", self._draw, style="primary", width="96px")
        self.save = widgets.button(controller, "panel.save_page", self._save)
        self.picture = widgets.html(width="100%")
        self.link = w.Output(layout=w.Layout(margin="4px 0"))
        head = widgets.row(self.book, self.draw, self.save)
        self.ask = AskBox(controller, lambda: (self.book.value, self._task()))
        self.box = widgets.column(head, self.link, self.picture, self.ask.box, self.corrections.box)

    def _task(self) -> int:
        """Return a task of the chosen book."""
        if not self.book.value:
            raise InputError("panel.no_book_chosen")
        return self._tasks[self.book.value]

    def _shown_task(self) -> int:
        """Return a task of the drawn book; raises InputError when another book was chosen since."""
        task = self._task()
        if self.drawn is None or self.drawn.names.novel.id != self.book.value:
            raise InputError("panel.other_book_shown")
        return task

    def show_book(self, novel: int) -> None:
        """Draw this book now, as a person asked for."""
        if novel in self._titles:
            self.book.value, self._by_hand, self._follow = novel, True, 0
            self._draw()

    def _chosen(self, _: object) -> None:
        self._by_hand = True

    def _note_finished(self, tasks: Sequence[html.Item]) -> None:
        """Follow the newest task that has finished since the last look; at first, the newest finished one."""
        if not tasks:  # unknown while a node starts: what it lists then is no news
            return
        # A failed one has gaps: what it completed is in the graph.
        done = [
            t for t in tasks if t["status"] == "completed" or (t["status"] == "failed" and t["completed"])
        ]
        news = [one for one in done if one["task_id"] not in self._finished]
        self._finished = {one["task_id"] for one in done}
        drawn = self.drawn.names.novel.id if self.drawn is not None else 0
        for one in news[:1]:
            if not self._by_hand or one["novel_id"] in (drawn, self.book.value):
                self._follow = one["novel_id"]

    def _draw_followed(self) -> None:
        if self.controller.shown_tab != "graph" or self._follow not in self._titles:
            return
        by_hand, self.book.value, self._follow = self._by_hand, self._follow, 0
        self._by_hand = by_hand
        try:
            self._draw()
        except KgnbError as error:
            self.controller.show_error(error)

    def _draw(self) -> None:
        self._work(say("panel.drawing", title=self._title()))

    def _title(self) -> str:
        """Return the title of the chosen book. Raises InputError for none."""
        self._task()
        return self._titles[self.book.value]

    def _work(self, doing: str, change: Change | None = None) -> None:
        """Apply a change of names, if given, and draw the chosen book."""
        novel, task, title, node = self.book.value, self._task(), self._title(), self.controller.node
        last = self.drawn
        before = last.scene if last is not None and last.names.novel.id == novel else None
        opened = self.corrections.person.value.strip() if change is not None else ""

        async def read(app: App) -> tuple[Graph, BookHistory, BookNames, str]:
            told = await change(app) if change is not None else ""
            return *await graph_and_history(app, novel), await names_of(app, task, ("Character",)), told

        async def drawn() -> Drawn:
            found = await asyncio.wrap_future(node.call(read, graph=change is not None))
            return await asyncio.to_thread(draw, *found, title, before, opened)

        self.controller.track(doing, spawn(drawn()), self._done)

    def _done(self, drawn: Drawn) -> str | tuple[str, str]:
        """Show a drawn graph; return the message, with the tone "warn" for an empty graph."""
        self.drawn, self.link.outputs = drawn, ()
        self.corrections.take(drawn.names)
        if not drawn.scene.spots:
            return say("panel.empty_graph", title=drawn.title), "warn"
        return drawn.told or say("panel.drawn", title=drawn.title)

    def _save(self) -> None:
        """Write the drawn book's page beside the notebook, or to the host's output folder, and link it."""
        drawn = self.drawn
        if drawn is None:
            raise InputError("panel.no_book_chosen")
        folder = self.controller.node.host.output_dir or Path.cwd()
        path = folder / f"graph-{drawn.names.novel.id}.html"
        try:
            path.write_text(drawn.page, "utf-8")
        except OSError as error:
            raise InputError("panel.not_written", path=path, reason=error.strerror) from error
        self.link.outputs = (_linked(path),)

    def refresh(self, status: html.Item) -> None:
        """Show the known books and the drawn picture."""
        books: dict[int, str] = {}
        tasks = (status["cluster"] or {}).get("tasks", ())
        for task in tasks:
            books.setdefault(task["novel_id"], one_line(task["name"]))
            self._tasks[task["novel_id"]] = task["task_id"]
        # Equal titles get the novel's id: the list needs distinct labels.
        self._titles = books
        wanted = [(f"{name} · {novel}", novel) for novel, name in books.items()]
        by_hand = self._by_hand and self.book.value in books
        widgets.options(self.book, wanted or [(say("panel.no_book_yet"), 0)])
        self._by_hand = by_hand
        self._note_finished(tasks)
        self._draw_followed()
        self.corrections.refresh()
        cluster = status["cluster"] or {}
        self.ask.refresh([one["name"] for one in cluster.get("providers", ()) if one["name"] != RULES])
        if (drawn := self.drawn) is not self._shown and drawn is not None:
            self._shown = drawn
            widgets.show(self.picture, explorer.iframe(drawn.page, HEIGHT))


def _linked(path: Path) -> dict[str, Any]:
    """Return an output with a link, relative to the notebook."""
    line = (
        f'<div class="kgnb"><a href="{html.text(path.name)}" target="_blank">{html.text(path.name)}</a>'
        f' <span class="dim">{html.text(say("panel.written", path=path))}</span></div>'
    )
    data = {"text/plain": str(path), "text/html": line}
    return {"output_type": "display_data", "data": data, "metadata": {}}
