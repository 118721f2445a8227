"""A task's life in SQL: open, close, retry, delete.

The row of ``knowledge_graph_tasks`` is locked first, so that opening, closing, claiming and main's own
commands take turns. *Finished* means: cancelled, or with no chapter pending or running and a graph that was
refreshed since (``settled`` in ``kgnb_tasks``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from kgnb.core.messages import say
from kgnb.core.model import CLOSED_STATUSES, STOPPED_STATUSES, ChapterStatus, Task, TaskStatus, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger import tasks
from kgnb.stores.ledger.books import existing_novels
from kgnb.stores.ledger.database import DatabasePart, Row, reading, transaction, upsert

MAX_RETRIES = 3
"""Automatic retries of a task; the interval doubles each time."""

Outcome = Literal["open", "finished", "paused", "cancelled", "gone", "stale", "elsewhere", "old_worker"]


@dataclass(frozen=True, slots=True)
class Opening:
    """The result of opening a task."""

    outcome: Outcome
    task: Task  # as it is now
    chapters: list[int]  # ids still to do, in order
    token: int = 0  # the higher one of a stale opening


class TaskLifecycle(DatabasePart):
    """Moves tasks from created to their end."""

    @transaction
    def open(
        self,
        c: sa.Connection,
        task_id: int,
        *,
        queue: str,
        provider: str,
        model: str,
        token: int,
        fresh: bool,
        instead_of: str = "",
    ) -> Opening:
        """Open a task for the holder of its item, in one repeatable transaction; return outcome, task and
        chapters to do.

        Outcomes: ``open``: the task runs, every chapter has its row, queue, provider and model are stored;
        ``gone``: it or its novel doesn't exist; ``stale``: a higher token opened it; ``cancelled``;
        ``paused``: it is, and the item isn't fresh; ``finished``: nothing is left to do (a status that main
        wrote over the closing one is corrected), or its list of chapters can't be read and it has failed;
        ``elsewhere``: it was opened from a queue other than ``instead_of``, which the caller found deserted.
        Only the caller can know whether an ``old_worker`` is at work on it.
        """
        facts = {"queue": queue, "provider": provider, "model": model, "token": token}
        task, stored_token = tasks.locked_task(c, task_id)
        if task is None or not existing_novels(c, [task.novel_id]):
            return Opening("gone", task or tasks.placeholder(task_id), [])
        if stored_token is not None and stored_token > token:
            return Opening("stale", task, [], stored_token)
        if task.status is TaskStatus.CANCELLED:
            return Opening("cancelled", task, [])
        if task.status is TaskStatus.PAUSED and not fresh:
            return Opening("paused", task, [])
        if task.chapter_ids == ():
            return Opening("finished", _fail_unreadable(c, task), [])
        states = self._complete_chapter_rows(c, task)
        chapters = [chapter for chapter, state in states.items() if state in tasks.OPEN_STATES]
        # Completed by another program and never opened by kgnb: not ours to refresh.
        foreign = stored_token is None and task.status is TaskStatus.COMPLETED
        if not chapters and (task.refreshed or foreign):
            return Opening("finished", _correct_status(c, task), [])
        if task.queue not in ("", queue, instead_of):
            return Opening("elsewhere", task, [])
        _start_task(c, task, facts, Counter(states.values()))
        running = replace(task, queue=queue, provider=provider, model=model)
        return Opening("open", replace(running, status=TaskStatus.RUNNING, refreshed=False), chapters)

    def _complete_chapter_rows(self, c: sa.Connection, task: Task) -> dict[int, str]:
        """Insert the task's missing chapter rows; return every row's status by the chapter's id, in order."""
        k, s = t.chapters.c, t.chapter_status.c
        query = sa.select(k.id).where(k.novel_id == task.novel_id).order_by(k.chapter_number, k.id)
        only = None if task.chapter_ids is None else set(task.chapter_ids)
        wanted = [i for i in c.scalars(query) if only is None or i in only]
        stored = tasks.read_states(c, task.id)
        now = beijing_now()
        missing = [pending_chapter_row(task.id, i, now) for i in wanted if i not in stored]
        self._database.insert(c, t.chapter_status, missing)
        states = {i: stored.pop(i, ChapterStatus.PENDING) for i in wanted}
        if deleted := [i for i, state in stored.items() if state in tasks.OPEN_STATES]:
            # By main: waiting for them would never end.
            still_open = s.chapter_id.in_(deleted), s.status.in_(tasks.OPEN_STATES)
            tasks.set_chapters(c, task.id, *still_open, status=ChapterStatus.SKIPPED, completed_at=now)
            stored |= dict.fromkeys(deleted, ChapterStatus.SKIPPED)
        return states | stored

    @transaction
    def close(self, c: sa.Connection, task_id: int, token: int) -> TaskStatus | None:
        """Close a task whose graph is refreshed: counts, totals, status and the mark, in one transaction;
        return the status, ``completed``, or ``failed`` if any chapter failed.

        None, and nothing is written, when a chapter is open again, main paused, cancelled or deleted the
        task, or a higher token opened it.
        """
        task, stored = tasks.locked_task(c, task_id)
        if task is None or stored != token or task.status in STOPPED_STATUSES:
            return None
        states = tasks.count_states(c, task_id)
        if any(states.get(state) for state in tasks.OPEN_STATES):
            return None
        counts, now = tasks.columns_of(states), beijing_now()
        failed = counts["failed_chapters"]
        status = TaskStatus.FAILED if failed else TaskStatus.COMPLETED
        error = say("ledger.chapters_failed", failed=failed) if failed else None
        values = {"status": status, "completed_at": now, "current_chapter_id": None, "error_message": error}
        values |= _total_columns(c, task_id) | (_failure_columns(c, task_id, now) if failed else {})
        tasks.set_task(c, task_id, **values, **counts)
        mark_refreshed(c, task_id, now)
        return status

    async def start_due_retries(self) -> list[Task]:
        """Start the automatic retries that are due: failed chapters become pending, the task ``created``;
        return these tasks.

        Each needs a fresh item in its queue.
        """
        started = [await self._start_retry(task_id) for task_id in await self._due_retries()]
        return [task for task in started if task is not None]

    @reading
    def _due_retries(self, c: sa.Connection) -> Sequence[int]:
        """Return the ids of the failed tasks whose automatic retry is due."""
        k = t.tasks.c
        query = sa.select(k.id).where(
            k.status == TaskStatus.FAILED,
            k.auto_retry_enabled == 1,
            k.retry_scheduled_at <= beijing_now(),
            sa.func.coalesce(k.retry_count, 0) < MAX_RETRIES,
        )
        return c.scalars(query).all()

    @transaction
    def _start_retry(self, c: sa.Connection, task_id: int) -> Task | None:
        """Set a task's failed chapters to pending and return the task; None if its retry isn't due
        any more.
        """
        task, _ = tasks.locked_task(c, task_id)
        due = c.scalar(sa.select(t.tasks.c.retry_scheduled_at).where(t.tasks.c.id == task_id))
        if task is None or task.status is not TaskStatus.FAILED or due is None or due > beijing_now():
            return None  # another node, or main, was first
        failed = t.chapter_status.c.status == ChapterStatus.FAILED
        tasks.set_chapters(c, task_id, failed, status=ChapterStatus.PENDING, error_message=None)
        count = sa.func.coalesce(t.tasks.c.retry_count, 0) + 1
        retried = {"status": TaskStatus.CREATED, "retry_count": count, "retry_scheduled_at": None}
        tasks.set_task(c, task_id, **retried, error_message=None, **tasks.count_columns(c, task_id))
        return replace(task, status=TaskStatus.CREATED, error="")

    @transaction
    def delete(self, c: sa.Connection, task_id: int) -> int | None:
        """Delete a task with all its rows; return its novel's id, None for an unknown task.

        Nodes that still work on it can store nothing from here on. Its replies stay in the cache. The task is
        an orphan (orphans.py) until its novel's graph has been refreshed, so that a node can complete an
        interrupted deletion.
        """
        task, _ = tasks.locked_task(c, task_id)
        delete_rows(c, task_id)
        if task is None:
            return None
        orphan = {"task_id": task_id, "novel_id": task.novel_id, "token": 0, "settled": 0}
        upsert(c, t.task_facts, [orphan], lambda _, new: {"settled": new.settled})
        c.execute(sa.delete(t.tasks).where(t.tasks.c.id == task_id))
        return task.novel_id


