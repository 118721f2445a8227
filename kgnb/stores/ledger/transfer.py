"""A novel's record on its way to another engine: read whole, and taken up with ids of the new place.

What is there already stays as it is: taking the same record up again adds nothing and changes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import chain
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kgnb.book.model import Book, BookChapter, text_hash
from kgnb.core.model import ChapterStatus, Lang, TaskStatus, Usage, beijing_now
from kgnb.extract.model import Extraction, Flag, NameEntry
from kgnb.graph.model import ExtractionRow
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import take_up_book
from kgnb.stores.ledger.chapters import lock_tasks
from kgnb.stores.ledger.database import Database, Row, storable
from kgnb.stores.ledger.extractions import insert_rows
from kgnb.stores.ledger.name_decisions import take_up_decisions
from kgnb.stores.ledger.names import extend_names, read_names
from kgnb.stores.ledger.providers import read_kinds
from kgnb.stores.ledger.tasks import counted, locked_task, new_task, set_task

Counted = TypeVar("Counted", Usage, NameEntry)

VERSION = 1
"""Of the record in an export; a reader refuses newer ones."""


MOST_DECISIONS = 10_000
"""About a book's names, made by hand: far more than anybody makes, and few enough to settle with."""

Int = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""What a column of integers holds in every database."""


def _storable(value: Counted) -> Counted:
    _fitting(getattr(value, one.name) for one in fields(value))
    if isinstance(value, Usage) and not 0 <= value.cached_tokens <= max(0, value.prompt_tokens):
        raise ValueError("more of a prompt cached than there was")
    if isinstance(value, NameEntry):
        _writable(value.name, value.kind, *value.aliases, *chain(*value.reasons))
    return value


def _fitting(values: Iterable[object]) -> None:
    if any(isinstance(number, int) and abs(number) >= 2**31 for number in values):
        raise ValueError("a number too large")


def _writable(*texts: str) -> None:
    """Raises ValueError for a lone surrogate, which no database holds."""
    "".join(texts).encode()


def _writable_whole(value: Extraction) -> Extraction:
    _writable(*value.absent)  # everything else in it is clean
    return value


class _Saved(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def _naive(value: Decision) -> Decision:
    if len(value.names) > 200 or any(d is not None and d.tzinfo for d in (value.made_at, value.undone_at)):
        raise ValueError("no decision of kgnb's")
    _fitting(value.chapters or ())
    _writable(value.made_by, *value.names)
    return value


class SavedNovel(_Saved):
    """``novels`` and ``kgnb_books``; ``sha256`` is empty for a book that kgnb didn't import."""

    title: str
    author: str = ""
    lang: Lang = "zh"
    sha256: str = Field("", max_length=64)


class SavedChapter(_Saved):
    """A chapter with its text."""

    id: int
    number: Int
    title: str = ""
    text: str


class SavedTask(_Saved):
    """A task as its engine numbered it."""

    id: int
    name: str = ""
    status: TaskStatus
    use_ai: bool = True
    chapter_ids: tuple[int, ...] | None = None
    provider: str = Field("", max_length=100)
    model: str = Field("", max_length=200)
    thing_kinds: tuple[str, ...] | None = None


class SavedState(_Saved):
    """A chapter's status in a task."""

    task_id: int
    chapter_id: int
    status: ChapterStatus
    error: str = ""
    entities: Int = 0
    relations: Int = 0


class SavedRow(_Saved):
    """A row of ``kgnb_extractions``."""

    task_id: int
    chapter_id: int
    text_hash: str = Field(max_length=64)
    prompt_hash: str = Field("", max_length=64)
    extraction: Annotated[Extraction, AfterValidator(_writable_whole)]
    provider: str = Field(max_length=100)
    model: str = Field("", max_length=200)
    flags: frozenset[str] = frozenset()
    usage: Annotated[Usage, AfterValidator(_storable)] = Usage()
    chars: Int = 0
    rejected: Int = 0


