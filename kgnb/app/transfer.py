"""Export a novel, its graph as a file or its record as JSON-ready values; import novels of another record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_jsonable_python

from kgnb.app.context import App
from kgnb.app.graphs import graph_and_history, graph_of
from kgnb.app.refresh import refresh_novel
from kgnb.core.errors import InputError
from kgnb.render.export import write
from kgnb.render.formats import FORMAT_OF_ENDING, KIT_FORMATS
from kgnb.stores.embedded.restore import checked_record, named_source
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.extractions import Extractions
from kgnb.stores.ledger.task_stats import TaskFigures
from kgnb.stores.ledger.transfer import read_novel
from kgnb.stores.targets import SqlTarget

VERSION = 1
"""Of the record in a JSON export."""
STATE = ("task_id", "chapter_id", "status", "error", "entities", "relations")


async def export(app: App, novel_id: int, kind: str, path: Path, until: int | None = None) -> None:
    """Write the novel's graph to ``path`` as :func:`kgnb.render.export.write` does, json with its record.

    ``until``: as a reader of the chapters up to this number knows it, without the record, which has the
    later ones. Raises InputError when ``path`` can't
    be written.
    """
    title = (await app.ledger.books.novel(novel_id)).title
    history = None
    if FORMAT_OF_ENDING.get(f".{kind}") in ("html", *KIT_FORMATS):
        graph, history = await graph_and_history(app, novel_id, until)
    else:
        graph = await graph_of(app, novel_id, until)
    rows = await record(app, novel_id) if kind == "json" and until is None else {}
    texts = (await app.ledger.graphs.record(novel_id)).texts if kind in KIT_FORMATS else ()
    await asyncio.to_thread(
        write, graph, rows, path, kind, title=title, history=history, texts=texts, until=until
    )


async def record(app: App, novel_id: int) -> dict[str, Any]:
    """Return the novel's rows, texts included: the record that its graph is projected from."""
    ledger = app.ledger
    chapters = await ledger.books.chapters(novel_id)
    texts = await ledger.books.texts([c.id for c in chapters])
    tasks = await ledger.tasks.of_novel(novel_id)
    figures = await ledger.task_stats.figures([task.id for task in tasks])
    states = await ledger.task_stats.chapter_states(novel_id=novel_id)
    return {
        "version": VERSION,
        "novel": asdict(await ledger.books.novel(novel_id)) | await ledger.books.newest_text(novel_id),
        "chapters": [asdict(c) | {"text": texts.get(c.id, "")} for c in chapters],
        "tasks": [asdict(task) | {"wasted": _wasted(figures[task.id])} for task in tasks],
        "states": [{name: getattr(state, name) for name in STATE} for state in states],
        "extractions": [row async for row in ledger.extractions.json_rows(novel_id)],
        "names": list(map(asdict, await ledger.names.read(novel_id))),
        "decisions": to_jsonable_python(await ledger.name_decisions.read(novel_id)),
    }


def _wasted(figures: TaskFigures) -> list[dict[str, Any]]:
    """Return a dict for each provider and model with usage that paid for no stored row."""
    wasted = figures.wasted.items()
    return [{"provider": name, "model": model, "usage": asdict(usage)} for (name, model), usage in wasted]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Outcome of an import. ``tasks``: new ids; ``chapters``: results that were new; ``known``: the book was
    here before."""

    novel_id: int
    title: str
    known: bool
    tasks: tuple[int, ...]
    chapters: int


async def import_books(app: App, path: str | Path) -> list[ImportResult]:
    """Import every book of another record, in a folder, a zip or a file, and make its graph; return a result
    for each.

    Repeating it completes an interrupted import. Tasks that were unfinished there are paused here. Raises
    InputError.
    """
    async with _opened_record(named_source(str(path))) as source:
        novels = await Extractions(source).novels()
        if not novels:
            raise InputError("exchange.no_books", path=path)
        return [await _import_book(app, source, novel_id) for novel_id in novels]


async def _import_book(app: App, source: Database, novel_id: int) -> ImportResult:
    """Import one novel of another record, make its graph and return the result."""
    saved = await read_novel(source, novel_id)
    taken = await app.ledger.transfer.take(saved)
    novel = await app.ledger.books.novel(taken.novel_id)
    await refresh_novel(app, novel.id)
    await app.ledger.transfer.finish(saved, taken)
    return ImportResult(novel.id, novel.title, taken.known, tuple(sorted(taken.tasks.values())), taken.rows)


@asynccontextmanager
async def _opened_record(place: Path) -> AsyncIterator[Database]:
    """Yield the checked rows of the record in ``place`` as a database of its own, a copy."""
    with TemporaryDirectory(prefix="kgnb-import-") as folder:
        checking = checked_record(place, Path(folder))
        file = await asyncio.to_thread(checking.__enter__)
        source = Database(SqlTarget(sa.URL.create("sqlite", database=str(file))))
        try:
            yield source
        finally:
            await source.close()
            checking.__exit__(None, None, None)