def pending_chapter_row(task_id: int, chapter_id: int, now: datetime) -> Row:
    """Return column → value of a new row of ``knowledge_graph_chapter_status``: a chapter that is pending."""
    return {
        "kg_task_id": task_id,
        "chapter_id": chapter_id,
        "status": ChapterStatus.PENDING,
        "entities_extracted": 0,
        "relations_extracted": 0,
        "created_at": now,
        "updated_at": now,
    }


def _start_task(c: sa.Connection, task: Task, facts: dict[str, Any], states: Mapping[str, int]) -> None:
    started = sa.func.coalesce(t.tasks.c.started_at, beijing_now())
    values = {"status": TaskStatus.RUNNING, "started_at": started, "paused_at": None, "completed_at": None}
    tasks.set_task(c, task.id, **values, **tasks.columns_of(states))
    row = {**facts, "task_id": task.id, "novel_id": task.novel_id, "settled": 0, "opened_at": beijing_now()}
    changed = ("queue", "provider", "model", "token", "settled", "opened_at")
    upsert(c, t.task_facts, [row], lambda _, new: {k: new[k] for k in changed})


def _fail_unreadable(c: sa.Connection, task: Task) -> Task:
    """End a task as failed whose list of chapters can't be read; return it. An ended task stays as it is."""
    if task.status in CLOSED_STATUSES:
        return task
    error = say("ledger.chapter_ids")
    tasks.set_task(c, task.id, status=TaskStatus.FAILED, error_message=error, failed_at=beijing_now())
    return replace(task, status=TaskStatus.FAILED, error=error)


