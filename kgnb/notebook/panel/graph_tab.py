"""The panel's graph tab: a book's picture, corrections of its names, and its page as a file if wanted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as w

from kgnb.app import names as names_use_case
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
from kgnb.graph.resolve.decisions import DecisionOutcome
from kgnb.graph.resolve.name_listing import ListedName
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.ask_box import AskBox
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.fix_box import BY, FixBox
from kgnb.render.explorer import page as explorer
from kgnb.render.names_text import changed_line, decision_line, reasons_text
from kgnb.render.picture import static
from kgnb.render.picture.scene import Scene, lay_out

HEIGHT = 600
OFFERED = 300
"""Persons offered by the lists; any other name can be typed."""

Change = Callable[[App], Coroutine[Any, Any, str]]
"""Applies a change and returns a sentence about it."""
Decide = Callable[[App, int], Coroutine[Any, Any, DecisionOutcome]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn book; made in a worker thread."""

    title: str
    page: str
    still: str
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
) -> Drawn:
    """Return page, still picture and names of the graph, ready to be shown; characters of the picture
    ``before`` keep their places.
    """
    scene = lay_out(graph, explorer.PAGE_PEOPLE, before)
    image = base64.b64encode(static.svg(graph, title=title).encode()).decode()
    return Drawn(
        title=title,
        page=explorer.html(graph, history, title=title, scene=scene),
        still=f'<img alt="{html.text(title)}" src="data:image/svg+xml;base64,{image}">',
        scene=scene,
        names=names,
        told=told,
    )


class GraphTab:
    """The tab. While it is seen, it draws the book that was finished last, unless another was chosen."""

    def __init__(self, controller: PanelController) -> None:
        self.controller = controller
        self.drawn: Drawn | None = None
        self._shown: object = None
        self._titles: dict[int, str] = {}
        self._tasks: dict[int, int] = {}
        self._finished: set[int] = set()  # tasks
        self._follow = 0  # the novel to draw as soon as the tab is seen
        self._by_hand = False  # whether the book was chosen by a person
        self.names = NamesBox(controller, self._shown_task, self._work)
        self.book = widgets.choice(say("panel.f_book"), [(say("panel.no_book_yet"), 0)], flex="0 1 420px")
        self.book.observe(self._chosen, names="value")
        self.draw = widgets.button(controller, "panel.draw", self._draw, style="primary", width="96px")
        self.view = w.ToggleButtons(
            options=[(say("panel.view_live"), "page"), (say("panel.view_still"), "still")],
            style={"button_width": "72px"},
            layout=w.Layout(width="auto", margin="2px 0 2px 12px"),
        )
        self.view.observe(controller.safely(lambda: None), names="value")
        self.save = widgets.button(controller, "panel.save_page", self._save)
        self.picture = widgets.html(width="100%")
        self.link = w.Output(layout=w.Layout(margin="4px 0"))
        head = widgets.row(self.book, self.draw, self.view, self.save)
        self.ask = AskBox(controller, lambda: (self.book.value, self._task()))
        self.box = widgets.column(head, self.link, self.picture, self.ask.box, self.names.box)

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
        self._task()
        return self._titles[self.book.value]

    def _work(self, doing: str, change: Change | None = None) -> None:
        """Apply a change of names, if given, and draw the chosen book."""
        novel, task, title, node = self.book.value, self._task(), self._title(), self.controller.node
        last = self.drawn
        before = last.scene if last is not None and last.names.novel.id == novel else None

        async def read(app: App) -> tuple[Graph, BookHistory, BookNames, str]:
            told = await change(app) if change is not None else ""
            return *await graph_and_history(app, novel), await names_of(app, task, ("Character",)), told

        async def drawn() -> Drawn:
            found = await asyncio.wrap_future(node.call(read, graph=change is not None))
            return await asyncio.to_thread(draw, *found, title, before)

        self.controller.track(doing, spawn(drawn()), self._done)

    def _done(self, drawn: Drawn) -> str | tuple[str, str]:
        self.drawn, self.link.outputs = drawn, ()
        self.names.take(drawn.names)
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
        self.names.refresh()
        cluster = status["cluster"] or {}
        self.ask.refresh([one["name"] for one in cluster.get("providers", ()) if one["name"] != RULES])
        drawn, view = self.drawn, self.view.value
        if self._shown == (drawn, view) or drawn is None:
            return
        self._shown = (drawn, view)
        page = explorer.iframe(drawn.page, HEIGHT) if view == "page" else drawn.still
        widgets.show(self.picture, page)