class Saved(_Saved):
    """A whole record: all that a graph can be made anew from."""

    version: int
    novel: SavedNovel
    chapters: tuple[SavedChapter, ...]
    tasks: tuple[SavedTask, ...] = ()
    states: tuple[SavedState, ...] = ()
    extractions: tuple[SavedRow, ...] = ()
    names: tuple[Annotated[NameEntry, AfterValidator(_storable)], ...] = ()
    decisions: Annotated[
        tuple[Annotated[Decision, AfterValidator(_naive)], ...], Field(max_length=MOST_DECISIONS)
    ] = ()


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What became of a record. ``tasks``: id in the file → id here; ``rows``: how many were new."""

    novel_id: int
    known: bool
    tasks: dict[int, int]
    rows: int


class Transfer:
    """The part of the ledger that moves books between engines."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def book_facts(self, novel_id: int) -> dict[str, Any]:
        """``{"sha256", "lang"}`` of the novel's newest text; empty for a book that kgnb didn't import."""
        b = t.books.c
        query = sa.select(b.sha256, b.lang).where(b.novel_id == novel_id).order_by(b.created_at.desc())
        row = await self._sql.run(lambda c: c.execute(query).mappings().first(), write=False)
        return dict(row) if row else {}

    async def states(self, novel_id: int) -> list[dict[str, Any]]:
        """The status of each chapter in each of the novel's tasks."""
        s, k = t.chapter_status.c, t.tasks.c
        query = sa.select(
            *(s.kg_task_id.label("task_id"), s.chapter_id, s.status),
            sa.func.coalesce(s.error_message, "").label("error"),
            sa.func.coalesce(s.entities_extracted, 0).label("entities"),
            sa.func.coalesce(s.relations_extracted, 0).label("relations"),
        ).select_from(t.chapter_status.join(t.tasks, k.id == s.kg_task_id))
        query = query.where(k.novel_id == novel_id).order_by(s.kg_task_id, s.chapter_id)
        rows = await self._sql.run(lambda c: c.execute(query).mappings().all(), write=False)
        return [dict(row) for row in rows]

    async def take_up(self, saved: Saved) -> TakenUp:
        """Stores the record in one transaction; its tasks are paused until :meth:`finish_taken_up`.

        The very same text finds its novel here; any other is a novel of its own, and none is changed.
        """
        try:
            return await self._sql.run(lambda c: _take_up(self._sql, c, saved))
        except sa.exc.IntegrityError:  # another process took the same book up meanwhile: now it is found
            return await self._sql.run(lambda c: _take_up(self._sql, c, saved))

    async def finish_taken_up(self, saved: Saved, taken: TakenUp) -> None:
        """Gives tasks that were finished in the file their status, once the graph is settled from them."""
        await self._sql.run(lambda c: _finish(c, saved, taken))


# --- taking up ----------------------------------------------------------------------------------------------


def _take_up(sql: Database, c: sa.Connection, saved: Saved) -> TakenUp:
    book = _book(saved)
    novel_id, known, chapter_ids = take_up_book(sql, c, book)
    chapters = {one.id: here for one, here in zip(saved.chapters, chapter_ids, strict=True)}
    tasks = _tasks(sql, c, saved, novel_id, chapters)
    lock_tasks(c, tasks.values())  # a node may be opening one of them, or working on it
    numbers = {one.id: chapter.number for one, chapter in zip(saved.chapters, book.chapters, strict=True)}
    rows = [_row(row, novel_id, tasks, chapters, numbers) for row in saved.extractions]
    new = insert_rows(c, [row for row in rows if row is not None])
    _states(sql, c, saved.states, tasks, chapters)
    for task_id in tasks.values():
        set_task(c, task_id, **counted(c, task_id))
    # A table that is here is a scan of all the text that is here.
    extend_names(c, novel_id, () if read_names(c, novel_id) else saved.names)
    take_up_decisions(sql, c, novel_id, saved.decisions)
    return TakenUp(novel_id, known, tasks, new)


def _book(saved: Saved) -> Book:
    """The record's book; its chapters are numbered as they come, should two have one number."""
    numbers = [chapter.number for chapter in saved.chapters]
    own = len(set(numbers)) == len(numbers)
    chapters = tuple(
        BookChapter(one.number if own else place, storable(one.title), storable(one.text))
        for place, one in enumerate(saved.chapters, 1)
    )
    novel = saved.novel
    sha256 = novel.sha256 or text_hash("\n".join(chapter.hash for chapter in chapters))
    return Book(storable(novel.title), storable(novel.author), novel.lang, chapters, sha256)


