"""The tools that an assistant gets by the Model Context Protocol: they only read, and what they take and give
is bounded. Book titles, names and texts go out as data."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Annotated, Any, ParamSpec

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from kgnb import __version__
from kgnb.app import library
from kgnb.app.ask import BookAsked, is_cypher
from kgnb.app.ask import ask as ask_graph
from kgnb.app.context import App
from kgnb.app.graphs import graph_and_state
from kgnb.app.shelf import ask_shelf
from kgnb.core.errors import InputError, KgnbError
from kgnb.graph.ask.passages import Search, passages, terms
from kgnb.graph.ask.question import lang_of
from kgnb.graph.query import GraphQuery
from kgnb.render import query_results

P = ParamSpec("P")

ROWS = 50
"""Most rows of a result; ``left_out`` says how many more there are."""
SEARCHED = 8
"""Passages that a search returns."""
CELL_CHARS = 500
"""Most characters of a text in a row."""
PAGE_CHARS = 6_000
"""Characters of a chapter that are given at once."""
KEPT_GRAPHS = 4
"""Graphs that stay in memory: a conversation is about a book or two."""

Title = Annotated[
    str, Field(max_length=200, description="Title or task number of the book; empty: the newest")
]
Name = Annotated[str, Field(min_length=1, max_length=100, description="A name or alias that the book uses")]
Words = Annotated[str, Field(min_length=1, max_length=500)]
Until = Annotated[
    int | None,
    Field(ge=0, le=1_000_000, description="Tell nothing that comes after this chapter (no spoilers)"),
]
Chapter = Annotated[int, Field(ge=0, le=1_000_000)]
Start = Annotated[int, Field(ge=0, le=10_000_000, description="Character of the chapter to begin at")]


def _told(work: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[dict[str, Any]]]:
    """Return the tool with its result within bounds; an error that kgnb explains is the protocol's error
    object.
    """

    @functools.wraps(work)
    async def call(*args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        try:
            found = await work(*args, **kwargs)
        except KgnbError as error:
            raise ToolError(str(error)[:CELL_CHARS]) from None
        return found if isinstance(found, dict) else _rows(found)

    call.__annotations__ = {**work.__annotations__, "return": dict[str, Any]}
    return call


def _rows(found: Iterable[Any]) -> dict[str, Any]:
    """Return {"rows": at most ROWS rows}, with "left_out" for more."""
    every = list(found)
    shown = [_bounded(one) for one in every[:ROWS]]
    return {"rows": shown, **({"left_out": len(every) - ROWS} if len(every) > ROWS else {})}


def _bounded(value: Any) -> Any:
    """Return the value JSON-ready, texts and lists cut."""
    if isinstance(value, str):
        return value if len(value) <= CELL_CHARS else value[:CELL_CHARS] + "…"
    if isinstance(value, dict):
        return {str(key): _bounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_bounded(one) for one in value[:ROWS]]
    return value if isinstance(value, int | float | bool | None) else str(value)[:CELL_CHARS]


class BookTools:
    """The tools over the books of ``app``; each public method is one, with its docstring as help."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._graphs: dict[tuple[int, int | None], tuple[str, GraphQuery]] = {}

    async def _book(self, title: str, until: int | None) -> BookAsked:
        """Return the book of this title (the newest for ""), as a reader of chapter ``until`` knows it;
        cached.
        """
        settings = self._app.settings
        one = await library.choose(self._app, title or None, settings.data.name)
        record = await self._app.ledger.graphs.record(one.novel_id)
        key = (one.novel_id, until)
        known = self._graphs.pop(key, None)
        if known is None or known[0] != record.state:
            graph, state = await graph_and_state(self._app, record, until)
            known = state, await asyncio.to_thread(GraphQuery, graph)
        self._graphs[key] = known
        for old in list(self._graphs)[:-KEPT_GRAPHS]:
            del self._graphs[old]
        return BookAsked(record, known[1], until)

    async def list_books(self) -> Any:
        """List the finished books: title, author, task number, chapters."""
        return [
            {"title": one.title, "author": one.author, "task": one.task_id, "chapters": one.chapters}
            for one in await library.books(self._app)
        ]

    async def find(self, text: Words, book: Title = "", until: Until = None) -> Any:
        """Find people, places, organizations, things and events by a part of a name or of a description."""
        return query_results.matches((await self._book(book, until)).query, text)

    async def card(self, name: Name, book: Title = "", until: Until = None) -> Any:
        """Return what a book says of somebody or something: aliases, description, chapters, closest ties."""
        query = (await self._book(book, until)).query
        one, ties = query.entity(name), query_results.neighbours(query, name)
        facts = {"name": one.name, "kind": one.kind, "aliases": one.aliases, "description": one.description}
        chapters = {"chapters": len(one.chapters), "first": one.chapters[:1], "last": one.chapters[-1:]}
        return _bounded({**facts, **chapters, "ties": list(ties)[:10]})

    async def ties(self, name: Name, book: Title = "", until: Until = None) -> Any:
        """Return everybody and everything that somebody has to do with, the closest first, with quotes."""
        return query_results.neighbours((await self._book(book, until)).query, name)

    async def path(self, a: Name, b: Name, book: Title = "", until: Until = None) -> Any:
        """Return how two people are connected: the shortest path over others."""
        return query_results.path((await self._book(book, until)).query, a, b)

    async def timeline(self, name: Name, book: Title = "", until: Until = None) -> Any:
        """Return the chapters in which somebody occurs, with events and company."""
        return query_results.timeline((await self._book(book, until)).query, name)

    async def search(self, words: Words, book: Title = "", until: Until = None) -> Any:
        """Search the text of a book; without a book the texts of all. Returns passages, best first."""
        if not book:
            return [asdict(one) for one in (await ask_shelf(self._app, words, until)).passages]
        record = (await self._book(book, until)).record
        every = await asyncio.to_thread(lambda: passages(record.texts, lang_of(words)))
        return [asdict(one) for one in Search(every, terms(words)).best(SEARCHED)]

    async def passage(self, chapter: Chapter, start: Start = 0, book: Title = "", until: Until = None) -> Any:
        """Return the text of a chapter, a page from ``start`` on; ``next`` is where the next page begins."""
        asked = await self._book(book, until)
        texts = await asyncio.to_thread(lambda: [t for n, t in asked.record.texts if n == chapter])
        if not texts:
            raise InputError("ask.no_chapter", chapter=chapter)
        text, end = "\n".join(texts), start + PAGE_CHARS
        more = {"next": end} if end < len(text) else {}
        return {"chapter": chapter, "text": text[start:end], **more}

    async def ask(self, question: Words, book: Title = "", until: Until = None) -> Any:
        """Answer a question in words from the graph, with quotes; else return the passages nearest to it. No
        LLM is asked and nothing is paid."""
        if is_cypher(question):
            raise InputError("ask.no_cypher")
        return _bounded(asdict(await ask_graph(await self._book(book, until), question)))


TOOLS = ("list_books", "find", "card", "ties", "path", "timeline", "search", "passage", "ask")


def make_server(app: App) -> MCPServer[Any]:
    """Return the server with every tool, over the books of ``app``."""
    server: MCPServer[Any] = MCPServer("kgnb", version=__version__, log_level="WARNING")
    tools, hints = BookTools(app), ToolAnnotations(read_only_hint=True, open_world_hint=False)
    for name in TOOLS:
        server.add_tool(_told(getattr(tools, name)), name=name, annotations=hints)
    return server