def _linked(path: Path) -> dict[str, Any]:
    """Return an output with a link, relative to the notebook."""
    line = (
        f'<div class="kgnb"><a href="{html.text(path.name)}" target="_blank">{html.text(path.name)}</a>'
        f' <span class="dim">{html.text(say("panel.written", path=path))}</span></div>'
    )
    data = {"text/plain": str(path), "text/html": line}
    return {"output_type": "display_data", "data": data, "metadata": {}}


class NamesBox:
    """Pick a person; merge another into it, split an alias off, undo.

    ``change`` applies a change to the drawn book and draws it again.
    """

    def __init__(
        self, controller: PanelController, task: Callable[[], int], change: Callable[[str, Change], None]
    ) -> None:
        self._task, self._change = task, change
        self._names: BookNames | None = None
        self._shown: tuple[BookNames, str] | None = None
        wide: dict[str, Any] = {"flex": "0 1 420px"}
        typed = wide | {"kind": "combobox", "hint": say("panel.type_a_name")}
        self.person = widgets.field(say("panel.f_person"), **typed)
        self.person.observe(controller.safely(lambda: None), names="value")
        self.other = widgets.field(say("panel.f_other"), **typed)
        self.alias = widgets.choice(say("panel.f_alias"), [(say("panel.no_alias"), "")], **wide)
        self.decision = widgets.choice(say("panel.f_decision"), [(say("panel.no_decision"), 0)], **wide)
        self.merge = widgets.button(controller, "panel.merge", self._merge, width="96px")
        self.split = widgets.button(controller, "panel.split", self._split, width="96px")
        self.undo = widgets.button(controller, "panel.undo", self._undo, width="96px")
        self.fix = FixBox(controller, task, lambda: self._typed_name(self.person), change)
        self._why = widgets.html(margin="2px 0 2px 8px")
        self.box = widgets.column(
            widgets.html(html.part("panel.names")),
            widgets.row(self.person, self._why),
            widgets.row(self.other, self.merge),
            widgets.row(self.alias, self.split),
            self.fix.box,
            widgets.row(self.decision, self.undo),
            margin="10px 0 0 0",
        )
        self.box.layout.display = "none"

    def take(self, names: BookNames) -> None:
        """Offer these names from the next :meth:`refresh` on. Thread-safe."""
        self._names = names

    def refresh(self) -> None:
        """Update the lists."""
        names = self._names
        if names is None or self._shown == (names, self.person.value):
            return
        if self._shown is None or self._shown[0] is not names:
            offered = tuple(one_line(one.name) for one in names.listed[:OFFERED])
            self.person.options = self.other.options = offered
            standing = [d for d in reversed(names.decisions) if d.in_force]
            offers = [(decision_line(d), d.id) for d in standing] or [(say("panel.no_decision"), 0)]
            if tuple(self.decision.options) != tuple(offers):
                self.decision.options = offers  # and the newest is chosen
                self.decision.value = offers[0][1]
            self.box.layout.display = ""
        self._shown = (names, self.person.value)
        chosen = self._chosen()
        aliases = [(one_line(a), a) for a in chosen.aliases] if chosen else []
        widgets.options(self.alias, aliases or [(say("panel.no_alias"), "")])
        why = reasons_text(chosen.reasons) or say("panel.no_alias") if chosen else ""
        widgets.show(self._why, f'<span class="dim">{html.text(why, 400)}</span>' if why else "")

    def _chosen(self) -> ListedName | None:
        names = self._names
        name = self.person.value.strip()
        return next((one for one in names.listed if one.name == name), None) if names else None

    def _typed_name(self, box: Any) -> str:
        name: str = box.value.strip()
        if not name:
            raise InputError("panel.no_person")
        return name

    def _decide(self, doing: str, change: Decide, **how: bool) -> None:
        task = self._task()

        async def apply(app: App) -> str:
            return changed_line(await change(app, task), task, **how)

        self._change(doing, apply)

    def _merge(self) -> None:
        name, other = self._typed_name(self.person), self._typed_name(self.other)
        self._decide(
            say("panel.merging"), lambda app, task: names_use_case.merge(app, task, name, [other], by=BY)
        )

    def _split(self) -> None:
        name, alias = self._typed_name(self.person), self.alias.value
        if not alias:
            raise InputError("panel.no_alias_chosen")
        self._decide(
            say("panel.splitting"), lambda app, task: names_use_case.split(app, task, name, [alias], by=BY)
        )

    def _undo(self) -> None:
        number = self.decision.value
        if not number:
            raise InputError("panel.nothing_to_undo")
        self._decide(
            say("panel.undoing"), lambda app, task: names_use_case.undo(app, task, number), undone=True
        )
