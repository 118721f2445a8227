"""Moving a novel's rows between databases: the exported record, and its import with new ids.

An import is idempotent: it changes nothing that is stored, and adds nothing the second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Annotated

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kgnb.book.model import Book, BookChapter, text_hash
from kgnb.core.labels import Lang
from kgnb.core.model import CLOSED_STATUSES, ChapterStatus, TaskStatus, Usage, beijing_now
from kgnb.extract.model import LISTS, MAX_CHAPTER_ITEMS, Extraction, NameEntry
from kgnb.graph.model import ExtractionRow
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import import_exported_book
from kgnb.stores.ledger.chapters import lock_tasks
from kgnb.stores.ledger.database import DatabasePart, Row, storable, transaction
from kgnb.stores.ledger.extractions import insert_rows, read_flags
from kgnb.stores.ledger.names import NameDecisions, extend_names, read_names
from kgnb.stores.ledger.providers import read_kinds
from kgnb.stores.ledger.spending import add_task_spending
from kgnb.stores.ledger.task_lifecycle import mark_settled, pending_chapter_row
from kgnb.stores.ledger.tasks import OPEN_STATES, Tasks, count_columns, locked_task, set_task

VERSION = 1
"""Of the record in an export; newer ones are refused."""
MAX_DECISIONS, MAX_DECIDED_NAMES = 3_000, 20_000
"""Decisions of a book and names in them: far more than anybody makes by hand, few enough to settle with."""
MAX_ROW_VALUES = 200_000
"""Most values in a row, each of which takes more memory than its text: far more than a chapter's results."""
MAX_TITLE, MAX_TEXT = 10_000, 16 << 20
"""Characters: as much as MySQL's columns hold, or more."""
Int = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""What an integer column holds in every database."""


# --- the record, checked as hostile input -------------------------------------------------------------------


def _check_usage(usage: Usage) -> Usage:
    _check_integers(getattr(usage, field.name) for field in fields(usage))
    if not 0 <= usage.cached_tokens <= max(0, usage.prompt_tokens):
        raise ValueError("more tokens cached than the prompt has")
    if not 0 <= usage.reasoning_tokens <= max(0, usage.completion_tokens):
        raise ValueError("more tokens of reasoning than the reply has")
    return usage


def _check_name(entry: NameEntry) -> NameEntry:
    _check_integers(getattr(entry, field.name) for field in fields(entry))
    return entry


def _check_extraction(found: object) -> object:
    """Refuse lists too long before the items become objects, which take far more memory."""
    lists = map(found.get, LISTS) if isinstance(found, dict) else ()
    if any(isinstance(items, list) and len(items) > MAX_CHAPTER_ITEMS for items in lists):
        raise ValueError("more than a chapter can hold")
    return found


def _check_decision(decision: Decision) -> Decision:
    times = (decision.made_at, decision.undone_at)
    if len(decision.names) > 200 or any(time is not None and time.tzinfo for time in times):
        raise ValueError("not a decision that kgnb stored")
    _check_integers(decision.chapters or ())
    return decision


def _check_decisions(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    if len(decisions) > MAX_DECISIONS or sum(len(one.names) for one in decisions) > MAX_DECIDED_NAMES:
        raise ValueError("more decisions than anybody makes")
    return decisions


def _check_integers(values: Iterable[object]) -> None:
    if any(isinstance(number, int) and abs(number) >= 2**31 for number in values):
        raise ValueError("a number too large")


CheckedName = Annotated[NameEntry, AfterValidator(_check_name)]
CheckedExtraction = Annotated[Extraction, BeforeValidator(_check_extraction)]
CheckedDecision = Annotated[Decision, AfterValidator(_check_decision)]


class _Saved(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class SavedNovel(_Saved):
    """``novels`` and ``kgnb_books``; ``sha256`` is empty for a book that kgnb didn't import."""

    title: str = Field(max_length=MAX_TITLE)
    author: str = Field("", max_length=MAX_TITLE)
    lang: Lang = "zh"
    sha256: str = Field("", max_length=64)


