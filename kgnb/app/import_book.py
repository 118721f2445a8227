"""A book carried from one engine to another: the record first, then the graph from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from kgnb.app.context import App
from kgnb.app.record_file import read_record
from kgnb.app.settle import settle_novel


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did. ``tasks``: ids here; ``chapters``: results that were new; ``known``: the book was
    there before."""

    novel_id: int
    title: str
    known: bool
    tasks: tuple[int, ...]
    chapters: int


async def take_in(app: App, path: str | Path) -> ImportResult:
    """Stores an export's record and makes the graph from it; doing it again completes or repeats it.

    Tasks that weren't finished where the file comes from are paused here. Raises InputError.
    """
    saved = await asyncio.to_thread(read_record, path)
    taken = await app.ledger.transfer.import_record(saved)
    novel = await app.ledger.books.novel(taken.novel_id)
    await settle_novel(app, novel)
    await app.ledger.transfer.finish_import(saved, taken)
    return ImportResult(novel.id, novel.title, taken.known, tuple(sorted(taken.tasks.values())), taken.rows)