def _tasks(
    sql: Database, c: sa.Connection, saved: Saved, novel_id: int, chapters: dict[int, int]
) -> dict[int, int]:
    """Id in the file → id here: of the same name, provider and model if there is one, in order of ids."""
    k, f = t.tasks.c, t.task_facts.c
    query = sa.select(k.id, k.task_name, f.provider, f.model)
    query = query.select_from(t.tasks.join(t.task_facts, f.task_id == k.id)).where(k.novel_id == novel_id)
    there: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for task_id, name, provider, model in c.execute(query.order_by(k.id)):
        there[name or "", provider or "", model or ""].append(task_id)
    found = {}
    for task in sorted(saved.tasks, key=lambda one: one.id):
        same = there[storable(task.name)[:255], task.provider, task.model]
        found[task.id] = same.pop(0) if same else _new_task(sql, c, task, novel_id, chapters)
    return found


def _new_task(
    sql: Database, c: sa.Connection, task: SavedTask, novel_id: int, chapters: dict[int, int]
) -> int:
    only = task.chapter_ids
    task_id = new_task(
        sql,
        c,
        novel_id,
        use_ai=task.use_ai,
        name=storable(task.name),
        chapter_ids=None if only is None else [chapters[i] for i in only if i in chapters],
        facts={
            **{"provider": task.provider, "model": task.model, "queue": "", "token": 0, "settled": 0},
            "kinds": None if task.thing_kinds is None else json.dumps(read_kinds(list(task.thing_kinds))),
        },
    )
    # Nobody starts it by itself: where the file comes from it may still be running.
    set_task(c, task_id, status=TaskStatus.PAUSED, paused_at=beijing_now())
    return task_id


def _states(
    sql: Database,
    c: sa.Connection,
    states: Iterable[SavedState],
    tasks: dict[int, int],
    chapters: dict[int, int],
) -> None:
    s = t.chapter_status.c
    query = sa.select(s.kg_task_id, s.chapter_id).where(s.kg_task_id.in_(sorted(tasks.values())))
    there = {(task_id, chapter_id) for task_id, chapter_id in c.execute(query)}
    now = beijing_now()
    rows: dict[tuple[int, int], Row] = {}
    for state in states:
        key = (tasks.get(state.task_id, 0), chapters.get(state.chapter_id, 0))
        if all(key) and key not in there:
            ended = state.status not in (ChapterStatus.PENDING, ChapterStatus.RUNNING)
            rows[key] = {
                "kg_task_id": key[0],
                "chapter_id": key[1],
                "status": state.status if ended else ChapterStatus.PENDING,
                "error_message": storable(state.error),
                "entities_extracted": state.entities,
                "relations_extracted": state.relations,
                "created_at": now,
                "updated_at": now,
                "completed_at": now if ended else None,
            }
    sql.insert(c, t.chapter_status, list(rows.values()))


def _row(
    row: SavedRow,
    novel_id: int,
    tasks: dict[int, int],
    chapters: dict[int, int],
    numbers: dict[int, int],
) -> ExtractionRow | None:
    if row.task_id not in tasks or row.chapter_id not in chapters:
        return None
    known = set(Flag)
    return ExtractionRow(
        task_id=tasks[row.task_id],
        novel_id=novel_id,
        chapter_id=chapters[row.chapter_id],
        chapter_number=numbers[row.chapter_id],
        text_hash=row.text_hash,
        prompt_hash=row.prompt_hash,
        extraction=row.extraction,
        provider=row.provider,
        model=row.model,
        token=0,
        flags=frozenset(Flag(f) for f in row.flags if f in known),
        usage=row.usage,
        chars=row.chars,
        rejected=row.rejected,
    )


def _finish(c: sa.Connection, saved: Saved, taken: TakenUp) -> None:
    over = {task.id: task.status for task in saved.tasks if task.status in _OVER}
    for old, status in over.items():
        task_id = taken.tasks[old]
        now = beijing_now()
        task, token = locked_task(c, task_id)
        # One that was opened here may have chapters left; their rows are here now, and resuming it is free.
        if task is None or token is not None or task.status is not TaskStatus.PAUSED:
            continue
        set_task(c, task_id, status=status, paused_at=None, completed_at=now)
        facts = sa.update(t.task_facts).where(t.task_facts.c.task_id == task_id)
        c.execute(facts.values(settled=1, settled_at=now))


_OVER = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED)
