"""A person's commands on a task, in SQL: pause, resume, cancel, retry, delete.

Each is one transaction that locks the task's row first, so that it takes turns with opening, claiming,
closing and main's own writes. Nodes see a command by the task's status; the task's queue items are for
:mod:`kgnb.app.tasks` to tend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from kgnb.core.model import ChapterStatus, Task, TaskStatus, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.chapters import lock_claims
from kgnb.stores.ledger.database import Database, greatest, pairs, upsert
from kgnb.stores.ledger.task_lifecycle import novel_alive
from kgnb.stores.ledger.tasks import OPEN_STATES, counted, counts_of, locked_task, no_task, set_task

ENDED = (TaskStatus.COMPLETED, TaskStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Commanded:
    """How a command went. ``task`` is as it was met, ``chapters`` how many are to be done (again) by retry.

    ``already``: it was so before; ``refused``: its status doesn't allow it; ``gone``: no such task or novel.
    """

    outcome: Literal["done", "already", "refused", "gone"]
    task: Task
    chapters: int = 0

    @property
    def status(self) -> TaskStatus:
        """The status that the command met."""
        return self.task.status


class Commands:
    """The part of the ledger that carries out commands."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def pause_task(self, task_id: int) -> Commanded:
        """Writes ``paused`` into an unfinished task, as main does."""
        return await self._sql.run(lambda c: _stop(c, task_id, TaskStatus.PAUSED))

    async def cancel_task(self, task_id: int) -> Commanded:
        """Writes ``cancelled`` into an unfinished or paused task, as main does."""
        return await self._sql.run(lambda c: _stop(c, task_id, TaskStatus.CANCELLED))

    async def resume_task(self, task_id: int) -> Commanded:
        """Sets a paused task to ``created``; it wants a fresh item.

        Not left ``paused``: should that item be lost, the reconciler queues the task again.
        """
        return await self._sql.run(lambda c: _resume(c, task_id))

    async def retry_task(
        self, task_id: int, dead: Mapping[int, int] | None = None, *, only: bool = False, item: bool = False
    ) -> Commanded:
        """Sets failed chapters to pending, and a task that isn't at work to ``created``.

        ``dead``: chapters on the dead list with their tokens; the ledger may not have been told of these yet,
        and what is told later changes nothing. ``only``: just these. ``item``: the task's own item was on
        that list. ``refused`` where there is nothing to do again. A cancelled task starts again.
        """
        return await self._sql.run(lambda c: _retry(c, task_id, dict(dead or {}), only, item))

    async def give_up_task(self, task_id: int, reason: str) -> bool:
        """Ends a task that never ran as failed, so that nobody queues it again; False: it isn't waiting."""
        return await self._sql.run(lambda c: _give_up(c, task_id, reason))

    async def clear_task(self, task_id: int) -> Task | None:
        """Cancels a task and deletes all it has but its own row; None when there is no such task.

        From here on nobody who still works on it can write a row. :meth:`Lives.delete_task` ends it.
        """
        return await self._sql.run(lambda c: _clear(c, task_id))

    async def called(self, key: str) -> str | None:
        """A provider that tasks ran with, whose lower-case name is ``key``, in its own case."""
        f = t.task_facts.c
        query = sa.select(f.provider).where(sa.func.lower(f.provider) == key)
        query = query.order_by(f.task_id.desc()).limit(1)
        return await self._sql.run(lambda c: c.scalar(query), write=False)


# --- stopping -----------------------------------------------------------------------------------------------


def _finished(c: sa.Connection, task: Task, token: int | None) -> bool:
    """Whether a task came to its end: what no kgnb ever opened is whatever its status says."""
    if task.status not in ENDED or not (task.settled or token is None):
        return False
    counts = counts_of(c, task.id)
    return not any(counts.get(state) for state in OPEN_STATES)


def _stop(c: sa.Connection, task_id: int, wanted: TaskStatus) -> Commanded:
    task, token = locked_task(c, task_id)
    if task is None:
        return Commanded("gone", no_task(task_id))
    if task.status is wanted:
        return Commanded("already", task)
    if task.status is TaskStatus.CANCELLED or _finished(c, task, token):
        return Commanded("refused", task)
    now = beijing_now()
    ended = {"paused_at": now} if wanted is TaskStatus.PAUSED else {"paused_at": None, "completed_at": now}
    set_task(c, task_id, status=wanted, retry_scheduled_at=None, **ended)
    return Commanded("done", task)


