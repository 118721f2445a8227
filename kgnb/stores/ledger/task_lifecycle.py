"""A task's life in SQL: open, freeze its names, close, retry, delete.

A row of ``knowledge_graph_tasks`` is locked first, so opening, closing, claiming and main's own commands
take turns on it. *Finished* is: cancelled, or no chapter pending or running and settled (``kgnb_tasks``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from kgnb.core.messages import say
from kgnb.core.model import ChapterStatus, Task, TaskStatus, beijing_now
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import replace_names
from kgnb.stores.ledger.database import Database, Row, pairs, upsert
from kgnb.stores.ledger.tasks import (
    DEFAULT_RETRY_MINUTES,
    OPEN_STATES,
    STOPPED,
    counted,
    counts_of,
    locked_task,
    no_task,
    set_task,
)

MAX_RETRIES = 3
"""Automatic retries of a task; the interval doubles each time."""

Outcome = Literal["open", "finished", "paused", "cancelled", "gone", "stale", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Opening:
    """How opening a task went. ``chapters``: ids still to do, in order; ``task`` is as it is now."""

    outcome: Outcome
    task: Task
    chapters: list[int]


class Lives:
    """The part of the ledger that moves tasks from created to their end."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    # --- opening

    async def open_task(
        self,
        task_id: int,
        *,
        queue: str,
        provider: str,
        model: str,
        token: int,
        fresh: bool,
        instead_of: str = "",
    ) -> Opening:
        """Opens a task for the holder of its item, in one repeatable transaction.

        ``stale``: a higher token was here; ``paused``: and the item isn't fresh; ``finished``: nothing is
        left to do, and a status that main wrote over the closing one is put right; ``elsewhere``: it was
        opened from another queue than ``instead_of``, which the caller found deserted. Else the task runs,
        every chapter has its row, and queue, provider and model are remembered.
        """
        facts = {"queue": queue, "provider": provider, "model": model, "token": token}
        return await self._sql.run(lambda c: self._open(c, task_id, facts, fresh, instead_of))

    def _open(
        self, c: sa.Connection, task_id: int, facts: dict[str, Any], fresh: bool, instead_of: str
    ) -> Opening:
        task, token = locked_task(c, task_id)
        if task is None or not novel_alive(c, task.novel_id):
            return Opening("gone", task or no_task(task_id), [])
        if token is not None and token > facts["token"]:
            return Opening("stale", task, [])
        if task.status is TaskStatus.CANCELLED:
            return Opening("cancelled", task, [])
        if task.status is TaskStatus.PAUSED and not fresh:
            return Opening("paused", task, [])
        chapters = self._chapter_rows(c, task)
        # One that others completed and no kgnb ever opened isn't ours to settle.
        foreign = token is None and task.status is TaskStatus.COMPLETED
        if not chapters and (task.settled or foreign):
            return Opening("finished", _put_right(c, task), [])
        if task.queue not in ("", facts["queue"], instead_of):
            return Opening("elsewhere", task, [])
        _run_task(c, task, facts)
        named = {k: facts[k] for k in ("queue", "provider", "model")}
        task = replace(task, status=TaskStatus.RUNNING, settled=False, **named)
        return Opening("open", task, chapters)

    def _chapter_rows(self, c: sa.Connection, task: Task) -> list[int]:
        """Makes the task's chapter rows complete; returns the ids still to do, in order."""
        k, s = t.chapters.c, t.chapter_status.c
        query = sa.select(k.id).where(k.novel_id == task.novel_id).order_by(k.chapter_number, k.id)
        only = None if task.chapter_ids is None else set(task.chapter_ids)
        wanted = [i for i in c.scalars(query) if only is None or i in only]
        there = set(wanted)
        rows = c.execute(sa.select(s.chapter_id, s.status).where(s.kg_task_id == task.id))
        states = pairs(rows)
        now = beijing_now()
        missing = [_chapter_row(task.id, i, now) for i in wanted if i not in states]
        self._sql.insert(c, t.chapter_status, missing)
        lost = [i for i, status in states.items() if status in OPEN_STATES and i not in there]
        if lost:  # main deleted the chapter; waiting for it would never end
            ended = {"status": ChapterStatus.SKIPPED, "completed_at": now, "updated_at": now}
            c.execute(
                sa.update(t.chapter_status)
                .where(s.kg_task_id == task.id, s.chapter_id.in_(lost), s.status.in_(OPEN_STATES))
                .values(**ended)
            )
        return [i for i in wanted if states.get(i, ChapterStatus.PENDING) in OPEN_STATES]

    # --- names

    async def freeze_names(
        self,
        task_id: int,
        novel_id: int,
        names: Sequence[NameEntry],
        state: str = "",
        kinds: Sequence[str] = (),
    ) -> list[NameEntry]:
        """Stores the names of the task's prompts once; the first call wins, and its names are returned.

        They become the novel's name table, unless one is there and ``state`` (``text_state`` when the scan
        began) is not that of the present text. ``kinds``: of things that the task asks for from now on,
        unless it has its own.
        """
        return await self._sql.run(lambda c: _freeze(c, task_id, novel_id, names, state, kinds))

    async def task_names(self, task_id: int) -> list[NameEntry] | None:
        """The names that the task's prompts use; None before they were frozen."""
        return await self._sql.run(lambda c: _frozen(c, task_id), write=False)

    # --- closing

    async def close_task(self, task_id: int, token: int) -> TaskStatus | None:
        """Closes a settled task: counts, totals, status and the mark, in one transaction.

        None when a chapter is pending or running again, main paused, cancelled or deleted the task, or a
        higher token opened it: then it isn't closed.
        """
        return await self._sql.run(lambda c: _close(c, task_id, token))

    async def start_due_retries(self) -> list[Task]:
        """Starts the automatic retries that are due: failed chapters are pending again, status created.

        Returns the tasks; each wants a fresh item in its queue.
        """
        query = sa.select(t.tasks.c.id).where(
            t.tasks.c.status == TaskStatus.FAILED,
            t.tasks.c.auto_retry_enabled == 1,
            t.tasks.c.retry_scheduled_at <= beijing_now(),
            sa.func.coalesce(t.tasks.c.retry_count, 0) < MAX_RETRIES,
        )
        ids = await self._sql.run(lambda c: c.scalars(query).all(), write=False)
        started = [await self._sql.run(lambda c, i=i: _start_retry(c, i)) for i in ids]  # type: ignore[misc]
        return [task for task in started if task is not None]

    async def delete_task(self, task_id: int) -> int | None:
        """Deletes a task with all its rows; returns its novel's id, None when there was no such task.

        The replies it paid for stay in the cache. Settle the novel afterwards.
        """
        return await self._sql.run(lambda c: _delete(c, task_id))


