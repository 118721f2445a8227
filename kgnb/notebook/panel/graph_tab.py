"""The panel's graph tab: a book's picture, corrections of its names, and the picture as a page on disk."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as w

from kgnb.app.context import App
from kgnb.app.names import NameEditor, names_of
from kgnb.core.errors import InputError, KgnbError
from kgnb.core.messages import language, say
from kgnb.core.safe_text import one_line
from kgnb.graph.importance import RankedCharacter, rank_characters
from kgnb.graph.model import Graph
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.names_box import Change, NamesBox
from kgnb.render.formatting import cut
from kgnb.render.html import table
from kgnb.render.picture import page as picture_page
from kgnb.render.picture.scene import Scene, lay_out
from kgnb.render.table import Table, columns, rows

TOP = 12
HEIGHT = 600


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn book; made in a worker thread."""

    title: str
    page: str
    still: str
    people: str
    path: Path
    scene: Scene
    names: NameEditor
    told: str = ""  # the outcome of a change of names


def draw(
    graph: Graph, names: NameEditor, told: str, title: str, path: Path, before: Scene | None = None
) -> Drawn:
    """Draw the graph and write its page to ``path``; who was in the picture ``before`` stays in place.

    Raises InputError when the page can't be written.
    """
    lang = language()
    scene = lay_out(graph, picture_page.PAGE_PEOPLE, before)
    page = picture_page.html(graph, title=title, lang=lang, scene=scene)
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise InputError("panel.not_written", path=path, reason=error.strerror) from error
    image = base64.b64encode(picture_page.svg(graph, title=title, lang=lang).encode()).decode()
    people = rank_characters(graph)[:TOP]
    return Drawn(
        title=title,
        page=picture_page.iframe(page, HEIGHT),
        still=f'<img alt="{html.text(title)}" src="data:image/svg+xml;base64,{image}">',
        people=_people(people),
        path=path,
        scene=scene,
        names=names,
        told=told,
    )


def _people(people: list[RankedCharacter]) -> str:
    heads = columns("panel", person="title", chapters="count", first="count", about="text")
    listed = []
    for person in people:
        facts = person.node.properties
        about = facts.get("description") or "、".join(map(str, _list(facts.get("aliases"))))
        listed.append(
            {
                "person": cut(person.name, 40),
                "chapters": person.chapters,
                "first": person.first_chapter or None,
                "about": cut(about, 90),
            }
        )
    return table(Table(heads, rows(listed)))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


class GraphTab:
    """The tab. While it is seen, it draws the book that was finished last, unless another was chosen."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self._drawn: Drawn | None = None
        self._shown: object = None
        self._titles: dict[int, str] = {}
        self._tasks: dict[int, int] = {}
        self.seen = False
        """Whether the tab is the one that is shown."""
        self._finished: set[int] = set()  # tasks
        self._follow = 0  # the novel to draw as soon as the tab is seen
        self._by_hand = False  # whether the book was chosen by a person
        self.names = NamesBox(controller, self._shown_task, self._work)
        self.book = widgets.choice(say("panel.f_book"), [(say("panel.no_book_yet"), 0)], flex="0 1 420px")
        self.book.observe(self._chosen, names="value")
        self.draw = widgets.button(
            say("panel.draw"), controller.safely(self._draw), style="primary", width="96px"
        )
        self.view = w.ToggleButtons(
            options=[(say("panel.view_live"), "page"), (say("panel.view_still"), "still")],
            style={"button_width": "72px"},
            layout=w.Layout(width="auto", margin="2px 0 2px 12px"),
        )
        self.view.observe(controller.safely(lambda: None), names="value")
        self._picture, self._people = widgets.html(width="100%"), widgets.html()
        self._link = w.Output(layout=w.Layout(margin="4px 0"))
        self.box = widgets.column(
            *(widgets.row(self.book, self.draw, self.view), self._link, self._picture, self.names.box),
            self._people,
        )

    def _task(self) -> int:
        """Return a task of the chosen book."""
        if not self.book.value:
            raise InputError("panel.no_book_chosen")
        return self._tasks[self.book.value]

    def _shown_task(self) -> int:
        """Return a task of the drawn book; raises InputError when another book was chosen since."""
        task = self._task()
        if self._drawn is None or self._drawn.names.novel.id != self.book.value:
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
        done = [one for one in tasks if one["status"] == "completed" or _has_gaps(one)]
        news = [one for one in done if one["task_id"] not in self._finished]
        self._finished = {one["task_id"] for one in done}
        drawn = self._drawn.names.novel.id if self._drawn is not None else 0
        for one in news[:1]:
            if not self._by_hand or one["novel_id"] in (drawn, self.book.value):
                self._follow = one["novel_id"]

    def _draw_followed(self) -> None:
        if not (self.seen and self._follow):
            return
        by_hand, novel, self._follow = self._by_hand, self._follow, 0
        if novel not in self._titles:
            return
        self.book.value = novel
        self._by_hand = by_hand
        try:
            self._draw()
        except KgnbError as error:
            self._controller.show_error(error)

    def _draw(self) -> None:
        self._work(say("panel.drawing", title=self._title()))

    def _title(self) -> str:
        self._task()
        return self._titles[self.book.value]

    def _work(self, doing: str, change: Change | None = None) -> None:
        """Apply a change of names, if given, and draw the chosen book."""
        novel, task, title, node = self.book.value, self._task(), self._title(), self._controller.node
        path = (node.place.output_dir or Path.cwd()) / f"graph-{novel}.html"
        last = self._drawn
        before = last.scene if last is not None and last.names.novel.id == novel else None

        async def read(app: App) -> tuple[Graph, NameEditor, str]:
            told = await change(app) if change is not None else ""
            return await app.graph.read(novel), await names_of(app, task, ("Character",)), told

        self._controller.run_in_thread(
            doing, lambda: draw(*node.call(read, graph=True).result(), title, path, before), self._done
        )

    def _done(self, drawn: Drawn) -> str | tuple[str, str]:
        self._drawn = drawn
        self.names.take(drawn.names)
        if not drawn.scene.spots:
            return say("panel.empty_graph", title=drawn.title), "warn"
        return drawn.told or say("panel.drawn", title=drawn.title)

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
        drawn, view = self._drawn, self.view.value
        if self._shown == (drawn, view) or drawn is None:
            return
        self._shown = (drawn, view)
        widgets.show(self._picture, html.block(drawn.page if view == "page" else drawn.still))
        widgets.show(self._people, html.block(html.titled(say("panel.top_people"), drawn.people)))
        self._link.outputs = (_linked(drawn.path),)


def _has_gaps(task: html.Item) -> bool:
    """Whether the task ended with failed chapters and others that are in the graph."""
    return task["status"] == "failed" and bool(task["completed"])


def _linked(path: Path) -> dict[str, Any]:
    """Return an output with a link, relative to the notebook."""
    line = (
        f'<div class="kgnb"><a href="{html.text(path.name)}" target="_blank">{html.text(path.name)}</a>'
        f' <span class="dim">{html.text(say("panel.written", path=path))}</span></div>'
    )
    data = {"text/plain": str(path), "text/html": line}
    return {"output_type": "display_data", "data": data, "metadata": {}}
