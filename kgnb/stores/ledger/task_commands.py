"""A person's commands on a task, in SQL: pause, resume, cancel, retry, delete.

Each is one transaction that locks the task's row first, so that it takes turns with opening, claiming,
closing and main's own writes. Nodes notice a command by the task's status; :mod:`kgnb.app.tasks` tends the
task's queue items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from kgnb.core.model import ACTIVE_STATUSES, CLOSED_STATUSES, ChapterStatus, Task, TaskStatus, beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.books import existing_novels
from kgnb.stores.ledger.chapters import raise_tokens
from kgnb.stores.ledger.database import DatabasePart, transaction
from kgnb.stores.ledger.extractions import lock_claims
from kgnb.stores.ledger.tasks import (
    OPEN_STATES,
    asks,
    count_columns,
    count_states,
    locked_task,
    placeholder,
    read_states,
    set_chapters,
    set_task,
)


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """``task`` is as it was before the command; ``chapters``: how many a retry set to pending.

    ``already``: nothing to change; ``refused``: its status doesn't allow it; ``gone``: no such task or novel.
    """

    outcome: Literal["done", "already", "refused", "gone"]
    task: Task
    chapters: int = 0


class TaskCommands(DatabasePart):
    """Carries out commands."""

    @transaction
    def stop(self, c: sa.Connection, task_id: int, wanted: TaskStatus) -> CommandOutcome:
        """Set an unfinished task to ``paused`` or ``cancelled`` (``wanted``), a paused one also to
        ``cancelled``, as main does.

        Outcomes: "done"; "already": it has this status; "refused": it is cancelled or finished; "gone":
        unknown id.
        """
        task, token = locked_task(c, task_id)
        if task is None:
            return CommandOutcome("gone", placeholder(task_id))
        if task.status is wanted:
            return CommandOutcome("already", task)
        if task.status is TaskStatus.CANCELLED or _is_finished(c, task, token):
            return CommandOutcome("refused", task)
        now = beijing_now()
        ended = (
            {"paused_at": now} if wanted is TaskStatus.PAUSED else {"paused_at": None, "completed_at": now}
        )
        set_task(c, task_id, status=wanted, retry_scheduled_at=None, **ended)
        return CommandOutcome("done", task)

    @transaction
    def resume(self, c: sa.Connection, task_id: int) -> CommandOutcome:
        """Set a paused task to ``created``; the caller then pushes a fresh item.

        Outcomes: "done"; "refused": it isn't paused; "gone": the task or its novel doesn't exist. If the item
        is lost, the reconciler queues the task again, which it wouldn't do for a paused one.
        """
        task, _ = locked_task(c, task_id)
        if task is None or not existing_novels(c, [task.novel_id]):
            return CommandOutcome("gone", task or placeholder(task_id))
        if task.status is not TaskStatus.PAUSED:
            return CommandOutcome("refused", task)
        set_task(c, task_id, status=TaskStatus.CREATED, paused_at=None)
        return CommandOutcome("done", task)

    @transaction
    def change_model(self, c: sa.Connection, provider: str, models: Sequence[str]) -> None:
        """Give the first of ``models`` to the provider's unfinished tasks that have none of them."""
        f, k = t.task_facts.c, t.tasks.c
        finished = sa.select(k.id).where(k.status == TaskStatus.COMPLETED)
        theirs = asks(c, provider), f.model.not_in(models)
        change = sa.update(t.task_facts).where(*theirs, f.task_id.not_in(finished)).values(model=models[0])
        c.execute(change)

    @transaction
    def retry(
        self,
        c: sa.Connection,
        task_id: int,
        dead: Mapping[int, int] | None = None,
        *,
        only: bool = False,
        item: bool = False,
    ) -> CommandOutcome:
        """Set failed chapters to pending, and a task that isn't running to ``created``, a cancelled one too.

        ``dead``: chapter id → token of chapters on the dead list; the ledger may not know of their end yet,
        and won't accept it afterwards. ``only``: retry just these. ``item``: the task's own item was on that
        list. Outcomes: "done" with the chapters; "refused": nothing to retry; "gone": the task or its novel
        doesn't exist.
        """
        task, token = locked_task(c, task_id)
        if task is None or not existing_novels(c, [task.novel_id]):
            return CommandOutcome("gone", task or placeholder(task_id))
        chapters = _reset_chapters(c, task_id, dict(dead or {}), only)
        if not (chapters or item or _can_restart(c, task, token, only)):
            return CommandOutcome("refused", task)
        values: dict[str, Any] = {}
        if task.status not in ACTIVE_STATUSES:
            values = {"status": TaskStatus.CREATED, "error_message": None, "retry_scheduled_at": None}
            values |= {"paused_at": None, "completed_at": None}
        counts = count_columns(c, task_id)
        set_task(c, task_id, **values, **(counts if counts["total_chapters"] else {}))
        return CommandOutcome("done", task, chapters)

    @transaction
    def give_up(self, c: sa.Connection, task_id: int, reason: str) -> bool:
        """End a created or running task as failed, with ``reason``, so that it isn't queued again; False if
        it is in another state or doesn't exist.
        """
        task, _ = locked_task(c, task_id)
        if task is None or task.status not in ACTIVE_STATUSES:
            return False
        set_task(c, task_id, status=TaskStatus.FAILED, error_message=reason[:2_000], failed_at=beijing_now())
        return True


def _is_finished(c: sa.Connection, task: Task, token: int | None) -> bool:
    """Return whether the task ended and no chapter is open; of a task that no kgnb ever opened, the status
    alone decides.
    """
    if task.status not in CLOSED_STATUSES or not (task.refreshed or token is None):
        return False
    counts = count_states(c, task.id)
    return not any(counts.get(state) for state in OPEN_STATES)


def _can_restart(c: sa.Connection, task: Task, token: int | None, only: bool) -> bool:
    """Return whether a retry would start something in a task without failed chapters."""
    if only or task.status in (*ACTIVE_STATUSES, TaskStatus.PAUSED):
        return False
    foreign = token is None and task.status is TaskStatus.FAILED  # an older worker gave it up as a whole
    return task.status is TaskStatus.CANCELLED or foreign or not _is_finished(c, task, token)


def _reset_chapters(c: sa.Connection, task_id: int, dead: dict[int, int], only: bool) -> int:
    """Set failed chapters, and dead ones that the ledger thinks open, to pending; return their number."""
    keys = {(task_id, chapter_id) for chapter_id in dead}
    tokens = {chapter_id: token for (_, chapter_id), token in (lock_claims(c, keys) if keys else {}).items()}
    states = read_states(c, task_id)
    failed = {i for i, state in states.items() if state == ChapterStatus.FAILED and (i in dead or not only)}
    unrecorded = {i for i in dead if states.get(i) in OPEN_STATES and tokens.get(i, 0) <= dead[i]}
    reset = failed | unrecorded
    if not reset:
        return 0
    values = {"status": ChapterStatus.PENDING, "error_message": None, "started_at": None}
    set_chapters(c, task_id, t.chapter_status.c.chapter_id.in_(reset), **values)
    # An end recorded from the dead list carries this token; stored already, it finds nothing to end.
    raise_tokens(c, {(task_id, i): dead[i] for i in sorted(reset & dead.keys())})
    return len(reset)
