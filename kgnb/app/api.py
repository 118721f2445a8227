"""The plain face of the async functions: they run on a loop of kgnb's own, in a daemon thread.

So ``kgnb.build(...)`` works in a script as well as in a notebook whose loop is running already.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from kgnb.app import build as build_use_case
from kgnb.app import library
from kgnb.app.build import BuildResult
from kgnb.app.context import App, open_app, start_engines
from kgnb.app.export import export
from kgnb.core.errors import InputError
from kgnb.core.event_loop import new_loop
from kgnb.core.messages import say, use_language
from kgnb.core.settings import Settings
from kgnb.graph import relationship_history
from kgnb.graph.model import Graph
from kgnb.graph.query import KINDS, Entity, GraphQuery
from kgnb.render import query_results
from kgnb.render.progress_bar import ProgressBar
from kgnb.render.query_results import QueryRows

R = TypeVar("R")

CLEAN_UP_SECONDS = 15.0
"""How long an interrupted call may take to hand back what it holds: the drain time and a little more."""

_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def run(work: Coroutine[Any, Any, R]) -> R:
    """The result of ``work``; an interrupt cancels it, waits for its clean-up and is raised again."""
    future = asyncio.run_coroutine_threadsafe(work, _ready())
    try:
        return future.result()
    except KeyboardInterrupt:
        _cancelled(future)
        raise


def spawn(work: Coroutine[Any, Any, R]) -> Future[R]:
    """Starts ``work`` on kgnb's loop and returns at once."""
    return asyncio.run_coroutine_threadsafe(work, _ready())


def _cancelled(future: Future[Any]) -> None:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    future.cancel()
    done.wait(timeout=CLEAN_UP_SECONDS)


def _ready() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = new_loop()
            threading.Thread(target=_loop.run_forever, name="kgnb-loop", daemon=True).start()
        return _loop


