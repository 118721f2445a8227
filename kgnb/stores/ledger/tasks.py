"""Tasks in SQL: create, find, list. Counts are always derived from rows, never incremented."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from kgnb.core.model import (
    ACTIVE_STATUSES,
    MIN_CHAPTER_CHARS,
    STOPPED_STATUSES,
    ChapterStatus,
    Task,
    TaskStatus,
    beijing_now,
)
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import novel_not_deleting
from kgnb.stores.ledger.database import DatabasePart, reading, transaction
from kgnb.stores.ledger.migrations import content_hash

DEFAULT_RETRY_MINUTES = 10

OPEN_STATES = (ChapterStatus.PENDING, ChapterStatus.RUNNING)
RATE_SECONDS = 300.0
"""Window in which speed is measured: long enough for slow models, short enough to follow changes."""
_ZERO_COLUMNS = (
    *("completed_chapters", "failed_chapters", "skipped_chapters", "total_entities", "total_relations"),
    *("auto_retry_enabled", "retry_count"),
)


class Tasks(DatabasePart):
    """Main's tasks with what ``kgnb_tasks`` adds; what a task still covers of its novel."""

    def insert(
        self,
        c: sa.Connection,
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
        """Insert a task over the whole novel, or over some of its chapters; return its id.

        ``create`` does it in a transaction of its own. ``queue`` is where the task's item will wait, and be
        queued again if it is lost. ``thing_kinds`` override those of the config that it is opened with.
        """
        in_novel = sa.select(sa.func.count()).where(t.chapters.c.novel_id == novel_id).scalar_subquery()
        now = beijing_now()
        row = dict.fromkeys(_ZERO_COLUMNS, 0) | {
            "task_name": name[:255],
            "novel_id": novel_id,
            "use_ai": int(use_ai),
            "status": TaskStatus.CREATED,
            "chapter_ids": None if chapter_ids is None else list(chapter_ids),
            "total_chapters": in_novel if chapter_ids is None else len(chapter_ids),
            "retry_interval_minutes": DEFAULT_RETRY_MINUTES,
            "created_at": now,
            "updated_at": now,
        }
        kinds = None if thing_kinds is None else json.dumps(list(thing_kinds), ensure_ascii=False)
        task_id = self._database.insert(c, t.tasks, [row])
        own = {"task_id": task_id, "novel_id": novel_id, "token": 0, "settled": 0, "kinds": kinds}
        c.execute(sa.insert(t.task_facts).values(**own, provider=provider, model=model, queue=queue))
        return task_id

    create = transaction(insert)

    @reading
    def get(self, c: sa.Connection, task_id: int) -> Task | None:
        """Return the task; None for an unknown id."""
        return next(iter(read_tasks(c, t.tasks.c.id == task_id)), None)

    @reading
    def newest(self, c: sa.Connection, limit: int = 100) -> list[Task]:
        """Return at most ``limit`` tasks, newest first."""
        return read_tasks(c, order=t.tasks.c.id.desc(), limit=limit)

    @reading
    def of_novel(self, c: sa.Connection, novel_id: int) -> list[Task]:
        """Return the novel's tasks, oldest first."""
        return read_tasks(c, t.tasks.c.novel_id == novel_id)

    @reading
    def with_model(
        self, c: sa.Connection, novel_id: int, provider: str, model: str, kinds: Collection[str] | None = None
    ) -> list[Task]:
        """Return the novel's tasks with this provider (in any letter case) and model, oldest first.

        With ``kinds`` only tasks for exactly these kinds of things, in any order.
        """
        f = t.task_facts.c
        found = read_tasks(c, f.novel_id == novel_id, f.model == model)
        theirs = (task for task in found if task.provider.lower() == provider.lower())
        return [task for task in theirs if kinds is None or set(task.thing_kinds or ()) == set(kinds)]

    @reading
    def unfinished(self, c: sa.Connection, *, after: int = 0) -> list[Task]:
        """Return created or running tasks of existing novels with an id above ``after``, at most 1,000,
        oldest first.
        """
        is_open = t.tasks.c.status.in_(ACTIVE_STATUSES)
        return read_tasks(c, is_open, _has_novel(), t.tasks.c.id > after, limit=1_000)

    @reading
    def statuses(self, c: sa.Connection, task_ids: Collection[int]) -> dict[int, TaskStatus]:
        """Return task id → status; without unknown tasks and those of novels that main is deleting."""
        wanted = t.tasks.c.id.in_(list(task_ids)), _has_novel()
        query = sa.select(t.tasks.c.id, t.tasks.c.status).where(*wanted)
        return {task_id: _status(status) for task_id, status in c.execute(query)}

    @reading
    def completed_chapters(self, c: sa.Connection, task_ids: Collection[int]) -> dict[int, int]:
        """Return task id → number of completed chapters, for the tasks that exist."""
        k = t.tasks.c
        query = sa.select(k.id, sa.func.coalesce(k.completed_chapters, 0)).where(k.id.in_(list(task_ids)))
        return dict(c.execute(query).all()) if task_ids else {}

    def _uncovered(self, c: sa.Connection, novel_id: int, tasks: Collection[int]) -> list[int]:
        """Return the ids of the novel's chapters whose present text none of ``tasks`` (ids) has dealt with.

        A chapter that failed, or that was too short, counts as dealt with.
        """
        k, e, s = t.chapters.c, t.extractions.c, t.chapter_status.c
        rows = sa.select(e.chapter_id, e.task_id, e.text_hash).where(e.task_id.in_(tasks))
        extracted = c.execute(rows.order_by(e.task_id)).all()
        last_row = {chapter_id: task_id for chapter_id, task_id, _ in extracted}
        ends = sa.select(s.chapter_id, s.kg_task_id, s.status).where(
            s.kg_task_id.in_(tasks), s.status.not_in(OPEN_STATES)
        )
        # A changed chapter that failed, or is too short by now, keeps the row of its earlier text, of an
        # older task.
        ended_without_row = {
            chapter_id: status
            for chapter_id, task_id, status in c.execute(ends.order_by(s.kg_task_id))
            if task_id > last_row.get(chapter_id, 0)
        }
        grown = _grown_chapters(
            c, [i for i, state in ended_without_row.items() if state == ChapterStatus.SKIPPED]
        )
        covered = {(i, text_hash) for i, _, text_hash in extracted}
        chapters = sa.select(k.id, content_hash(c)).where(k.novel_id == novel_id)
        hashes = c.execute(chapters.order_by(k.chapter_number, k.id)).all()
        return [i for i, h in hashes if (i, h) not in covered and (i in grown or i not in ended_without_row)]

    uncovered_chapters = reading(_uncovered)

    @transaction
    def unplanned_chapters(self, c: sa.Connection, novel_id: int, tasks: Collection[int]) -> list[int]:
        """Return those :meth:`uncovered_chapters` that no unfinished one of ``tasks`` (ids) will deal with
        either.

        An unfinished task over the whole novel that was opened before keeps to the chapters it has, because
        its names were frozen without the new ones.
        """
        left = self._uncovered(c, novel_id, tasks)
        for task_id in sorted(tasks) if left else ():
            task, _ = locked_task(c, task_id)
            if task is None or task.ended or task.status is TaskStatus.CANCELLED:
                continue
            states = read_states(c, task_id)
            wanted = task.chapter_ids
            if states:
                if wanted is None and not states.keys() >= set(left):
                    set_task(c, task_id, chapter_ids=sorted(states))
                planned = {i for i, status in states.items() if status in OPEN_STATES}
            else:
                planned = set(left if wanted is None else wanted)
            left = [i for i in left if i not in planned]
        return left

    @reading
    def provider_name(self, c: sa.Connection, key: str) -> str | None:
        """Return the provider with the lower-case name ``key``, as its newest task spells it; None if no task
        has it.
        """
        f = t.task_facts.c
        query = sa.select(f.provider).where(asks(c, key))
        return c.scalar(query.order_by(f.task_id.desc()).limit(1))


def asks(c: sa.Connection, provider: str) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a task is for this provider, in any letter case.

    Names are compared in Python, as in queue keys, since the ``lower()`` of databases differ.
    """
    stored = c.scalars(sa.select(t.task_facts.c.provider).distinct())
    return t.task_facts.c.provider.in_([name for name in stored if name and name.lower() == provider.lower()])


def _has_novel() -> sa.ColumnElement[bool]:
    """Return the SQL condition that the task's novel exists."""
    return t.tasks.c.novel_id.in_(sa.select(t.novels.c.id).where(novel_not_deleting()))


def read_tasks(
    c: sa.Connection,
    *where: sa.ColumnElement[bool],
    order: sa.ColumnElement[Any] = t.tasks.c.id,
    limit: int | None = None,
) -> list[Task]:
    """Return the tasks that fulfil all conditions, sorted by ``order`` (default: id), at most ``limit``."""
    rows = c.execute(_task_query().where(*where).order_by(order).limit(limit)).mappings()
    return [_read_task(row) for row in rows]


def _task_query() -> sa.Select[Any]:
    """Return the query for tasks with their ``kgnb_tasks`` columns; :func:`_read_task` reads a row."""
    k, f = t.tasks.c, t.task_facts.c
    return sa.select(
        *(k.id, k.novel_id, k.task_name, k.status, k.use_ai, k.chapter_ids, k.error_message),
        *(f.provider, f.model, f.queue, f.settled, f.token, f.kinds),
    ).select_from(t.tasks.outerjoin(t.task_facts, k.id == f.task_id))


def _read_task(row: Any) -> Task:
    """Return the task in a row of :func:`_task_query`."""
    return Task(
        id=row["id"],
        novel_id=row["novel_id"] or 0,
        name=row["task_name"] or "",
        status=_status(row["status"]),
        use_ai=row["use_ai"] != 0,
        chapter_ids=_ids(row["chapter_ids"]),
        provider=row["provider"] or "",
        model=row["model"] or "",
        queue=row["queue"] or "",
        refreshed=bool(row["settled"]),
        error=row["error_message"] or "",
        thing_kinds=None if row["kinds"] is None else tuple(json.loads(row["kinds"])),
    )


def _ids(value: Any) -> tuple[int, ...] | None:
    """Return the chapter ids that a task names; None for all chapters, () for a value that is no list.

    The value may be JSON within JSON.
    """
    ids = t.read_json(value)
    if not ids:
        return None
    known = ids if isinstance(ids, list) else []
    return tuple(int(v) for v in known if isinstance(v, int) or (isinstance(v, str) and v.isdecimal()))


def _status(text: str | None) -> TaskStatus:
    """Return the task's status; PAUSED for a text outside the wire contract: another program stops the
    task so.
    """
    return TaskStatus(text) if text in set(TaskStatus) else TaskStatus.PAUSED


def is_stopped(text: str | None) -> bool:
    """Return whether no node may work on a task with this status (text or None); an unknown text counts
    as paused.
    """
    return _status(text) in STOPPED_STATUSES


def placeholder(task_id: int) -> Task:
    """Return a cancelled task without name and novel, for an id that doesn't exist."""
    return Task(task_id, 0, "", TaskStatus.CANCELLED, use_ai=False, chapter_ids=None)


def locked_task(c: sa.Connection, task_id: int) -> tuple[Task | None, int | None]:
    """Lock a task's row until the commit; return (task, token of its last opening).

    (None, None) for an unknown task; the token is None for a task that no kgnb has opened.
    """
    lock = sa.select(t.tasks.c.id).where(t.tasks.c.id == task_id).with_for_update()
    if c.scalar(lock) is None:
        return None, None
    row = c.execute(_task_query().where(t.tasks.c.id == task_id)).mappings().one()
    return _read_task(row), row["token"] or None


def set_task(c: sa.Connection, task_id: int, **values: Any) -> None:
    """Set columns (by name) of a task's row, and its time of update."""
    values["updated_at"] = beijing_now()
    c.execute(sa.update(t.tasks).where(t.tasks.c.id == task_id).values(**values))


def read_states(c: sa.Connection, task_id: int) -> dict[int, str]:
    """Return chapter id → status, for the task's chapters that have a row."""
    s = t.chapter_status.c
    return dict(c.execute(sa.select(s.chapter_id, s.status).where(s.kg_task_id == task_id)).all())


def set_chapters(c: sa.Connection, task_id: int, *where: sa.ColumnElement[bool], **values: Any) -> None:
    """Set columns (by name) of the task's chapters that meet the conditions ``where``."""
    update = sa.update(t.chapter_status).where(t.chapter_status.c.kg_task_id == task_id, *where)
    c.execute(update.values(**values, updated_at=beijing_now()))


def count_states(c: sa.Connection, task_id: int) -> dict[str, int]:
    """Return status → number of the task's chapters; without statuses that no chapter has."""
    s = t.chapter_status.c
    query = sa.select(s.status, sa.func.count()).where(s.kg_task_id == task_id).group_by(s.status)
    return dict(c.execute(query).all())


def read_rates(c: sa.Connection, task_ids: Sequence[int]) -> dict[int, float]:
    """Return task id → chapters that ended per minute in the last :data:`RATE_SECONDS` (300); only tasks
    where any ended.
    """
    now, s = beijing_now(), t.chapter_status.c
    window = now - timedelta(seconds=RATE_SECONDS)
    # Measured from the first start in the window: a task may have run for less than the window.
    recent = (
        sa.select(s.kg_task_id, sa.func.count(), sa.func.min(s.started_at))
        .where(s.kg_task_id.in_(task_ids), s.status.not_in(OPEN_STATES), s.completed_at > window)
        .group_by(s.kg_task_id)
    )
    rates = {}
    for task_id, number, first in c.execute(recent):
        began = max(window, first) if isinstance(first, datetime) else window
        rates[task_id] = 60 * number / max(1.0, (now - began).total_seconds())
    return rates


def count_columns(c: sa.Connection, task_id: int) -> dict[str, int]:
    """Return the count columns of a task's row (name → number), counted from its chapters' rows."""
    return columns_of(count_states(c, task_id))


def columns_of(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the count columns of a task's row for ``counts``, status → number of chapters.

    {"completed": 2, "failed": 1} gives total_chapters 3, completed_chapters 2, failed_chapters 1,
    skipped_chapters 0.
    """
    return {
        "total_chapters": sum(counts.values()),
        "completed_chapters": counts.get(ChapterStatus.COMPLETED, 0),
        "failed_chapters": counts.get(ChapterStatus.FAILED, 0),
        "skipped_chapters": counts.get(ChapterStatus.SKIPPED, 0),
    }


def _grown_chapters(c: sa.Connection, skipped: Sequence[int]) -> set[int]:
    """Return the ids of chapters that were skipped as too short and are long enough now."""
    query = sa.select(t.chapters.c.id, t.chapters.c.content).where(t.chapters.c.id.in_(skipped))
    rows = c.execute(query) if skipped else ()
    return {i for i, text in rows if len("".join((text or "").split())) >= MIN_CHAPTER_CHARS}