def _correct_status(c: sa.Connection, task: Task) -> Task:
    """Restore a finished task's status where main overwrote it after the task was closed; return the task."""
    if task.status in CLOSED_STATUSES:
        return task
    counts = tasks.count_columns(c, task.id)
    status = TaskStatus.FAILED if counts["failed_chapters"] else TaskStatus.COMPLETED
    tasks.set_task(c, task.id, status=status, completed_at=beijing_now(), paused_at=None, **counts)
    return replace(task, status=status)


def mark_refreshed(c: sa.Connection, task_id: int, now: datetime) -> None:
    """Note that the graph is exact as of the task's rows."""
    facts = sa.update(t.task_facts).where(t.task_facts.c.task_id == task_id)
    c.execute(facts.values(settled=1, settled_at=now))


def _total_columns(c: sa.Connection, task_id: int) -> dict[str, int]:
    """Return the totals of entities and relations over a task's chapters."""
    s = t.chapter_status.c
    sums = (sa.func.coalesce(sa.func.sum(k), 0) for k in (s.entities_extracted, s.relations_extracted))
    entities, relations = c.execute(sa.select(*sums).where(s.kg_task_id == task_id)).one()
    return {"total_entities": int(entities), "total_relations": int(relations)}


def _failure_columns(c: sa.Connection, task_id: int, now: datetime) -> dict[str, Any]:
    """Return the time of a task's failure and of its next automatic retry, None for none."""
    k = t.tasks.c
    query = sa.select(k.auto_retry_enabled, k.retry_interval_minutes, k.retry_count).where(k.id == task_id)
    wanted, minutes, done = c.execute(query).one()
    due = None
    if wanted and (done or 0) < MAX_RETRIES:
        due = now + timedelta(minutes=(minutes or tasks.DEFAULT_RETRY_MINUTES) * 2 ** (done or 0))
    return {"failed_at": now, "retry_scheduled_at": due}


def delete_own_rows(c: sa.Connection, task_id: int) -> None:
    """Delete a task's claims, extractions, replies and costs; the provider's total keeps them."""
    # Claims first: they are locked while a row is saved, so every saved row is seen below.
    for table in (t.claims, t.extractions, t.raw_replies, t.task_spending):
        c.execute(sa.delete(table).where(table.c.task_id == task_id))


def delete_rows(c: sa.Connection, task_id: int) -> None:
    """Delete these, and the task's chapter states."""
    delete_own_rows(c, task_id)
    c.execute(sa.delete(t.chapter_status).where(t.chapter_status.c.kg_task_id == task_id))
