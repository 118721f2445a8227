"""What the ledger's tests share: books, tasks, and main's hand in the tables."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from kgnb.book.model import Book, BookChapter, text_hash
from kgnb.core.model import ChapterStatus, TaskStatus, Usage
from kgnb.extract.model import Character, Extraction, Flag, NameEntry
from kgnb.graph.model import ExtractionRow
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.chapters import ChapterEnd, ChapterWork
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.extractions import read_rows
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.names import replace_names
from kgnb.stores.queue.types import QueueName
from kgnb.stores.targets import SqlTarget

QUEUE = QueueName("kg:task:queue:deepseek")


def make_book(texts: Sequence[str], *, title: str = "三国", author: str = "罗贯中") -> Book:
    chapters = tuple(BookChapter(i, f"第{i}回", text) for i, text in enumerate(texts, 1))
    return Book(title, author, "zh", chapters, text_hash("\n".join(texts)))


def numbered(count: int, salt: str = "") -> list[str]:
    return [f"第{i}章的正文，刘备与关羽、张飞饮酒。{salt}" * 3 for i in range(1, count + 1)]


def extraction(name: str = "刘备") -> Extraction:
    return Extraction(characters=[Character(name=name, aliases=["玄德"], description="主公")])


def database_at(url: str) -> Database:
    name = "sqlite" if url.startswith("sqlite") else "mysql+pymysql"
    return Database(SqlTarget(sa.make_url(url).set(drivername=name)))


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Ledger]:
    sql = database_at(url)
    await sql.prepare()
    try:
        yield Ledger(sql)
    finally:
        await sql.close()


async def execute(ledger: Ledger, statement: sa.Executable) -> None:
    """What main does with its own connection."""
    await ledger.database.run(lambda c: c.execute(statement))


async def scalar(ledger: Ledger, query: sa.Select) -> object:
    return await ledger.database.run(lambda c: c.scalar(query), write=False)


async def novel_ids(ledger: Ledger) -> list[int]:
    return await ledger.database.run(lambda c: list(c.scalars(sa.select(t.novels.c.id))), write=False)


async def rows_of(ledger: Ledger, **equal: int) -> list[ExtractionRow]:
    where = sa.and_(*(t.extractions.c[name] == value for name, value in equal.items()))
    return await ledger.database.run(lambda c: read_rows(c, where), write=False)


async def learn_names(ledger: Ledger, novel_id: int, entries: Sequence[NameEntry]) -> None:
    await ledger.database.run(lambda c: replace_names(c, novel_id, entries))


async def task_row(ledger: Ledger, task_id: int) -> sa.RowMapping:
    query = sa.select(t.tasks).where(t.tasks.c.id == task_id)
    return await ledger.database.run(lambda c: c.execute(query).mappings().one(), write=False)


async def status_row(ledger: Ledger, task_id: int, chapter_id: int) -> sa.RowMapping:
    s = t.chapter_status.c
    query = sa.select(t.chapter_status).where(s.kg_task_id == task_id, s.chapter_id == chapter_id)
    return await ledger.database.run(lambda c: c.execute(query).mappings().one(), write=False)


def set_task(task_id: int, **values: object) -> sa.Update:
    return sa.update(t.tasks).where(t.tasks.c.id == task_id).values(**values)


def set_chapter(task_id: int, chapter_id: int, **values: object) -> sa.Update:
    s = t.chapter_status
    return sa.update(s).where(s.c.kg_task_id == task_id, s.c.chapter_id == chapter_id).values(**values)


async def new_task(ledger: Ledger, count: int = 3, salt: str = "") -> tuple[int, int]:
    """(novel id, task id)"""
    book = make_book(numbered(count, salt), title=f"书{salt}", author=f"人{salt}")
    novel_id = (await ledger.books.import_book(book)).novel_id
    task_id = await ledger.tasks.create(novel_id, provider="DeepSeek", model="chat", use_ai=True, name="三国")
    return novel_id, task_id


def open_with(ledger: Ledger, task_id: int, token: int, *, fresh: bool = True):
    return ledger.task_lifecycle.open(
        task_id, queue=QUEUE, provider="DeepSeek", model="chat", token=token, fresh=fresh
    )


def row_of(work: ChapterWork, task_id: int, token: int, **more: object) -> ExtractionRow:
    return ExtractionRow(
        task_id=task_id,
        novel_id=work.chapter.novel_id,
        chapter_id=work.chapter.id,
        chapter_number=work.chapter.number,
        text_hash=text_hash(work.text),
        prompt_hash="p" * 64,
        extraction=more.pop("extraction", extraction()),
        provider=more.pop("provider", "DeepSeek"),
        model="chat",
        token=token,
        flags=frozenset({Flag.REPAIRED, Flag.SPLIT}),
        usage=more.pop("usage", Usage(2, 30, 40, 20)),
        chars=len(work.text),
        rejected=1,
        **more,
    )


def end_of(row: ExtractionRow, raw: Sequence[str] = ("{}",)) -> ChapterEnd:
    key = row.task_id, row.chapter_id, row.token
    return ChapterEnd(*key, ChapterStatus.COMPLETED, 4, 2, row=row, raw=raw)


async def finish_chapter(ledger: Ledger, task_id: int, chapter_id: int, token: int, **more: object) -> bool:
    works = await ledger.chapters.claim([(task_id, chapter_id, token)])
    work = works[(task_id, chapter_id)]
    end = end_of(row_of(work, task_id, token, **more))
    return (await ledger.chapters.end([end if work.row is None else replace(end, row=None)]))[0]


async def finish_task(ledger: Ledger, task_id: int, token: int, **more: object) -> TaskStatus | None:
    for chapter_id in (await open_with(ledger, task_id, token)).chapters:
        assert await finish_chapter(ledger, task_id, chapter_id, token + 1, **more)
    return await ledger.task_lifecycle.close(task_id, token)
