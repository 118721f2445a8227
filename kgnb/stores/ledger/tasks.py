"""Tasks in SQL: create, find, list, progress. Counts are always derived from rows, never incremented."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import MIN_CHAPTER_CHARS, ChapterStatus, Progress, Task, TaskStatus, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, Row, pairs
from kgnb.stores.ledger.migrations import content_hash
from kgnb.stores.ledger.usage import columns, usage_of

DEFAULT_RETRY_MINUTES = 10

OPEN_STATES = (ChapterStatus.PENDING, ChapterStatus.RUNNING)
STOPPED = (TaskStatus.PAUSED, TaskStatus.CANCELLED)


class TaskRows:
    """The part of the ledger that knows tasks."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def create_task(
        self,
        novel_id: int,
        *,
        provider: str,
        model: str,
        use_ai: bool,
        name: str,
        queue: str = "",
        chapter_ids: Sequence[int] | None = None,
        thing_kinds: Sequence[str] | None = None,
    ) -> int:
        """Creates a task over the whole novel, or over some of its chapters; returns its id.

        ``queue`` is where its item will wait: it is queued there again should that item be lost.
        ``thing_kinds`` are asked for whatever the config says when it is opened.
        """
        kinds = None if thing_kinds is None else json.dumps(list(thing_kinds), ensure_ascii=False)
        facts: dict[str, Any] = {"provider": provider, "model": model, "queue": queue, "kinds": kinds}
        facts |= {"token": 0, "settled": 0}
        return await self._sql.run(
            lambda c: new_task(
                self._sql, c, novel_id, use_ai=use_ai, name=name, chapter_ids=chapter_ids, facts=facts
            )
        )

    async def find_task(self, novel_id: int, provider: str, model: str) -> Task | None:
        """The novel's newest task with this provider (case aside) and model."""
        query = task_query().where(
            t.tasks.c.novel_id == novel_id,
            sa.func.lower(t.task_facts.c.provider) == provider.lower(),
            t.task_facts.c.model == model,
        )
        return next(iter(await self._read(query.order_by(t.tasks.c.id.desc()).limit(1))), None)

    async def tasks_with(
        self, novel_id: int, provider: str, model: str, kinds: Collection[str] | None = None
    ) -> list[Task]:
        """The novel's tasks with this provider (case aside) and model, oldest first; where ``kinds`` are
        given, those that ask for just these things."""
        mine = t.tasks.c.id.in_(_mine(novel_id, provider, model))
        found = await self._read(task_query().where(mine).order_by(t.tasks.c.id))
        return [task for task in found if kinds is None or set(task.thing_kinds or ()) == set(kinds)]

    async def unplanned(
        self, novel_id: int, provider: str, model: str, *, only: Collection[int] | None = None
    ) -> list[int]:
        """The :meth:`uncovered` chapters that no unfinished task is going to deal with either.

        An unfinished task over the whole novel that was opened already keeps to the chapters it has: its
        names were frozen before the others came. Where ``only`` is given, its tasks alone count.
        """
        return await self._sql.run(lambda c: _unplanned(c, novel_id, _mine(novel_id, provider, model, only)))

    async def tasks_of(self, novel_id: int) -> list[Task]:
        """The novel's tasks, oldest first."""
        return await self._read(task_query().where(t.tasks.c.novel_id == novel_id).order_by(t.tasks.c.id))

    async def uncovered(
        self, novel_id: int, provider: str, model: str, *, only: Collection[int] | None = None
    ) -> list[int]:
        """Ids of the chapters whose present text no task with this provider and model has dealt with.

        A chapter that failed, or that was too short, counts as dealt with. Where ``only`` is given, its tasks
        alone count.
        """
        mine = _mine(novel_id, provider, model, only)
        return await self._sql.run(lambda c: _uncovered(c, novel_id, mine), write=False)

    async def task(self, task_id: int) -> Task | None:
        """The task, or None."""
        return next(iter(await self._read(task_query().where(t.tasks.c.id == task_id))), None)

    async def tasks(self, limit: int = 100) -> list[Task]:
        """Tasks, newest first."""
        return await self._read(task_query().order_by(t.tasks.c.id.desc()).limit(limit))

    async def unfinished(self, limit: int = 1_000, *, after: int = 0) -> list[Task]:
        """Tasks created or running of novels that are there, oldest first, those behind the id ``after``."""
        alive = sa.select(t.novels.c.id).where(sa.func.coalesce(t.novels.c.is_deleting, 0) == 0)
        open_ = t.tasks.c.status.in_((TaskStatus.CREATED, TaskStatus.RUNNING))
        wanted = open_, t.tasks.c.novel_id.in_(alive), t.tasks.c.id > after
        return await self._read(task_query().where(*wanted).order_by(t.tasks.c.id).limit(limit))

    async def statuses(self, task_ids: Iterable[int]) -> dict[int, TaskStatus]:
        """The status of each task that is there."""
        ids = list(task_ids)
        query = sa.select(t.tasks.c.id, t.tasks.c.status).where(t.tasks.c.id.in_(ids))
        rows = await self._sql.run(lambda c: c.execute(query).all(), write=False) if ids else []
        return {task_id: _status(status) for task_id, status in rows}

    async def progress(self, task_id: int) -> Progress:
        """The task's chapters by status and what its rows cost, counted now."""
        return await self._sql.run(lambda c: _progress(c, task_id), write=False)

    async def _read(self, query: sa.Select[Any]) -> list[Task]:
        rows = await self._sql.run(lambda c: c.execute(query).mappings().all(), write=False)
        return [read_task(row) for row in rows]


