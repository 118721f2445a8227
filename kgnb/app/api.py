"""Blocking public functions. They run the async ones on kgnb's own loop in a daemon thread, so that
``kgnb.build(...)`` also works in a notebook, whose loop is already running.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kgnb.app import library
from kgnb.app.build_result import BuildResult
from kgnb.app.context import App, open_app
from kgnb.app.graphs import graph_and_history, graph_and_state, graph_counts
from kgnb.app.shutdown import HOOKS, SHUTDOWN_DRAIN_SECONDS, SHUTDOWN_SECONDS, End
from kgnb.core.errors import BuildStopped, InputError, SettingsError, optional_package
from kgnb.core.event_loop import LoopThread
from kgnb.core.messages import say
from kgnb.core.model import in_viewers_zone
from kgnb.core.process_tuning import no_collector
from kgnb.core.safe_text import one_line
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings
from kgnb.graph import relationship_history
from kgnb.graph.model import Graph
from kgnb.graph.query import KINDS, Entity, GraphQuery
from kgnb.render import query_results
from kgnb.render.formats import format_of
from kgnb.render.query_results import QueryRows
from kgnb.worker.session import LEAVE_SECONDS

if TYPE_CHECKING:
    from kgnb.app.corrections import BookCorrections
    from kgnb.graph.ask.answers import Answer
    from kgnb.graph.project.record import Record
    from kgnb.render.answer_text import AnswerText
    from kgnb.stores.embedded.cypher import CypherEngine

R = TypeVar("R")

_ALL = 1_000_000_000

_thread = LoopThread("kgnb-loop")


def run(work: Coroutine[Any, Any, R], *, drain_seconds: float = 0.0) -> R:
    """Return the result of ``work``; an interrupt cancels it, waits for its clean-up and is raised again.

    ``drain_seconds``: how long the clean-up waits for requests in flight.

    The end of the process (:mod:`kgnb.app.shutdown`) does the same; if the process goes on all the same,
    KeyboardInterrupt is raised.
    """
    call = _Call(work, drain_seconds + LEAVE_SECONDS)
    with HOOKS.listening(call.on_shutdown):
        try:
            return call.future.result()
        except (InputError, SettingsError, BuildStopped) as error:
            # Its text says what to mend: a notebook would show it below pages of kgnb's own frames.
            raise error.with_traceback(None) from None
        except CancelledError:
            raise KeyboardInterrupt from None
        except KeyboardInterrupt:
            call.leave()
            raise


class _Call(Generic[R]):
    """Work on kgnb's loop that can be told to leave. A second cancel cuts its wait for replies short."""

    def __init__(self, work: Coroutine[Any, Any, R], leave_seconds: float) -> None:
        self._leave_seconds = leave_seconds
        self._task: asyncio.Task[Any] | None = None
        self._ended = threading.Event()
        self.future = spawn(self._watched(work))

    async def _watched(self, work: Coroutine[Any, Any, R]) -> R:
        """Return the result of ``work``, and note when it has ended."""
        self._task = asyncio.current_task()
        try:
            return await work
        finally:
            self._ended.set()

    async def _cancel(self, times: int, delay: float = 0.0) -> None:
        """Make sure that the work was cancelled ``times`` times: a third would cut the handing back short."""
        await asyncio.sleep(delay)
        if self._task is not None and self._task.cancelling() < times:
            self._task.cancel()

    def leave(self) -> None:
        """Cancel the work and wait for its end."""
        spawn(self._cancel(1))
        self._ended.wait(self._leave_seconds)

    def on_shutdown(self, end: End) -> None:
        """Leave within the time that this end of the process grants."""
        if end is End.KERNEL_SHUTDOWN:
            spawn(self._cancel(1))
            spawn(self._cancel(2, SHUTDOWN_DRAIN_SECONDS))
        elif end is End.EXIT:
            self.leave()
        else:
            spawn(self._cancel(2))
            self._ended.wait(SHUTDOWN_SECONDS)


def spawn(work: Coroutine[Any, Any, R]) -> Future[R]:
    """Start ``work`` on kgnb's event loop and return its future at once."""
    return _thread.submit(work)


