"""A small record, as the file that a data folder has."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from pathlib import Path

from kgnb.book.model import Book, BookChapter
from kgnb.extract.model import NameEntry
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.ledger.ledger import Ledger
from tests.support.ledgers import database_at


@functools.cache
def record() -> bytes:
    """A database with one book, a task that was opened, an extraction, a name and a decision about it."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(write_record(path := Path(folder) / "kgnb.db"))
        return path.read_bytes()


async def write_record(path: Path) -> None:
    database = database_at(f"sqlite:///{path}")
    await database.prepare()
    ledger, chapters = Ledger(database), (BookChapter(1, "第一回", "甲与乙。"),)
    book = await ledger.books.import_book(Book("书", "作者", "zh", chapters, "0" * 64))
    await ledger.tasks.create(
        book.novel_id, provider="p", model="m", use_ai=True, name="t", thing_kinds=["马"]
    )
    names = [NameEntry("甲", ("乙",), reasons=(("乙", "甲", "why", 0.9),))]
    await ledger.names.freeze(1, book.novel_id, names)
    await ledger.name_decisions.add(book.novel_id, [Decision(0, "merge", ("甲", "乙"))])
    await database.close()
