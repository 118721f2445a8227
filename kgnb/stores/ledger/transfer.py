"""Takes a novel of another record into this database, with ids of its own.

It is idempotent: it changes nothing that is stored, and adds nothing the second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from kgnb.book.model import Book, BookChapter, text_hash
from kgnb.core.model import CLOSED_STATUSES, ChapterStatus, Task, TaskStatus, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import Books, import_exported_book, lock_novel
from kgnb.stores.ledger.chapters import lock_tasks
from kgnb.stores.ledger.database import Database, DatabasePart, pages, storable, transaction
from kgnb.stores.ledger.extractions import PAGE
from kgnb.stores.ledger.names import read_names
from kgnb.stores.ledger.task_lifecycle import mark_refreshed
from kgnb.stores.ledger.tasks import OPEN_STATES, Tasks, count_columns, locked_task, set_task

Row = dict[str, Any]
"""A stored row by column, without the number that its database gave it."""
_ENDED = frozenset(ChapterStatus) - frozenset(OPEN_STATES)
_DECISION = ("kind", "names", "first_chapter", "last_chapter", "detail", "made_at")
"""Columns in which two decisions of a novel differ."""


@dataclass(frozen=True, slots=True)
class NovelRecord:
    """What another record holds of a novel; its extractions are read when they are needed."""

    source: Database
    novel_id: int
    book: Book
    chapters: tuple[int, ...]  # ids of the book's chapters
    tasks: tuple[Task, ...]
    rows: Mapping[str, list[Row]]  # table → the novel's rows, or its tasks'


async def read_novel(source: Database, novel_id: int) -> NovelRecord:
    """Return a novel of the record ``source`` with all its rows; ``source`` must be checked, and not be
    written to meanwhile.
    """
    tasks = await Tasks(source).of_novel(novel_id)
    book, chapters = await _read_book(Books(source), novel_id)
    ids = [task.id for task in tasks]
    wanted = {
        t.chapter_status: t.chapter_status.c.kg_task_id.in_(ids),
        t.task_spending: t.task_spending.c.task_id.in_(ids),
        t.names: t.names.c.novel_id == novel_id,
        t.name_decisions: t.name_decisions.c.novel_id == novel_id,
    }

    def read(c: sa.Connection) -> dict[str, list[Row]]:
        return {table.name: _read_rows(c, table, where) for table, where in wanted.items()}

    return NovelRecord(source, novel_id, book, chapters, tuple(tasks), await source.run(read, write=False))


def _read_rows(c: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> list[Row]:
    """Return the rows that fulfil the condition, without their ids, by primary key."""
    found = c.execute(sa.select(table).where(where).order_by(*table.primary_key)).mappings()
    return [{name: value for name, value in row.items() if name != "id"} for row in found]


async def _read_book(books: Books, novel_id: int) -> tuple[Book, tuple[int, ...]]:
    """Return the novel's book and its chapters' ids; where numbers aren't unique, chapters are numbered by
    position.
    """
    novel, text = await books.novel(novel_id), await books.newest_text(novel_id)
    stored = await books.chapters(novel_id)
    texts = await books.texts([chapter.id for chapter in stored])
    unique = len({chapter.number for chapter in stored}) == len(stored)
    chapters = tuple(
        BookChapter(one.number if unique else position, one.title, texts.get(one.id, ""))
        for position, one in enumerate(stored, 1)
    )
    sha256 = text.get("sha256") or text_hash("\n".join(chapter.hash for chapter in chapters))
    lang = text.get("lang") or await books.language(novel_id)
    book = Book(novel.title, novel.author, "en" if lang == "en" else "zh", chapters, sha256)
    return book, tuple(one.id for one in stored)


def _extractions(saved: NovelRecord) -> Iterator[list[Row]]:
    """Yield the novel's rows of all tasks, page by page, read in the caller's thread."""
    chapter = t.extractions.c.chapter_id
    for page in pages(saved.chapters, PAGE):
        where = sa.and_(chapter.in_(page), t.extractions.c.novel_id == saved.novel_id)
        read = partial(_read_rows, table=t.extractions, where=where)
        yield saved.source.run_blocking(read, write=False)


@dataclass(frozen=True, slots=True)
class ImportedNovel:
    """The result of an import. ``known``: the book was there; ``rows``: how many extractions were new."""

    novel_id: int
    known: bool
    tasks: dict[int, int]  # id in the record → id here
    rows: int


class Transfer(DatabasePart):
    """Imports of novels."""

    async def take(self, saved: NovelRecord) -> ImportedNovel:
        """Store the novel in one transaction; return its id here, and which tasks it got. They are paused
        until :meth:`finish`.

        The very same text finds its novel; any other becomes a novel of its own.
        """
        try:
            return await self._take(saved)
        except sa.exc.IntegrityError:  # another process imported the same book meanwhile: now it is found
            return await self._take(saved)

    @transaction
    def _take(self, c: sa.Connection, saved: NovelRecord) -> ImportedNovel:
        """Store a novel of another record in one transaction; see :meth:`take`."""
        novel_id, known, chapter_ids = import_exported_book(self._database, c, saved.book)
        chapters = dict(zip(saved.chapters, chapter_ids, strict=True))
        tasks, made = self._take_tasks(c, saved, novel_id, chapters)
        lock_tasks(c, tasks.values())  # a node may be opening one of them, or working on it
        # Claims are locked while a row is saved: with all locks held, every saved row is seen.
        claims = t.claims.c
        c.execute(sa.select(claims.token).where(claims.task_id.in_(tasks.values())).with_for_update()).all()
        numbers = {i: chapter.number for i, chapter in zip(saved.chapters, saved.book.chapters, strict=True)}
        new = 0
        for page in _extractions(saved):
            rows = (
                row
                # What it cost is in the task's spending, which came along if the task is new here.
                | {"metered": row["metered"] if tasks[row["task_id"]] in made else None}
                | {"task_id": tasks[row["task_id"]], "chapter_id": chapters[row["chapter_id"]]}
                | {"novel_id": novel_id, "chapter_number": numbers[row["chapter_id"]], "token": 0}
                for row in page
                if row["task_id"] in tasks
            )
            new += self._insert_missing(c, t.extractions, "task_id", rows, tasks.values())
        states = (
            row
            | {"kg_task_id": tasks[row["kg_task_id"]], "chapter_id": chapters[row["chapter_id"]]}
            | ({} if row["status"] in _ENDED else {"status": ChapterStatus.PENDING, "started_at": None})
            for row in saved.rows[t.chapter_status.name]
            if row["chapter_id"] in chapters
        )
        self._insert_missing(c, t.chapter_status, "kg_task_id", states, tasks.values())
        for task_id in tasks.values():
            set_task(c, task_id, **count_columns(c, task_id))
        self._take_names(c, saved, novel_id)
        return ImportedNovel(novel_id, known, tasks, new)

    def _take_names(self, c: sa.Connection, saved: NovelRecord, novel_id: int) -> None:
        lock_novel(c, novel_id)
        own = {"novel_id": novel_id}
        if not read_names(c, novel_id):  # else it was scanned from all stored text: the record's adds nothing
            self._database.insert(c, t.names, [row | own for row in saved.rows[t.names.name]])

        def facts(row: Row) -> tuple[Any, ...]:
            return tuple(row[name] for name in _DECISION)

        d = t.name_decisions
        present = set(map(facts, _read_rows(c, d, d.c.novel_id == novel_id)))
        new = [row | own for row in saved.rows[d.name] if facts(row) not in present]
        self._database.insert(c, d, new)

    @transaction
    def finish(self, c: sa.Connection, saved: NovelRecord, taken: ImportedNovel) -> None:
        """Give tasks that the record shows as ended that status, once the graph is made from them."""
        for saved_task in saved.tasks:
            if saved_task.status not in (*CLOSED_STATUSES, TaskStatus.CANCELLED):
                continue
            task_id, now = taken.tasks[saved_task.id], beijing_now()
            task, token = locked_task(c, task_id)
            # A task that was opened here may have chapters left; resuming it costs nothing for stored rows.
            if task is None or token is not None or task.status is not TaskStatus.PAUSED:
                continue
            set_task(c, task_id, status=saved_task.status, paused_at=None, completed_at=now)
            mark_refreshed(c, task_id, now)

    def _take_tasks(
        self, c: sa.Connection, saved: NovelRecord, novel_id: int, chapters: Mapping[int, int]
    ) -> tuple[dict[int, int], set[int]]:
        """Return (id in the record → id here, ids in the record of newly made tasks); a stored task of the
        same name, provider and model is used again.
        """
        k, f = t.tasks.c, t.task_facts.c
        query = sa.select(k.id, k.task_name, f.provider, f.model)
        query = query.select_from(t.tasks.join(t.task_facts, f.task_id == k.id)).where(k.novel_id == novel_id)
        stored: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for task_id, name, provider, model in c.execute(query.order_by(k.id)):
            stored[name or "", provider or "", model or ""].append(task_id)
        ids, made = {}, {}
        for task in saved.tasks:
            same = stored[storable(task.name)[:255], task.provider, task.model]
            if same:
                ids[task.id] = same.pop(0)
            else:
                ids[task.id] = made[task.id] = self._insert_task(c, task, novel_id, chapters)
        spent = [row for row in saved.rows[t.task_spending.name] if row["task_id"] in made]
        self._database.insert(c, t.task_spending, [row | {"task_id": made[row["task_id"]]} for row in spent])
        return ids, set(made.values())

    def _insert_task(self, c: sa.Connection, task: Task, novel_id: int, chapters: Mapping[int, int]) -> int:
        # 0 is no chapter.
        """Insert a task of another record, paused, over the same chapters; return its id."""
        only = None if task.chapter_ids is None else [chapters.get(i, 0) for i in task.chapter_ids]
        task_id = Tasks(self._database).insert(
            c,
            novel_id,
            use_ai=task.use_ai,
            name=task.name,
            chapter_ids=only,
            provider=task.provider,
            model=task.model,
            thing_kinds=task.thing_kinds,
        )
        # Paused, so that no node starts it: it may still be running where the record comes from.
        set_task(c, task_id, status=TaskStatus.PAUSED, paused_at=beijing_now())
        return task_id

    def _insert_missing(
        self, c: sa.Connection, table: sa.Table, task: str, rows: Iterable[Row], tasks: Iterable[int]
    ) -> int:
        """Insert the rows of chapters that have none of their task; return their number. ``task``: the column
        with the task's id.
        """
        query = sa.select(table.c[task], table.c.chapter_id).where(table.c[task].in_(list(tasks)))
        stored = {(task_id, chapter_id) for task_id, chapter_id in c.execute(query)}
        found = {(row[task], row["chapter_id"]): row for row in rows}
        self._database.insert(c, table, [row for key, row in found.items() if key not in stored])
        return len(found.keys() - stored)
