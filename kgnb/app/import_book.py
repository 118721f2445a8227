"""Import an exported book: its record first, then the graph from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from kgnb.app.context import App
from kgnb.app.record_file import read_record
from kgnb.app.settle import settle_novel


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Outcome of an import. ``tasks``: new ids; ``chapters``: results that were new; ``known``: the book was
    here before."""

    novel_id: int
    title: str
    known: bool
    tasks: tuple[int, ...]
    chapters: int


async def import_book(app: App, path: str | Path) -> ImportResult:
    """Store an export's record and build the graph from it; repeating it completes an interrupted import.

    Tasks that were unfinished when exported are paused here. Raises InputError.
    """
    saved = await asyncio.to_thread(read_record, path)
    taken = await app.ledger.transfer.import_record(saved)
    novel = await app.ledger.books.novel(taken.novel_id)
    await settle_novel(app, novel)
    await app.ledger.transfer.finish_import(saved, taken)
    return ImportResult(novel.id, novel.title, taken.known, tuple(sorted(taken.tasks.values())), taken.rows)