# --- opening ----------------------------------------------------------------------------------------------


def novel_alive(c: sa.Connection, novel_id: int) -> bool:
    """Whether the novel is there and main isn't deleting it."""
    query = sa.select(t.novels.c.is_deleting).where(t.novels.c.id == novel_id)
    row = c.execute(query).first()
    return row is not None and not row[0]


def _chapter_row(task_id: int, chapter_id: int, now: datetime) -> Row:
    return {
        "kg_task_id": task_id,
        "chapter_id": chapter_id,
        "status": ChapterStatus.PENDING,
        "entities_extracted": 0,
        "relations_extracted": 0,
        "created_at": now,
        "updated_at": now,
    }


def _run_task(c: sa.Connection, task: Task, facts: dict[str, Any]) -> None:
    started = sa.func.coalesce(t.tasks.c.started_at, beijing_now())
    values = {"status": TaskStatus.RUNNING, "started_at": started, "paused_at": None, "completed_at": None}
    set_task(c, task.id, **values, **counted(c, task.id))
    row = {**facts, "task_id": task.id, "novel_id": task.novel_id, "settled": 0, "opened_at": beijing_now()}
    changed = ("queue", "provider", "model", "token", "settled", "opened_at")
    upsert(c, t.task_facts, [row], lambda _, new: {k: new[k] for k in changed})


# --- closing ------------------------------------------------------------------------------------------------


def _put_right(c: sa.Connection, task: Task) -> Task:
    """A finished task's status, where main wrote over it after it was closed."""
    if task.status in (TaskStatus.COMPLETED, TaskStatus.FAILED):
        return task
    counts = counted(c, task.id)
    status = TaskStatus.FAILED if counts["failed_chapters"] else TaskStatus.COMPLETED
    set_task(c, task.id, status=status, completed_at=beijing_now(), paused_at=None, **counts)
    return replace(task, status=status)