class BookGraph:
    """A finished book, built or opened: ``result`` holds its figures, the rest looks at its graph.

    Keeps the embedded engines running until it is closed or the process ends, so that questions are quick.
    ``find``, ``neighbours``, ``path``, ``between``, ``timeline`` and ``top`` give lists of plain dicts that
    a notebook shows as tables and charts. A name may be an alias; they raise InputError that lists whom an
    ambiguous name could mean, or names like an unknown one.
    """

    def __init__(
        self, result: BuildResult, title: str, settings: Settings, *, told: str = "cli.built"
    ) -> None:
        self.result = result
        self.title = title
        self._settings = settings
        self._told = told
        self._explorer: tuple[int, GraphQuery] | None = None
        self._engines = start_engines(settings, queue=False, graph=True)

    def __repr__(self) -> str:
        return say(self._told, title=self.title, **self.result.as_dict())

    def find(self, text: str) -> QueryRows:
        """Whoever and whatever has ``text`` in its name, an alias or its description, the best fit first."""
        explorer = self._explore()
        found = explorer.find(text)
        return query_results.matches(text, found, () if found else explorer.similar_names(text))

    def neighbours(self, name: str) -> QueryRows:
        """Who and what is next to somebody, the closest first."""
        explorer = self._explore()
        of = explorer.entity(name)
        return query_results.neighbours(of, explorer.neighbours(of.ref))

    def path(self, a: str, b: str) -> QueryRows:
        """How two are connected: the shortest way, of several the strongest. Empty when there is none."""
        explorer = self._explore()
        start, end = explorer.entity(a), explorer.entity(b)
        return query_results.path(start, end, explorer.path(start.ref, end.ref))

    def between(self, a: str, b: str) -> QueryRows:
        """What ties two, chapter by chapter: how it changed."""
        explorer = self._explore()
        one, other = explorer.entity(a), explorer.entity(b)
        turns = run(self._on(lambda app: self._turns(app, explorer, one, other)))
        return query_results.between(one, other, turns, list(explorer.chapter_titles))

    async def _turns(
        self, app: App, explorer: GraphQuery, a: Entity, b: Entity
    ) -> list[relationship_history.PairChapter]:
        chapters = relationship_history.tied_chapters(explorer, a, b)
        rows = (await app.ledger.extractions.settle_rows(self.result.novel_id)).only(chapters)
        said = await asyncio.to_thread(relationship_history.relations_by_chapter, rows, chapters)
        return relationship_history.history(explorer, a, b, said)

    def timeline(self, name: str) -> QueryRows:
        """The chapters in which somebody or something occurs, with events and company."""
        explorer = self._explore()
        of = explorer.entity(name)
        return query_results.timeline(of, explorer.timeline(of.ref), list(explorer.chapter_titles))

    def top(self, n: int = 10, kind: str = "Character") -> QueryRows:
        """The ``n`` most important characters, or of another kind (Location, Organization, Thing, Event)."""
        if kind not in KINDS:
            raise InputError("explore.unknown_kind", kind=kind, known=", ".join(KINDS))
        explorer = self._explore()
        return query_results.top(kind, explorer.top(n, kind), list(explorer.chapter_titles))

    def _explore(self) -> GraphQuery:
        """The graph made ready, read anew only when it was settled since."""
        return run(self._on(self._ready_explorer))

    async def _ready_explorer(self, app: App) -> GraphQuery:
        number = await app.graph.settle_number(self.result.novel_id)
        if self._explorer is None or self._explorer[0] != number or not number:
            graph = await app.graph.read(self.result.novel_id)
            self._explorer = (number, await asyncio.to_thread(GraphQuery, graph))
        return self._explorer[1]

    def ask(self, cypher: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a Cypher question; ``$novel`` is this book's id.

        >>> book.ask("MATCH (c:Character {novel_id: $novel}) RETURN c.name AS name LIMIT 3")  # doctest: +SKIP
        """
        asked = {"novel": self.result.novel_id, **parameters}
        return run(self._on(lambda app: app.graph.query(cypher, asked)))

    def graph(self) -> Graph:
        """All nodes and edges of the book."""
        return run(self._on(lambda app: app.graph.read(self.result.novel_id)))

    def show(self) -> None:
        """Shows the picture in a notebook: a static image, and an interactive view that works offline."""
        from kgnb.render.picture.page import display

        display(self.graph(), title=self.title)

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Writes the graph as html, json, csv or graphml (by the file's ending unless ``format`` says so)."""
        target = Path(path)
        kind = format or target.suffix.lstrip(".").lower()
        run(self._on(lambda app: export(app, self.result.novel_id, kind, target)))
        return target

    def close(self) -> None:
        """Lets go of the engines; a later question starts them again."""
        if self._engines is not None:
            self._engines.close()
            self._engines = None

    async def _on(self, question: Callable[[App], Awaitable[R]]) -> R:
        async with open_app(self._settings, queue=False) as app:
            return await question(app)


def build(
    book: str | Path,
    provider: str | None = None,
    *,
    slots: int | None = None,
    title: str | None = None,
    author: str | None = None,
    data: str | Path | None = None,
    kinds: str = "",
    again: bool = False,
    progress: bool = True,
) -> BookGraph:
    """Turns a book (.txt, .md, .epub) into a knowledge graph and returns it.

    ``provider``: ``"rules"``, or a provider's name; by default the one that ``OPENAI_…`` describe, else the
    rules. ``slots``: chapters in flight, over both caps. ``kinds``: of things to extract too, ``"法宝,功法"``
    (KGNB_THING_KINDS). The same book again is found, not paid again, and an
    unfinished one goes on where it was. Raises the KgnbError tree of :mod:`kgnb.core.errors`.
    """
    settings = _settings(data, slots, kinds)
    return run(_build(settings, Path(book), provider, title, author, again, progress))


def books(data: str | Path | None = None) -> QueryRows:
    """The finished books, newest first: title, author, task, chapters, entities. Empty where there are none.

    ``data``: a data folder, or a folder or zip that holds one; by default KGNB_DATA (or the services that are
    set), on Kaggle also the output of a previous run that is attached as an input.
    """
    settings, place = _shelf(data)
    rows = run(_books(settings)) if settings else []
    return QueryRows(say("explore.books"), rows, note=say("explore.books_note", count=len(rows), place=place))


def open(book: library.Wanted = None, data: str | Path | None = None) -> BookGraph:
    """Opens a finished book without building anything: by title, task number or a row of :func:`books`;
    without either the newest.

    ``data`` as in :func:`books`; what is read-only is copied to a temporary folder first. Raises InputError
    that says what there is when nothing fits.
    """
    settings, place = _shelf(data)
    if settings is None:
        raise InputError("explore.none", place=place)
    return run(_opened(settings, book, place))


def _shelf(data: str | Path | None) -> tuple[Settings | None, object]:
    """Settings that lead to books (None: there is nothing), and what to call that place."""
    settings = _settings(data, None)
    found = library.place(settings, None if data is None else Path(data))
    if not settings.embedded_sql:
        return found, settings.db_host
    return found, (found and found.resume_from) or (found or settings).data


async def _books(settings: Settings) -> list[dict[str, Any]]:
    async with open_app(settings, queue=False) as app:
        sizes = await app.graph.sizes()
        return [
            {
                "title": one.title,
                "author": one.author,
                "task": one.task_id,
                "chapters": one.chapters,
                "entities": sizes.get(one.novel_id, 0),
                "provider": " ".join(filter(None, (one.provider, one.model))),
                "finished": one.completed_at.isoformat(" ", "minutes") if one.completed_at else "",
            }
            for one in await library.books(app)
        ]


async def _opened(settings: Settings, wanted: library.Wanted, place: object) -> BookGraph:
    async with open_app(settings, queue=False) as app:
        one = await library.choose(app, wanted, place)
        result = await library.opened(app, one)
        return await asyncio.to_thread(BookGraph, result, one.title, settings, told="explore.opened")


def _settings(data: str | Path | None, slots: int | None, kinds: str = "") -> Settings:
    given: dict[str, Any] = {} if data is None else {"data": Path(data)}
    given |= {"kinds": kinds} if kinds else {}
    settings = Settings.load(**given, **Settings.for_slots(slots))
    use_language(settings.lang)
    return settings


async def _build(
    settings: Settings,
    path: Path,
    provider: str | None,
    title: str | None,
    author: str | None,
    again: bool,
    progress: bool,
) -> BookGraph:
    books = [await build_use_case.read(path, title, author)]  # build alone holds it, until it is stored
    title = books[0].title
    with ProgressBar(quiet=not progress) as bar:
        async with open_app(settings) as app:
            result = await build_use_case.build(
                app, books.pop(), path, provider, again=again, listener=bar.show
            )
            return await asyncio.to_thread(BookGraph, result, title, settings)


def allow_nested_loops() -> None:
    """Lets ``await`` and ``asyncio.run`` be nested in a notebook (nest-asyncio); kgnb itself never needs it.

    Raises ImportError that names the install command when nest-asyncio is missing.
    """
    try:
        import nest_asyncio
    except ImportError as error:
        raise ImportError('pip install "kgnb[notebook]"') from error
    nest_asyncio.apply()