class SavedChapter(_Saved):
    """A chapter with its text."""

    id: int
    number: Int
    title: str = Field("", max_length=MAX_TITLE)
    text: str = Field(max_length=MAX_TEXT)


class SavedUsage(_Saved):
    """What one model took."""

    provider: str = Field(max_length=100)
    model: str = Field("", max_length=200)
    usage: Annotated[Usage, AfterValidator(_check_usage)]


class SavedTask(_Saved):
    """A task; ids are those of the exporting database. ``wasted``: what was paid beyond its rows."""

    id: int
    name: str = ""
    status: TaskStatus
    use_ai: bool = True
    chapter_ids: tuple[int, ...] | None = None
    provider: str = Field("", max_length=100)
    model: str = Field("", max_length=200)
    thing_kinds: tuple[str, ...] | None = None
    wasted: tuple[SavedUsage, ...] = ()


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
    extraction: CheckedExtraction
    provider: str = Field(max_length=100)
    model: str = Field("", max_length=200)
    flags: frozenset[str] = frozenset()
    usage: Annotated[Usage, AfterValidator(_check_usage)] = Usage()
    chars: Int = 0
    rejected: Int = 0


class SavedRecord(_Saved):
    """A novel's whole record: everything that its graph is derived from."""

    version: int
    novel: SavedNovel
    chapters: tuple[SavedChapter, ...]
    tasks: tuple[SavedTask, ...] = ()
    states: tuple[SavedState, ...] = ()
    extractions: tuple[SavedRow, ...] = ()
    names: tuple[CheckedName, ...] = ()
    decisions: Annotated[tuple[CheckedDecision, ...], AfterValidator(_check_decisions)] = ()


@dataclass(frozen=True, slots=True)
class ImportedRecord:
    """The result of an import. ``known``: the book was there; ``rows``: how many extractions were new."""

    novel_id: int
    known: bool
    tasks: dict[int, int]  # id in the record → id here
    rows: int