def _resume(c: sa.Connection, task_id: int) -> Commanded:
    task, _ = locked_task(c, task_id)
    if task is None or not novel_alive(c, task.novel_id):
        return Commanded("gone", task or no_task(task_id))
    if task.status is not TaskStatus.PAUSED:
        return Commanded("refused", task)
    set_task(c, task_id, status=TaskStatus.CREATED, paused_at=None)
    return Commanded("done", task)


# --- retrying -----------------------------------------------------------------------------------------------


def _retry(c: sa.Connection, task_id: int, dead: dict[int, int], only: bool, item: bool) -> Commanded:
    task, token = locked_task(c, task_id)
    if task is None or not novel_alive(c, task.novel_id):
        return Commanded("gone", task or no_task(task_id))
    chapters = _again(c, task_id, dead, only)
    if not (chapters or item or _wants_more(c, task, token, only)):
        return Commanded("refused", task)
    values: dict[str, Any] = {}
    if task.status not in (TaskStatus.CREATED, TaskStatus.RUNNING):
        values = {"status": TaskStatus.CREATED, "error_message": None, "retry_scheduled_at": None}
        values |= {"paused_at": None, "completed_at": None}
    counts = counted(c, task_id)
    set_task(c, task_id, **values, **(counts if counts["total_chapters"] else {}))
    return Commanded("done", task, chapters)


def _wants_more(c: sa.Connection, task: Task, token: int | None, only: bool) -> bool:
    """Whether a task without a failed chapter has something left that a retry would start."""
    if only or task.status in (TaskStatus.CREATED, TaskStatus.RUNNING, TaskStatus.PAUSED):
        return False
    foreign = token is None and task.status is TaskStatus.FAILED  # an old worker gave it up as a whole
    return task.status is TaskStatus.CANCELLED or foreign or not _finished(c, task, token)


def _again(c: sa.Connection, task_id: int, dead: dict[int, int], only: bool) -> int:
    """Sets chapters to pending: the failed ones, and dead ones that the ledger wasn't told of; how many."""
    keys = {(task_id, chapter_id) for chapter_id in dead}
    tokens = {chapter_id: token for (_, chapter_id), token in (lock_claims(c, keys) if keys else {}).items()}
    s = t.chapter_status.c
    states = pairs(c.execute(sa.select(s.chapter_id, s.status).where(s.kg_task_id == task_id)))
    failed = {i for i, state in states.items() if state == ChapterStatus.FAILED and (i in dead or not only)}
    untold = {i for i in dead if states.get(i) in OPEN_STATES and tokens.get(i, 0) <= dead[i]}
    again = failed | untold
    if not again:
        return 0
    values = {"status": ChapterStatus.PENDING, "error_message": None, "started_at": None}
    where = s.kg_task_id == task_id, s.chapter_id.in_(again)
    c.execute(sa.update(t.chapter_status).where(*where).values(**values, updated_at=beijing_now()))
    # The end that the dead list still tells of comes with this token, and then finds nothing to end.
    rows = [{"task_id": task_id, "chapter_id": i, "token": dead[i]} for i in sorted(again & dead.keys())]
    upsert(c, t.claims, rows, lambda old, new: {"token": greatest(c, old.token, new.token)})
    return len(again)


# --- ending -------------------------------------------------------------------------------------------------


def _give_up(c: sa.Connection, task_id: int, reason: str) -> bool:
    task, _ = locked_task(c, task_id)
    if task is None or task.status not in (TaskStatus.CREATED, TaskStatus.RUNNING):
        return False
    set_task(c, task_id, status=TaskStatus.FAILED, error_message=reason[:2_000], failed_at=beijing_now())
    return True


def _clear(c: sa.Connection, task_id: int) -> Task | None:
    task, _ = locked_task(c, task_id)
    if task is None:
        return None
    # Claims first: who saves a row holds its claim locked, and then the row is seen here.
    for table in (t.claims, t.extractions, t.raw_replies):
        c.execute(sa.delete(table).where(table.c.task_id == task_id))
    c.execute(sa.delete(t.chapter_status).where(t.chapter_status.c.kg_task_id == task_id))
    set_task(c, task_id, status=TaskStatus.CANCELLED, retry_scheduled_at=None)
    return replace(task, status=TaskStatus.CANCELLED)