def _close(c: sa.Connection, task_id: int, token: int) -> TaskStatus | None:
    task, stored = locked_task(c, task_id)
    if task is None or stored != token or task.status in STOPPED:
        return None
    if any(counts_of(c, task_id).get(state) for state in OPEN_STATES):
        return None
    counts, now = counted(c, task_id), beijing_now()
    failed = counts["failed_chapters"]
    status = TaskStatus.FAILED if failed else TaskStatus.COMPLETED
    error = say("ledger.chapters_failed", failed=failed) if failed else None
    ended = {"status": status, "completed_at": now, "current_chapter_id": None, "error_message": error}
    set_task(
        c, task_id, **ended, **counts, **_totals(c, task_id), **(_failure(c, task_id, now) if failed else {})
    )
    facts = sa.update(t.task_facts).where(t.task_facts.c.task_id == task_id)
    c.execute(facts.values(settled=1, settled_at=now))
    return status


def _totals(c: sa.Connection, task_id: int) -> dict[str, int]:
    s = t.chapter_status.c
    sums = (sa.func.coalesce(sa.func.sum(k), 0) for k in (s.entities_extracted, s.relations_extracted))
    entities, relations = c.execute(sa.select(*sums).where(s.kg_task_id == task_id)).one()
    return {"total_entities": int(entities), "total_relations": int(relations)}


def _failure(c: sa.Connection, task_id: int, now: datetime) -> dict[str, Any]:
    k = t.tasks.c
    query = sa.select(k.auto_retry_enabled, k.retry_interval_minutes, k.retry_count).where(k.id == task_id)
    wanted, minutes, done = c.execute(query).one()
    due = None
    if wanted and (done or 0) < MAX_RETRIES:
        due = now + timedelta(minutes=(minutes or DEFAULT_RETRY_MINUTES) * 2 ** (done or 0))
    return {"failed_at": now, "retry_scheduled_at": due}


def _start_retry(c: sa.Connection, task_id: int) -> Task | None:
    task, _ = locked_task(c, task_id)
    due = sa.select(t.tasks.c.retry_scheduled_at).where(t.tasks.c.id == task_id)
    at = c.scalar(due)
    if task is None or task.status is not TaskStatus.FAILED or at is None or at > beijing_now():
        return None  # another node, or main, was first
    s = t.chapter_status.c
    again = {"status": ChapterStatus.PENDING, "error_message": None, "updated_at": beijing_now()}
    failed = s.kg_task_id == task_id, s.status == ChapterStatus.FAILED
    c.execute(sa.update(t.chapter_status).where(*failed).values(**again))
    count = sa.func.coalesce(t.tasks.c.retry_count, 0) + 1
    retried = {"status": TaskStatus.CREATED, "retry_count": count, "retry_scheduled_at": None}
    set_task(c, task_id, **retried, error_message=None, **counted(c, task_id))
    return replace(task, status=TaskStatus.CREATED, error="")


def _delete(c: sa.Connection, task_id: int) -> int | None:
    task, _ = locked_task(c, task_id)
    # Claims first: who saves a row holds its claim locked, and then the row is seen here.
    own = (t.claims, t.extractions, t.raw_replies, t.task_facts)
    for table in own:
        c.execute(sa.delete(table).where(table.c.task_id == task_id))
    c.execute(sa.delete(t.chapter_status).where(t.chapter_status.c.kg_task_id == task_id))
    c.execute(sa.delete(t.tasks).where(t.tasks.c.id == task_id))
    return task.novel_id if task is not None else None


# --- names --------------------------------------------------------------------------------------------------


def _frozen(c: sa.Connection, task_id: int) -> list[NameEntry] | None:
    stored = c.scalar(sa.select(t.task_facts.c.names).where(t.task_facts.c.task_id == task_id))
    if stored is None:
        return None
    return [NameEntry(name, tuple(aliases), *rest) for name, aliases, *rest in json.loads(stored)]


def _freeze(
    c: sa.Connection,
    task_id: int,
    novel_id: int,
    names: Sequence[NameEntry],
    state: str,
    kinds: Sequence[str],
) -> list[NameEntry]:
    task, _ = locked_task(c, task_id)
    stored = _frozen(c, task_id)
    if stored is not None:
        return stored
    if task is None:  # deleted meanwhile: nothing of it is kept
        return list(names)
    rows = [
        (n.name, n.aliases, n.kind, n.mentions, n.first_chapter, n.last_chapter, n.chapters) for n in names
    ]
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    asked = json.dumps(list(kinds if task.thing_kinds is None else task.thing_kinds), ensure_ascii=False)
    row = {"task_id": task_id, "novel_id": novel_id, "token": 0, "settled": 0, "names": text, "kinds": asked}
    upsert(c, t.task_facts, [row], lambda _, new: {"names": new.names, "kinds": new.kinds})
    replace_names(c, novel_id, names, state)
    return list(names)