class Transfer(DatabasePart):
    """Imports of novels."""

    async def import_record(self, saved: SavedRecord) -> ImportedRecord:
        """Store the record in one transaction; its tasks are paused until :meth:`finish_import`.

        The very same text finds its novel; any other becomes a novel of its own.
        """
        try:
            return await self._import(saved)
        except sa.exc.IntegrityError:  # another process imported the same book meanwhile: now it is found
            return await self._import(saved)

    @transaction
    def _import(self, c: sa.Connection, saved: SavedRecord) -> ImportedRecord:
        book = _book(saved)
        novel_id, known, chapter_ids = import_exported_book(self._database, c, book)
        chapters = {one.id: chapter_id for one, chapter_id in zip(saved.chapters, chapter_ids, strict=True)}
        tasks = self._import_tasks(c, saved, novel_id, chapters)
        lock_tasks(c, tasks.values())  # a node may be opening one of them, or working on it
        numbers = {one.id: chapter.number for one, chapter in zip(saved.chapters, book.chapters, strict=True)}
        rows = [row for row in saved.extractions if row.task_id in tasks and row.chapter_id in chapters]
        new = insert_rows(c, [_extraction_row(row, novel_id, tasks, chapters, numbers) for row in rows])
        self._import_states(c, saved.states, tasks, chapters)
        for task_id in tasks.values():
            set_task(c, task_id, **count_columns(c, task_id))
        # A stored name table was scanned from all stored text: the record's adds nothing.
        extend_names(c, novel_id, () if read_names(c, novel_id) else saved.names)
        NameDecisions(self._database).insert_missing(c, novel_id, saved.decisions)
        return ImportedRecord(novel_id, known, tasks, new)

    @transaction
    def finish_import(self, c: sa.Connection, saved: SavedRecord, imported: ImportedRecord) -> None:
        """Give tasks that the record shows as ended that status, once the graph is settled from them."""
        for saved_task in saved.tasks:
            if saved_task.status not in (*CLOSED_STATUSES, TaskStatus.CANCELLED):
                continue
            task_id, now = imported.tasks[saved_task.id], beijing_now()
            task, token = locked_task(c, task_id)
            # A task that was opened here may have chapters left; resuming it costs nothing for stored rows.
            if task is None or token is not None or task.status is not TaskStatus.PAUSED:
                continue
            set_task(c, task_id, status=saved_task.status, paused_at=None, completed_at=now)
            mark_settled(c, task_id, now)

    def _import_tasks(
        self, c: sa.Connection, saved: SavedRecord, novel_id: int, chapters: dict[int, int]
    ) -> dict[int, int]:
        """Ids here by ids in the record: a stored task of the same name, provider and model, or a new one."""
        k, f = t.tasks.c, t.task_facts.c
        query = sa.select(k.id, k.task_name, f.provider, f.model)
        query = query.select_from(t.tasks.join(t.task_facts, f.task_id == k.id)).where(k.novel_id == novel_id)
        stored: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for task_id, name, provider, model in c.execute(query.order_by(k.id)):
            stored[name or "", provider or "", model or ""].append(task_id)
        ids = {}
        for task in sorted(saved.tasks, key=lambda one: one.id):
            same = stored[storable(task.name)[:255], task.provider, task.model]
            ids[task.id] = same.pop(0) if same else self._insert_task(c, task, novel_id, chapters)
        return ids

    def _insert_task(self, c: sa.Connection, task: SavedTask, novel_id: int, chapters: dict[int, int]) -> int:
        # 0 is no chapter; an empty list means all.
        only = [chapters.get(i, 0) for i in task.chapter_ids or ()]
        task_id = Tasks(self._database).insert(
            c,
            novel_id,
            use_ai=task.use_ai,
            name=storable(task.name),
            chapter_ids=only or None,
            provider=task.provider,
            model=task.model,
            thing_kinds=None if task.thing_kinds is None else read_kinds(list(task.thing_kinds)),
        )
        # Without what its rows cost, which they tell themselves.
        add_task_spending(c, {(task_id, w.provider.lower(), w.model): w.usage for w in task.wasted})
        # Paused, so that no node starts it: it may still be running where the record comes from.
        set_task(c, task_id, status=TaskStatus.PAUSED, paused_at=beijing_now())
        return task_id

    def _import_states(
        self, c: sa.Connection, states: Iterable[SavedState], tasks: dict[int, int], chapters: dict[int, int]
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
                    "error_message": storable(state.error),
                    "entities_extracted": state.entities,
                    "relations_extracted": state.relations,
                    "completed_at": now if ended else None,
                }
        self._database.insert(c, t.chapter_status, list(rows.values()))


def _book(saved: SavedRecord) -> Book:
    """The record's book; where chapter numbers aren't unique, chapters are numbered by position."""
    unique = len({chapter.number for chapter in saved.chapters}) == len(saved.chapters)
    chapters = tuple(
        BookChapter(one.number if unique else position, storable(one.title), storable(one.text))
        for position, one in enumerate(saved.chapters, 1)
    )
    novel = saved.novel
    sha256 = novel.sha256 or text_hash("\n".join(chapter.hash for chapter in chapters))
    return Book(storable(novel.title), storable(novel.author), novel.lang, chapters, sha256)


def _extraction_row(
    row: SavedRow, novel_id: int, tasks: dict[int, int], chapters: dict[int, int], numbers: dict[int, int]
) -> ExtractionRow:
    here = {
        **{"task_id": tasks[row.task_id], "novel_id": novel_id, "token": 0},
        **{"chapter_id": chapters[row.chapter_id], "chapter_number": numbers[row.chapter_id]},
        "flags": read_flags(row.flags),
    }
    return ExtractionRow(**dict(row) | here)
