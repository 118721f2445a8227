"""A novel's graph, made from its record: what every reader of a graph asks for."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from kgnb.core.errors import InputError, ServiceError
from kgnb.core.event_loop import at_once
from kgnb.core.messages import say
from kgnb.graph.book_history import BookHistory, book_history
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph
from kgnb.graph.project.codec import decode
from kgnb.graph.project.record import Record
from kgnb.graph.relation_types import enabled_types
from kgnb.stores.ledger.graphs import StoredGraph, make_graph
from kgnb.stores.ledger.ledger import Ledger, run_on_ledger
from kgnb.stores.targets import SqlTarget

if TYPE_CHECKING:
    from kgnb.app.context import App

log = logging.getLogger(__name__)

LONG = 300
"""Chapters from which on a graph is made in a process of its own: this one's threads would wait for it."""


async def graph_of(app: App, novel_id: int, until: int | None = None) -> Graph:
    """Return the novel's graph as its record is now. Raises InputError for an unknown novel, ServiceDown.

    ``until``: as a reader of the chapters up to this number knows it. Raises InputError too where the book
    begins after it; where it ends before, a warning says so.
    """
    return (await graph_and_state(app, await app.ledger.graphs.record(novel_id), until))[0]


async def graph_and_state(app: App, record: Record, until: int | None = None) -> tuple[Graph, str]:
    """Return (graph of the record, or of a newer one; digest of the record that it was made from). ``until``
    as in :func:`graph_of`.
    """
    if until is not None:
        from kgnb.graph.project.projection import project  # a graph that is kept is read without it

        _check_chapter(record, until)
        return await asyncio.to_thread(project, record, until), record.state
    stored = await app.ledger.graphs.stored(record.novel.id)
    if stored is not None and stored.state == record.state:
        with suppress(ValueError):  # not written by kgnb
            return await asyncio.to_thread(decode, stored.data), stored.state
    graph, made = await _made(app, record)
    if graph is None:
        graph = await asyncio.to_thread(decode, made.data)
    return graph, made.state


def _check_chapter(record: Record, until: int) -> None:
    numbers = [chapter.number for chapter in record.chapters]
    if numbers and until < min(numbers):
        raise InputError("explore.no_such_chapter", until=until, first=min(numbers), last=max(numbers))
    if numbers and until > max(numbers):
        log.warning(say("explore.book_ends", until=until, last=max(numbers)))


async def graph_and_history(app: App, novel_id: int, until: int | None = None) -> tuple[Graph, BookHistory]:
    """Return the novel's graph, and the history of its people and ties chapter by chapter; ``until`` as in
    :func:`graph_of`.
    """
    record = await app.ledger.graphs.record(novel_id)
    graph, _ = await graph_and_state(app, record, until)
    record = record if until is None else record.until(until)
    return graph, await asyncio.to_thread(_history, graph, record)


def _history(graph: Graph, record: Record) -> BookHistory:
    """Return the history of the graph's people and ties, from the record's rows."""
    numbers = {chapter.id: chapter.number for chapter in record.chapters}
    rows = ((numbers[one.row.chapter_id], one.row.extraction) for one in record.rows)
    since: dict[str, int] = {}
    for entry in record.names:
        for name in (entry.name, *entry.aliases):
            if (chapter := entry.since.get(name)) is not None:
                since[name] = min(chapter, since.get(name, chapter))
    by_model = any(edge.text("extracted_by") == "ai" for edge in graph.edges.values() if is_tie(edge))
    return book_history(graph, rows, since, () if by_model else enabled_types(record.config))


async def graph_counts(app: App, novel_id: int) -> dict[str, int]:
    """Return label → number of nodes and type → number of edges of the novel's graph, in one dict. Raises
    InputError for an unknown novel, ServiceDown.
    """
    graphs = app.ledger.graphs
    record, stored = await at_once(graphs.record(novel_id), graphs.stored(novel_id, data=False))
    if stored is None or stored.state != record.state:
        _, stored = await _made(app, record)
    return dict(stored.counts)


async def _made(app: App, record: Record) -> tuple[Graph | None, StoredGraph]:
    """Make the graph anew and keep it; return (graph, stored form), the graph None where another process made
    it.
    """
    graph = None
    if len(record.chapters) < LONG:
        graph, made = await asyncio.to_thread(make_graph, record)
    else:
        made = await app.pool.run_long(_make_in_process, app.ledger.database.target, record.novel.id)
    try:
        await app.ledger.graphs.store(record.novel.id, made)
    except ServiceError as error:  # of a read-only record, or a full disk: it is made again next time
        log.info(say("resume.graph_not_kept", reason=error))
    return graph, made


def _make_in_process(sql: SqlTarget, novel_id: int) -> StoredGraph:
    """Return the novel's graph, ready to be stored; runs in a process of the pool."""

    async def make(ledger: Ledger) -> StoredGraph:
        return make_graph(await ledger.graphs.record(novel_id))[1]

    return run_on_ledger(sql, make)