class BookGraph:
    """A finished book, built or opened: ``result`` has its figures, the methods query its graph.

    Reads the record alone; only :meth:`ask` needs an engine: Neo4j where it is set, else one in this process
    (extra ``cypher``), filled at the first question.
    ``find``, ``neighbours``, ``path``, ``between``, ``timeline`` and ``top`` return lists of dicts that a
    notebook shows as tables. A name may be an alias; InputError lists the candidates for an
    ambiguous name, or names similar to an unknown one.
    """

    def __init__(
        self, result: BuildResult, title: str, settings: Settings, *, message: str = "cli.built"
    ) -> None:
        self.result = result
        self.title = title
        self._settings = settings
        self._message = message
        self._query_index: tuple[str, GraphQuery] | None = None
        self._until: int | None = None
        self._in_memory: list[Record] = []  # at most one, which all views of at() share
        self._cypher: tuple[GraphQuery, CypherEngine] | None = None

    def __repr__(self) -> str:
        title = one_line(self.title)
        if self._until is not None:
            return say("explore.opened_at", title=title, chapter=self._until)
        return say(self._message, title=title, **self.result.facts())

    def at(self, chapter: int) -> BookGraph:
        """Return a view of the book as a reader of the chapters up to ``chapter`` knows it: without later
        people, names and ties.

        The figures of ``result`` stay those of the whole book.

        >>> book.at(30).neighbours("姜维")  # doctest: +SKIP
        """
        view = copy.copy(self)
        view._until, view._query_index, view._cypher = chapter, None, None
        return view

    def find(self, text: str) -> QueryRows:
        """Return the entities with ``text`` in their name, an alias or the description, best match first;
        without rows a note suggests similar names.
        """
        return query_results.matches(self._query(), text)

    def neighbours(self, name: str) -> QueryRows:
        """Return the neighbours of an entity, the closest first. Raises InputError for an unknown or
        ambiguous name.
        """
        return query_results.neighbours(self._query(), name)

    def path(self, a: str, b: str) -> QueryRows:
        """Return the steps of the shortest path between two entities, the strongest of several; no rows if
        there is none. Raises InputError for an unknown or ambiguous name.
        """
        return query_results.path(self._query(), a, b)

    def between(self, a: str, b: str) -> QueryRows:
        """Return the relations and common events of two entities, a row for each chapter. Raises InputError
        for an unknown or ambiguous name.
        """
        query = self._query()
        one, other = query.entity(a), query.entity(b)
        turns = run(self._on(lambda app: self._turns(app, query, one, other)))
        return query_results.between(one, other, turns)

    async def _turns(
        self, app: App, query: GraphQuery, a: Entity, b: Entity
    ) -> list[relationship_history.PairChapter]:
        """Return the chapters of a pair, with what replies say of their relation in each."""
        chapters = relationship_history.tied_chapters(query, a, b)
        rows = (await app.ledger.graphs.rows(self.result.novel_id)).only(chapters)
        return await asyncio.to_thread(relationship_history.history, query, a, b, rows)

    def timeline(self, name: str) -> QueryRows:
        """Return the chapters in which an entity occurs, in order, with its events and companions. Raises
        InputError for an unknown or ambiguous name.
        """
        return query_results.timeline(self._query(), name)

    def top(self, n: int = 10, kind: str = "Character") -> QueryRows:
        """Return the ``n`` most important entities of a kind: Character, Location, Organization, Thing,
        Event. Raises InputError for another kind.
        """
        if kind not in KINDS:
            raise InputError("explore.unknown_kind", kind=kind, known=", ".join(KINDS))
        return query_results.top(self._query(), n, kind)

    def _query(self) -> GraphQuery:
        """Return the query index of the graph, rebuilt only when the record has changed since."""
        return run(self._on(self._current_query))

    async def _current_query(self, app: App) -> GraphQuery:
        """Return the queries on the graph as the record is now."""
        return (await self._record_and_query(app))[1]

    async def _record_and_query(self, app: App) -> tuple[Record, GraphQuery]:
        """Return the record as it is now, and the queries on its graph; the same object while the record
        stays the same.
        """
        with no_collector():
            record = await app.ledger.graphs.record(self.result.novel_id)
            if self._query_index is None or self._query_index[0] != record.state:
                known = record if self._until is None else await asyncio.to_thread(self._read, record)
                graph, state = await graph_and_state(app, known, self._until)
                self._query_index = (state, await asyncio.to_thread(GraphQuery, graph))
            return record, self._query_index[1]

    def _read(self, record: Record) -> Record:
        """Return the record with its rows in a list, kept until the next record of another state: graphs
        until one chapter after another are made of it.
        """
        if not self._in_memory or self._in_memory[0].state != record.state:
            self._in_memory[:] = [replace(record, rows=list(record.rows))]
        return self._in_memory[0]

    @property
    def characters(self) -> QueryRows:
        """All characters, the most important first; ``.frame()`` makes a pandas DataFrame of the rows."""
        return self.top(_ALL)

    @property
    def events(self) -> QueryRows:
        """All events, those of most chapters first; see :attr:`characters`."""
        return self.top(_ALL, "Event")

    @property
    def relations(self) -> QueryRows:
        """All ties between two characters with their evidence, stated ones before acquaintances; see
        :attr:`characters`.
        """
        return query_results.relations(self._query().graph)

    @property
    def names(self) -> QueryRows:
        """All other names of the characters, each with the reason and its probability; see
        :attr:`characters`.
        """
        from kgnb.app.names import names_of

        task, kinds = self.result.task_id, ("Character",)
        found = run(self._on(lambda app: names_of(app, task, kinds, self._until)))
        return query_results.names(found.listed)

    def to_networkx(self) -> Any:
        """Return the graph as a ``networkx.MultiDiGraph``: nodes ``label:key``, edges keyed by their type.

        Raises ImportError that names the install command when networkx is missing.
        """
        from kgnb.render.export.networkx_format import to_networkx

        return to_networkx(self._query().graph)

    def ask(
        self, question: str, *, until: int | None = None, provider: str | None = None, **parameters: Any
    ) -> AnswerText | QueryRows:
        """Return the answer to a question in words, from the graph, with quotes; for a Cypher query the rows
        of :meth:`cypher`.

        ``provider``: an LLM that answers from passages of the book; each sentence is shown with a quote that
        stands in the text, and the answer with its cost. ``until``: as in :meth:`at`.

        >>> book.ask("刘备和关羽是什么关系？")  # doctest: +SKIP
        """
        from kgnb.app.ask import is_cypher
        from kgnb.render.answer_text import AnswerText

        view = self if until is None else self.at(until)
        if is_cypher(question):
            return view.cypher(question, **parameters)
        return AnswerText.of(
            run(view._on(lambda app: view._answered(app, question, provider), queue=provider is not None))
        )

    async def _answered(self, app: App, question: str, provider: str | None) -> Answer:
        """Return the answer to a question, by an LLM if ``provider`` names one."""
        from kgnb.app.ask import BookAsked, ask_model

        book = BookAsked(*await self._record_and_query(app), self._until)
        return await ask_model(app, book, question, provider, self.result.task_id)

    def cypher(self, cypher: str, **parameters: Any) -> QueryRows:
        """Return the rows of a Cypher query, which only reads; ``$novel`` is this book's id.

        Raises InputError that names the install command where neither Neo4j nor the extra ``cypher`` is
        there.

        >>> book.cypher("MATCH (c:Character {novel_id: $novel}) RETURN c.name")  # doctest: +SKIP
        """
        asked = {"novel": self.result.novel_id, **parameters}
        rows = run(self._ask(cypher, asked))
        return QueryRows(" ".join(cypher.split()), rows, every_column=True)

    def graph(self) -> Graph:
        """Return all nodes and edges of the book."""
        return self._query().graph

    async def _ask(self, cypher: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a dict, column → value, for each row of a Cypher query, from Neo4j or the embedded
        engine.
        """
        from kgnb.app.refresh import refresh_stale
        from kgnb.stores.embedded.cypher import CypherEngine

        if not self._settings.embedded_graph:
            async with open_app(self._settings, queue=False) as app:
                assert app.graph is not None
                await refresh_stale(app, self.result.novel_id)
                return await app.graph.query(cypher, asked)
        query = await self._on(self._current_query)
        if self._cypher is None or self._cypher[0] is not query:
            self._cypher = query, await asyncio.to_thread(CypherEngine, query.graph)
        return await asyncio.to_thread(self._cypher[1].query, cypher, asked)

    @property
    def fix(self) -> BookCorrections:
        """The reader's corrections of this book: ``book.fix.rename("云长", "关羽")`` and others, each
        undoable."""
        from kgnb.app.corrections import BookCorrections

        return BookCorrections(self.result.novel_id, lambda use: run(self._on(use, graph=True)))

    def show(self) -> None:
        """Show the graph in a notebook: a static image, and an interactive view that works offline.

        Raises InputError in a plain script; :meth:`save` writes the same view to a file.
        """
        from kgnb.render.explorer.page import display

        graph, history = run(self._on(lambda app: graph_and_history(app, self.result.novel_id, self._until)))
        display(graph, history, title=self.title)

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Write the graph to a file and return its path: html, svg, json, csv, graphml or cypher, or an
        author's kit: md, docx (extra ``docx``), obsidian or cards; by the ending or ``format``.

        ``.csv`` is one table of the relations between persons, ``.zip`` all tables. ``.obsidian`` and
        ``.cards`` become folders, which must be new; ``.cards.json`` has all cards in one list. Raises
        InputError for another format.
        """
        from kgnb.app.transfer import export

        target = Path(path)
        kind = format or format_of(target) or target.suffix.lstrip(".").lower()
        run(self._on(lambda app: export(app, self.result.novel_id, kind, target, self._until)))
        return target

    def close(self) -> None:
        """Release the engine of :meth:`ask`; a later question fills one again."""
        self._cypher = None

    async def _on(
        self, question: Callable[[App], Awaitable[R]], *, queue: bool = False, graph: bool = False
    ) -> R:
        """Return what ``question`` returns for an app with the book's stores open."""
        async with open_app(self._settings, queue=queue, graph=graph) as app:
            return await question(app)


def build_book(
    settings: Settings,
    book: Path,
    provider: str | None,
    title: str | None,
    author: str | None,
    edition_of: int | None,
    *,
    again: bool,
    progress: bool,
) -> BookGraph:
    """Build the book as :func:`kgnb.build` describes and return its graph."""
    from kgnb.app import build as build_use_case  # an opened book needs no worker
    from kgnb.app import submit
    from kgnb.app.local_model import open_to_work
    from kgnb.render.progress_bar import ProgressBar, tell

    async def work() -> BookGraph:
        books = [
            await submit.read(book, title, author, edition_of)
        ]  # build alone holds it, until it is stored
        with ProgressBar(quiet=not progress, kinds=settings.kinds) as bar:
            async with open_to_work(settings, keep=True, graph=False) as app:
                result = await build_use_case.build(
                    app, books.pop(), book, provider, again=again, listener=bar.show
                )
                named = (await app.ledger.books.novel(result.novel_id)).title
                return BookGraph(result, named, settings)

    try:
        return run(work(), drain_seconds=settings.drain_seconds)
    except KeyboardInterrupt:
        if progress:
            tell(say("cli.interrupted"))
        raise


def books(data: str | Path | None = None) -> QueryRows:
    """Return the finished books, newest first: title, author, task, chapters, entities.

    ``data``: a data folder, or a folder or zip that holds one, on Kaggle also an attached run by its name,
    ``"OWNER/NOTEBOOK"``; by default KGNB_DATA (or the services that are set).
    """
    settings, place = _shelf(data)
    rows = run(_books(settings)) if settings else []
    return QueryRows(say("explore.books"), rows, note=say("explore.books_note", count=len(rows), place=place))


def open(book: library.Wanted = None, data: str | Path | None = None) -> BookGraph:
    """Return a finished book by title, task number or a row of :func:`books`; for None the newest.

    ``data`` as in :func:`books`; a read-only record is copied to a temporary folder first. Raises InputError
    that lists the books when none or several fit.
    """
    settings, place = _shelf(data)
    if settings is None:
        raise library.no_book(place)
    return run(_opened(settings, book, place))


def _shelf(data: str | Path | None) -> tuple[Settings | None, object]:
    """Return the settings that lead to finished books (None: there are none) and a name for their place."""
    place: dict[str, Any] = {} if data is None else {"data": Path(data)}
    settings, _ = load_settings(**place)
    given = data is not None and settings.data == Path(data)  # not Colab's "drive"
    found = library.locate(settings, settings.data if given else None)
    if not settings.embedded_sql:
        return found, settings.db_host
    return found, (found and found.resume_from) or (found or settings).data


async def _books(settings: Settings) -> list[dict[str, Any]]:
    """Return a dict for each finished book, newest first, as :func:`books` shows them."""
    async with open_app(settings, queue=False, graph=False) as app:
        return [
            {
                "title": one.title,
                "author": one.author,
                "task": one.task_id,
                "chapters": one.chapters,
                "entities": await _entities(app, one.novel_id),
                "provider": " ".join(filter(None, (one.provider, one.model))),
                "finished": in_viewers_zone(at).isoformat(" ", "minutes") if (at := one.completed_at) else "",
            }
            for one in await library.books(app)
        ]


async def _entities(app: App, novel_id: int) -> int:
    """Return the number of the novel's entities of all kinds."""
    counts = await graph_counts(app, novel_id)
    return sum(counts.get(label, 0) for label in KINDS)


async def _opened(settings: Settings, wanted: library.Wanted, place: object) -> BookGraph:
    """Return the book that ``wanted`` names. Raises InputError for none or several."""
    async with open_app(settings, queue=False, graph=False) as app:
        one = await library.choose(app, wanted, place)
        result = await library.opened(app, one)
        return BookGraph(result, one.title, settings, message="explore.opened")


def allow_nested_loops() -> None:
    """Let ``asyncio.run`` be nested in a notebook (nest-asyncio); kgnb itself never needs it.

    Raises ImportError that names the install command when nest-asyncio is missing.
    """
    optional_package("nest-asyncio").apply()
