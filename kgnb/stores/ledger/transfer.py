"""Takes a novel of another record into this database, with ids of its own.

It is idempotent: it changes nothing that is stored, and adds nothing the second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa

from kgnb.book.model import Book, BookChapter, text_hash
from kgnb.core.model import CLOSED_STATUSES, Task, TaskStatus, Usage, beijing_now
from kgnb.extract.model import NameEntry
from kgnb.graph.model import ExtractionRow
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import Books, import_exported_book, lock_novel
from kgnb.stores.ledger.chapters import lock_tasks
from kgnb.stores.ledger.database import Database, DatabasePart, Row, pages, storable, transaction
from kgnb.stores.ledger.extractions import PAGE, insert_rows, read_rows
from kgnb.stores.ledger.names import NameDecisions, Names, read_names, replace_names
from kgnb.stores.ledger.spending import add_task_spending
from kgnb.stores.ledger.task_lifecycle import mark_refreshed, pending_chapter_row
from kgnb.stores.ledger.task_stats import ChapterState, TaskFigures, TaskStats
from kgnb.stores.ledger.tasks import OPEN_STATES, Tasks, count_columns, locked_task, set_task


@dataclass(frozen=True, slots=True)
class NovelRecord:
    """What another record holds of a novel; its extractions are read when they are needed."""

    source: Database
    novel_id: int
    book: Book
    chapters: tuple[int, ...]  # ids of the book's chapters
    tasks: tuple[Task, ...]
    figures: Mapping[int, TaskFigures]
    states: tuple[ChapterState, ...]
    names: tuple[NameEntry, ...]
    decisions: tuple[Decision, ...]


async def read_novel(source: Database, novel_id: int) -> NovelRecord:
    """Read a novel of the record ``source``, which is checked and that nobody writes."""
    tasks, stats = Tasks(source), TaskStats(source)
    mine = await tasks.of_novel(novel_id)
    book, chapters = await _read_book(Books(source), novel_id)
    return NovelRecord(
        source,
        novel_id,
        book,
        chapters,
        tuple(mine),
        await stats.figures([task.id for task in mine]),
        tuple(await stats.chapter_states(novel_id=novel_id)),
        tuple(await Names(source).read(novel_id)),
        tuple(await NameDecisions(source).read(novel_id)),
    )


async def _read_book(books: Books, novel_id: int) -> tuple[Book, tuple[int, ...]]:
    """The novel's book and its chapters' ids; where numbers aren't unique, they are numbered by position."""
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


def _extractions(saved: NovelRecord) -> Iterator[list[ExtractionRow]]:
    """The novel's rows of all tasks, page by page, read in the caller's thread."""
    chapter = t.extractions.c.chapter_id
    for page in pages(saved.chapters, PAGE):
        where = sa.and_(chapter.in_(page), t.extractions.c.novel_id == saved.novel_id)
        yield saved.source.run_blocking(partial(read_rows, where=where), write=False)


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
        """Store the record in one transaction; its tasks are paused until :meth:`finish`.

        The very same text finds its novel; any other becomes a novel of its own.
        """
        try:
            return await self._take(saved)
        except sa.exc.IntegrityError:  # another process imported the same book meanwhile: now it is found
            return await self._take(saved)

    @transaction
    def _take(self, c: sa.Connection, saved: NovelRecord) -> ImportedNovel:
        novel_id, known, chapter_ids = import_exported_book(self._database, c, saved.book)
        chapters = dict(zip(saved.chapters, chapter_ids, strict=True))
        tasks = self._take_tasks(c, saved, novel_id, chapters)
        lock_tasks(c, tasks.values())  # a node may be opening one of them, or working on it
        new = self._take_extractions(c, saved, novel_id, tasks, chapters)
        self._take_states(c, saved.states, tasks, chapters)
        for task_id in tasks.values():
            set_task(c, task_id, **count_columns(c, task_id))
        lock_novel(c, novel_id)
        if not read_names(c, novel_id):  # else it was scanned from all stored text: the record's adds nothing
            replace_names(c, novel_id, saved.names)
        NameDecisions(self._database).insert_missing(c, novel_id, saved.decisions)
        return ImportedNovel(novel_id, known, tasks, new)

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
        self, c: sa.Connection, saved: NovelRecord, novel_id: int, chapters: dict[int, int]
    ) -> dict[int, int]:
        """Ids here by ids in the record: a stored task of the same name, provider and model, or a new one."""
        k, f = t.tasks.c, t.task_facts.c
        query = sa.select(k.id, k.task_name, f.provider, f.model)
        query = query.select_from(t.tasks.join(t.task_facts, f.task_id == k.id)).where(k.novel_id == novel_id)
        stored: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for task_id, name, provider, model in c.execute(query.order_by(k.id)):
            stored[name or "", provider or "", model or ""].append(task_id)
        ids = {}
        for task in saved.tasks:
            same = stored[storable(task.name)[:255], task.provider, task.model]
            wasted = saved.figures[task.id].wasted
            ids[task.id] = same.pop(0) if same else self._insert_task(c, task, wasted, novel_id, chapters)
        return ids

    def _insert_task(
        self,
        c: sa.Connection,
        task: Task,
        wasted: Mapping[tuple[str, str], Usage],
        novel_id: int,
        chapters: dict[int, int],
    ) -> int:
        # 0 is no chapter.
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
        # Without what its rows cost, which they tell themselves.
        add_task_spending(
            c, {(task_id, name.lower(), model): usage for (name, model), usage in wasted.items()}
        )
        # Paused, so that no node starts it: it may still be running where the record comes from.
        set_task(c, task_id, status=TaskStatus.PAUSED, paused_at=beijing_now())
        return task_id

    def _take_extractions(
        self,
        c: sa.Connection,
        saved: NovelRecord,
        novel_id: int,
        tasks: dict[int, int],
        chapters: dict[int, int],
    ) -> int:
        numbers = dict(zip(saved.chapters, (one.number for one in saved.book.chapters), strict=True))
        new = 0
        for rows in _extractions(saved):
            here = (
                replace(
                    row,
                    task_id=tasks[row.task_id],
                    novel_id=novel_id,
                    chapter_id=chapters[row.chapter_id],
                    chapter_number=numbers[row.chapter_id],
                    token=0,
                )
                for row in rows
                if row.task_id in tasks and row.chapter_id in chapters
            )
            new += insert_rows(c, here)
        return new

    def _take_states(
        self,
        c: sa.Connection,
        states: Iterable[ChapterState],
        tasks: dict[int, int],
        chapters: dict[int, int],
    ) -> None:
        s = t.chapter_status.c
        query = sa.select(s.kg_task_id, s.chapter_id).where(s.kg_task_id.in_(sorted(tasks.values())))
        stored = {(task_id, chapter_id) for task_id, chapter_id in c.execute(query)}
        now = beijing_now()
        rows: dict[tuple[int, int], Row] = {}
        for state in states:
            key = (tasks.get(state.task_id, 0), chapters.get(state.chapter_id, 0))
            if all(key) and key not in stored:
                ended = state.status not in OPEN_STATES
                rows[key] = {
                    **pending_chapter_row(*key, now),
                    **({"status": state.status} if ended else {}),
                    "error_message": state.error,
                    "entities_extracted": state.entities,
                    "relations_extracted": state.relations,
                    "completed_at": now if ended else None,
                }
        self._database.insert(c, t.chapter_status, list(rows.values()))