# --- rows ---------------------------------------------------------------------------------------------------


def task_query() -> sa.Select[Any]:
    """Tasks with what kgnb remembers beside them; :func:`read_task` reads a row."""
    k, f = t.tasks.c, t.task_facts.c
    return sa.select(
        *(k.id, k.novel_id, k.task_name, k.status, k.use_ai, k.chapter_ids, k.error_message),
        *(f.provider, f.model, f.queue, f.settled, f.token, f.kinds),
    ).select_from(t.tasks.outerjoin(t.task_facts, k.id == f.task_id))


def read_task(row: Any) -> Task:
    """A row of :func:`task_query`."""
    ids = row["chapter_ids"]
    return Task(
        id=row["id"],
        novel_id=row["novel_id"] or 0,
        name=row["task_name"] or "",
        status=_status(row["status"]),
        use_ai=row["use_ai"] is None or bool(row["use_ai"]),
        chapter_ids=_ids(ids) if isinstance(ids, list) else None,
        provider=row["provider"] or "",
        model=row["model"] or "",
        queue=row["queue"] or "",
        settled=bool(row["settled"]),
        error=row["error_message"] or "",
        thing_kinds=None if row["kinds"] is None else tuple(json.loads(row["kinds"])),
    )


def _ids(values: list[Any]) -> tuple[int, ...]:
    return tuple(int(v) for v in values if isinstance(v, int) or (isinstance(v, str) and v.isdecimal()))


def _status(text: str | None) -> TaskStatus:
    """A status that isn't the contract's is some other program's way to stop a task."""
    return TaskStatus(text) if text in set(TaskStatus) else TaskStatus.PAUSED


def is_stopped(text: str | None) -> bool:
    """Whether nobody may work on a task with this status."""
    return _status(text) in STOPPED


def no_task(task_id: int) -> Task:
    """What stands for a task that isn't there."""
    return Task(task_id, 0, "", TaskStatus.CANCELLED, use_ai=False, chapter_ids=None)


def locked_task(c: sa.Connection, task_id: int) -> tuple[Task | None, int | None]:
    """The task, its row locked, and the token that opened it last (None: no kgnb ever did)."""
    lock = sa.select(t.tasks.c.id).where(t.tasks.c.id == task_id).with_for_update()
    if c.scalar(lock) is None:
        return None, None
    row = c.execute(task_query().where(t.tasks.c.id == task_id)).mappings().one()
    return read_task(row), row["token"] or None


def new_task(
    sql: Database,
    c: sa.Connection,
    novel_id: int,
    *,
    use_ai: bool,
    name: str,
    chapter_ids: Sequence[int] | None,
    facts: dict[str, Any],
) -> int:
    """Inserts a task and its ``facts`` (columns of ``kgnb_tasks``); returns its id."""
    row = _task_row(novel_id, use_ai, name, chapter_ids)
    every = c.scalar(sa.select(sa.func.count()).where(t.chapters.c.novel_id == novel_id))
    total = every if chapter_ids is None else len(chapter_ids)
    task_id = sql.insert(c, t.tasks, [{**row, "total_chapters": total}])
    c.execute(sa.insert(t.task_facts).values(task_id=task_id, novel_id=novel_id, **facts))
    return task_id


def _task_row(novel_id: int, use_ai: bool, name: str, chapter_ids: Sequence[int] | None) -> Row:
    now = beijing_now()
    zero = ("completed_chapters", "failed_chapters", "skipped_chapters", "total_entities", "total_relations")
    return dict.fromkeys((*zero, "auto_retry_enabled", "retry_count"), 0) | {
        "task_name": name[:255],
        "novel_id": novel_id,
        "use_ai": int(use_ai),
        "status": TaskStatus.CREATED,
        "chapter_ids": None if chapter_ids is None else list(chapter_ids),
        "retry_interval_minutes": DEFAULT_RETRY_MINUTES,
        "created_at": now,
        "updated_at": now,
    }


def set_task(c: sa.Connection, task_id: int, **values: Any) -> None:
    """Writes columns of a task's row."""
    values["updated_at"] = beijing_now()
    c.execute(sa.update(t.tasks).where(t.tasks.c.id == task_id).values(**values))


# --- counts -------------------------------------------------------------------------------------------------


def counts_of(c: sa.Connection, task_id: int) -> dict[str, int]:
    """The task's chapters by status."""
    s = t.chapter_status.c
    query = sa.select(s.status, sa.func.count()).where(s.kg_task_id == task_id).group_by(s.status)
    return pairs(c.execute(query))


def counted(c: sa.Connection, task_id: int) -> dict[str, int]:
    """The task row's count columns, from its chapters' rows as they are now."""
    counts = counts_of(c, task_id)
    return {
        "total_chapters": sum(counts.values()),
        "completed_chapters": counts.get(ChapterStatus.COMPLETED, 0),
        "failed_chapters": counts.get(ChapterStatus.FAILED, 0),
        "skipped_chapters": counts.get(ChapterStatus.SKIPPED, 0),
    }


def _progress(c: sa.Connection, task_id: int) -> Progress:
    counts = counts_of(c, task_id)
    e = t.extractions.c
    costs = (e.chars, *columns(t.extractions))
    query = sa.select(*(sa.func.coalesce(sa.func.sum(k), 0) for k in costs)).where(e.task_id == task_id)
    chars, *usage = (int(n) for n in c.execute(query).one())
    by_status = {status.value: counts.get(status, 0) for status in ChapterStatus}
    return Progress(total=sum(counts.values()), chars=chars, usage=usage_of(usage), **by_status)


def _mine(novel_id: int, provider: str, model: str, only: Collection[int] | None = None) -> sa.Select[Any]:
    f = t.task_facts.c
    same = f.novel_id == novel_id, sa.func.lower(f.provider) == provider.lower(), f.model == model
    query = sa.select(f.task_id).where(*same)
    return query if only is None else query.where(f.task_id.in_(only))


def _unplanned(c: sa.Connection, novel_id: int, mine: sa.Select[Any]) -> list[int]:
    left = _uncovered(c, novel_id, mine)
    s = t.chapter_status.c
    for task_id in sorted(c.scalars(mine)) if left else ():
        task, _ = locked_task(c, task_id)
        if task is None or task.ended or task.status is TaskStatus.CANCELLED:
            continue
        states = pairs(c.execute(sa.select(s.chapter_id, s.status).where(s.kg_task_id == task_id)))
        wanted = task.chapter_ids
        if states:
            if wanted is None and not states.keys() >= set(left):
                set_task(c, task_id, chapter_ids=sorted(states))
            planned = {i for i, status in states.items() if status in OPEN_STATES}
        else:
            planned = set(left if wanted is None else wanted)
        left = [i for i in left if i not in planned]
    return left


def _uncovered(c: sa.Connection, novel_id: int, mine: sa.Select[Any]) -> list[int]:
    k, e, s = t.chapters.c, t.extractions.c, t.chapter_status.c
    done: dict[int, set[str]] = defaultdict(set)
    for chapter_id, found in c.execute(sa.select(e.chapter_id, e.text_hash).where(e.task_id.in_(mine))):
        done[chapter_id].add(found)
    ended = sa.select(s.chapter_id, s.status).where(s.kg_task_id.in_(mine), s.status.not_in(OPEN_STATES))
    states = pairs(c.execute(ended))
    chapters = sa.select(k.id, content_hash(c)).where(k.novel_id == novel_id)
    rows = c.execute(chapters.order_by(k.chapter_number, k.id)).all()
    grown = _grown(c, [i for i, state in states.items() if state == ChapterStatus.SKIPPED])
    dealt = {i for i in states if i not in done and i not in grown}
    return [i for i, now in rows if now not in done.get(i, ()) and i not in dealt]


def _grown(c: sa.Connection, skipped: Sequence[int]) -> set[int]:
    """Chapters that were skipped as too short and aren't any more."""
    query = sa.select(t.chapters.c.id, t.chapters.c.content).where(t.chapters.c.id.in_(skipped))
    rows = c.execute(query) if skipped else ()
    return {i for i, text in rows if len("".join((text or "").split())) >= MIN_CHAPTER_CHARS}
